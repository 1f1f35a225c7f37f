"""`sparse-keras report`, and `train --report`."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sparse_keras
from sparse_keras.cli import main
from sparse_keras.evaluation import measure
from sparse_keras.reporting import uncertainty
from tests.support.pages import Page

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("eager_module")]

QUICK = ["--baselines", "never", "--importance-rows", "0"]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with a run that was trained with `--report`."""
    folder = tmp_path_factory.mktemp("here")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.normal(size=200), "plan": rng.choice(["a", "b"], 200)})
    frame["churned"] = np.where(frame.age + rng.normal(size=200) > 0, "y", "n")
    frame.to_csv(folder / "churn.csv", index=False)
    (folder / "churn.yaml").write_text(
        "version: 1\nextends: tabular/sparse_mlp\nmodel: {experts: {num_experts: 2}}\n"
        "data: {type: csv, path: churn.csv, target: churned}\ntraining: {epochs: 1}\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uncertainty, "RESAMPLES", 10)
        patch.setattr(uncertainty, "FEWEST", 5)
        patch.setattr(measure, "_REPEATS", 2)
        patch.chdir(folder)
        assert main(["train", "churn.yaml", "--report"]) == 0
        yield folder


@pytest.fixture
def run(here, monkeypatch):
    monkeypatch.chdir(here)
    (run,) = (here / "runs" / "churn").iterdir()
    return run.relative_to(here)


def test_train_writes_it(run):
    text = (run / "report.html").read_text(encoding="utf-8")
    Page(text).check_self_contained(text)
    assert "gradient boosting" in text and "Permutation importance" in text


def test_overwrites_nothing_unasked(run, here, capsys):
    before = (run / "report.html").read_bytes()
    assert main(["report", str(run)]) == 2
    out, err = capsys.readouterr()
    assert "report.html is there already; --overwrite replaces it" in err and out == ""
    assert (run / "report.html").read_bytes() == before
    assert main(["report", "last", "--output", "other.html", *QUICK]) == 0
    out, err = capsys.readouterr()
    assert err == f"last: {run}\n" and out.endswith("\nwrote other.html\n")
    assert out.startswith("· AUC ")
    text = (here / "other.html").read_text(encoding="utf-8")
    assert "gradient boosting" not in text.replace("Gradient boosting", "")
    assert main(["report", "last", "--output", "other.html", "--overwrite", *QUICK]) == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--output", "nowhere/page.html"], "nowhere/page.html: there is no folder nowhere."),
        (["--output", "runs"], "runs is a folder. Expected the name of a file to write."),
        (["--baselines", "sometimes"], "expected one of auto, always, never, got 'sometimes'"),
        (["--importance-rows", "-3"], "expected a number of rows, or 0. Received: '-3'"),
    ],
)
def test_wrong_input(run, given, message, capsys):
    try:
        assert main(["report", str(run), *given]) == 2
    except SystemExit as end:
        assert end.code == 2
    assert message in capsys.readouterr().err


def test_what_has_no_report(run, here, tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 2
    assert "Expected the folder of a run" in capsys.readouterr().err
    config = sparse_keras.load_config(Path("churn.yaml"))
    from sparse_keras.training.runs.starting import start_run

    unfinished = start_run(tmp_path, config, "tensorflow", sparse_keras.load_data(config))
    assert main(["report", str(unfinished.path)]) == 2
    err = capsys.readouterr().err
    assert "has no model yet: it is not finished. Resume it with: sparse-keras train" in err
