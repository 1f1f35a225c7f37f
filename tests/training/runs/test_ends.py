"""How a training ends that could not go on, or that was finished when it was stopped."""

import errno
import os
import re

import pytest

import sparse_keras
from sparse_keras.cli import main
from sparse_keras.training.runs import checkpoints
from sparse_keras.training.runs.folder import RunFolder
from sparse_keras.training.train import Interrupted

CONFIG = "tabular/sparse_mlp_breast_cancer"
SHORT = ("training.epochs=1", "training.batch_size=512", "model.stem=4", "model.depth=1")

pytestmark = pytest.mark.usefixtures("eager_functions")


def test_a_full_disk_and_ctrl_c_when_everything_is_written(tmp_path, monkeypatch, capsys):
    settings = [part for setting in SHORT for part in ("--set", setting)]

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.np, "savez", full)
        assert main(["train", CONFIG, *settings, "--output", str(tmp_path)]) == 1
    (folder,) = (tmp_path / CONFIG).iterdir()
    run = RunFolder(folder)
    message, how = capsys.readouterr().err.splitlines()
    assert re.fullmatch(rf"error: .*No space left on device: '{run.checkpoints}/epoch.*'", message)
    assert how == f"The training can be resumed with: sparse-keras train --resume {run.path}"

    finish = RunFolder.finish

    def finish_and_press(folder, metrics):
        finish(folder, metrics)
        raise KeyboardInterrupt

    monkeypatch.setattr(RunFolder, "finish", finish_and_press)
    assert main(["train", "--resume", str(run.path)]) == 1
    message = capsys.readouterr().err
    assert message == f"interrupted; the run was finished before: {run.path}\n"
    assert run.is_finished and not run.checkpoints.exists()
    assert sparse_keras.load_model(run.path)
    assert "load_model" in str(Interrupted(run.path, finished=True))
