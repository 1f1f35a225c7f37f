"""The folder of a run: which one is the newest unfinished."""

import json
from types import SimpleNamespace

import pytest

from sparse_keras.schema import load_config
from sparse_keras.training.runs.folder import RunFolder

CONFIG = "tabular/sparse_mlp_breast_cancer"
DATA = SimpleNamespace(digest=lambda: "digest", test=None)


def make(output, time, config_hash):
    folder = output / CONFIG / time
    folder.mkdir(parents=True)
    written = dict.fromkeys(("config", "data_digest", "backend", "command"), "")
    content = json.dumps({**written, "config_hash": config_hash})
    (folder / "environment.json").write_text(content)
    return folder


def test_newest_unfinished(tmp_path):
    config = load_config(CONFIG)
    with pytest.raises(ValueError, match="no unfinished run"):
        RunFolder.newest_unfinished(tmp_path, config)
    make(tmp_path, "2026-01-30_12-00-00", config.hash)
    nine = make(tmp_path, "2026-01-31_12-00-00_9", config.hash)
    ten = make(tmp_path, "2026-01-31_12-00-00_10", config.hash)
    make(tmp_path, "2026-02-01_12-00-00", "another")
    (tmp_path / CONFIG / "2026-02-02_12-00-00").mkdir()  # Killed before anything was written.
    damaged = make(tmp_path, "2026-02-03_12-00-00", config.hash)
    (damaged / "environment.json").write_text("[]")
    assert RunFolder.newest_unfinished(tmp_path, config).path == ten
    RunFolder(ten).finish({"auc": 1.0})
    assert RunFolder.newest_unfinished(tmp_path, config).path == nine


def test_runs_of_one_second_have_folders_of_their_own(tmp_path):
    config = load_config(CONFIG)
    folders = {RunFolder.start(tmp_path, config, "tensorflow", DATA).path for _ in range(3)}
    assert len(folders) == 3


def test_a_folder_of_no_run(tmp_path):
    with pytest.raises(ValueError, match="Expected the folder of a run"):
        RunFolder(tmp_path).read_environment()


@pytest.mark.parametrize("content", ["", "[]", "{}", "{", "\x00"])
def test_a_damaged_environment(content, tmp_path):
    (tmp_path / "environment.json").write_text(content)
    with pytest.raises(ValueError, match="environment.json is damaged"):
        RunFolder(tmp_path).read_environment()


def test_another_backend_or_other_data_cannot_go_on(tmp_path):
    config = load_config(CONFIG)
    folder = RunFolder(make(tmp_path, "2026-02-03_12-00-00", config.hash))
    folder.check_resumable(config)
    with pytest.raises(ValueError, match="KERAS_BACKEND="):
        folder.check_resumable(config, backend="jax")
    with pytest.raises(ValueError, match="have changed"):
        folder.check_resumable(config, data=DATA)
