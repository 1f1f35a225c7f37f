"""Warnings of this package are sentences at the command line; those of others are as ever."""

import warnings
from pathlib import Path

import pytest

import sparse_keras
from sparse_keras.cli import main, show

PACKAGE = Path(sparse_keras.__file__).parent


def test_own_warnings_are_sentences(monkeypatch, capsys):
    def run(args):
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            for file in (PACKAGE / "training" / "runs" / "resuming.py", Path("plugin.py")):
                warnings.warn_explicit(f"from {file.name}", UserWarning, str(file), 1)
        return 0

    monkeypatch.setattr(show, "run", run)
    with pytest.warns(UserWarning) as others:
        assert main(["show", "tabular/sparse_mlp"]) == 0
    assert capsys.readouterr().err == "warning: from resuming.py\n"
    assert [str(one.message) for one in others] == ["from plugin.py"]
