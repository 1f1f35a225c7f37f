"""The folder of a run: which one is the newest unfinished."""

import json
import shutil
import time
from types import SimpleNamespace

import pytest

from sparse_keras.schema import load_config
from sparse_keras.training.runs.finding import newest_unfinished_run, unfinished_runs
from sparse_keras.training.runs.folder import RunFolder
from sparse_keras.training.runs.lock import only_process
from sparse_keras.training.runs.starting import start_run

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
        newest_unfinished_run(tmp_path, config)
    make(tmp_path, "2026-01-30_12-00-00", config.hash)
    nine = make(tmp_path, "2026-01-31_12-00-00_9", config.hash)
    ten = make(tmp_path, "2026-01-31_12-00-00_10", config.hash)
    make(tmp_path, "2026-02-01_12-00-00", "another")
    (tmp_path / CONFIG / "2026-02-02_12-00-00").mkdir()  # Killed before anything was written.
    damaged = make(tmp_path, "2026-02-03_12-00-00", config.hash)
    (damaged / "environment.json").write_text("[]")
    assert newest_unfinished_run(tmp_path, config).path == ten
    RunFolder(ten).finish({"auc": 1.0})
    assert newest_unfinished_run(tmp_path, config).path == nine


def test_runs_of_one_second_have_folders_of_their_own(tmp_path):
    config = load_config(CONFIG)
    folders = {start_run(tmp_path, config, "tensorflow", DATA).path for _ in range(3)}
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
    run = start(tmp_path)
    run.check_resumable(config, data=DATA)
    same = {"training or validation": "digest", "test": None}
    for rows, message in ((same | {"test": "other"}, "the test rows"), (same, "encoded otherwise")):
        changed = SimpleNamespace(digest=lambda: "other", row_digests=lambda rows=rows: rows)
        with pytest.raises(ValueError, match=message):
            run.check_resumable(config, data=changed)


def start(output, config=None):
    return start_run(output, config or load_config(CONFIG), "tensorflow", DATA)


def test_the_newest_is_that_started_last_whatever_the_clock_says(tmp_path, monkeypatch):
    config = load_config(CONFIG)
    monkeypatch.setattr(time, "strftime", lambda form: "2026-10-25_02-59-00")
    start(tmp_path)
    monkeypatch.setattr(time, "strftime", lambda form: "2026-10-25_02-01-00")
    newest = start(tmp_path)
    assert newest_unfinished_run(tmp_path, config).path == newest.path
    assert newest.number == 2


def test_unfinished_runs_of_other_values_are_named(tmp_path):
    config, other = load_config(CONFIG), load_config(CONFIG, "training.epochs=3")
    older, newer = start(tmp_path, other), start(tmp_path, other)
    with pytest.raises(ValueError) as caught:
        newest_unfinished_run(tmp_path, config)
    message = str(caught.value)
    assert "no unfinished run of this config" in message and "training.epochs=3" in message
    assert message.endswith(f"--resume {newer.path} (and 1 older)")
    run = start(tmp_path, config)
    same, others = unfinished_runs(tmp_path, config)
    assert [one.path for one in same] == [run.path]
    assert [one.path for one in others] == [newer.path, older.path]


def test_a_folder_of_a_run_appears_whole(tmp_path, monkeypatch):
    """A process that is killed while it writes the first files leaves nothing that looks like a
    run, and the next one removes it."""

    class Killed(BaseException):
        pass

    def die(source, target):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *args, **kwargs: None)
        patch.setattr("sparse_keras._internal.atomic.os.rename", die)
        with pytest.raises(Killed):
            start(tmp_path)
    (left,) = (tmp_path / CONFIG).iterdir()
    assert left.name.startswith(".") and (left / "environment.json").is_file()
    with pytest.raises(ValueError, match="no unfinished run"):
        newest_unfinished_run(tmp_path, load_config(CONFIG))
    run = start(tmp_path)
    assert list((tmp_path / CONFIG).iterdir()) == [run.path] and run.number == 1


def test_an_output_that_is_a_file(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(ValueError, match="Expected a folder for runs"):
        start(tmp_path / "runs")


def foreign_folder(tmp_path):
    folder = tmp_path / "foreign"
    folder.mkdir()
    for name in ("lock", "epoch_000001.npz"):
        (folder / name).write_text("foreign")
    return folder


def assert_untouched(foreign):
    assert {path.name: path.read_text() for path in foreign.iterdir()} == dict.fromkeys(
        ("lock", "epoch_000001.npz"), "foreign"
    )


def test_checkpoints_that_are_a_link(tmp_path):
    run, foreign = start(tmp_path / "runs"), foreign_folder(tmp_path)
    run.checkpoints.symlink_to(foreign)
    with pytest.raises(ValueError, match="is a symbolic link"), run.lock():
        pass
    assert_untouched(foreign)


def test_a_link_that_appears_while_training_does_not_fail_it(tmp_path):
    run, foreign = start(tmp_path / "runs"), foreign_folder(tmp_path)
    with run.lock():
        shutil.rmtree(run.checkpoints)
        run.checkpoints.symlink_to(foreign)
        run.finish({"auc": 1.0})
    assert run.is_finished and not run.checkpoints.is_symlink()
    assert_untouched(foreign)


def test_a_lock_that_is_a_link(tmp_path):
    run, foreign = start(tmp_path / "runs"), foreign_folder(tmp_path)
    run.checkpoints.mkdir()
    (run.checkpoints / "lock").symlink_to(foreign / "lock")
    with pytest.raises(OSError, match="lock"), run.lock():
        pass
    assert_untouched(foreign)


def test_what_killed_processes_left(tmp_path):
    """Half-written files before the training goes on, checkpoints once the run is finished."""
    run = start(tmp_path)
    run.checkpoints.mkdir()
    for folder in (run.path, run.checkpoints):
        (folder / ".partial_0123abcd_x.npz").write_text("half")
    with run.lock():
        assert not list(run.path.rglob(".partial_*"))
    (run.checkpoints / "epoch_000001.npz").write_text("")
    run.model_file.write_text("")
    run.finish({"auc": 1.0})
    with only_process(run.checkpoints):  # Of a process that has not got to it yet.
        run.check_model()
        assert run.checkpoints.is_dir()
    run.check_model()
    assert not run.checkpoints.exists()
