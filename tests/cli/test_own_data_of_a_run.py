"""Verbs that use a run's own data: refused when they have changed, found when they have moved."""

import json
import shutil

import keras
import numpy as np
import pandas as pd
import pytest

import sparse_keras
from sparse_keras.cli import main
from sparse_keras.models import PreprocessedModel
from sparse_keras.training.building import build_network, compile_model
from sparse_keras.training.runs.starting import start_run

pytestmark = pytest.mark.usefixtures("eager_module")


def _people():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": 20 + rng.permutation(200) / 4,  # By which rows are known.
            "plan": rng.choice(["basic", "plus", "pro"], 200),
            "churned": rng.choice(["y", "n"], 200),
        }
    )


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A project with a table, a config and a run of it, whose model is not trained."""
    folder = tmp_path_factory.mktemp("original") / "project"
    folder.mkdir()
    _people().to_csv(folder / "people.csv", index=False)
    (folder / "people.yaml").write_text(
        "version: 1\nextends: tabular/sparse_mlp\n"
        "data: {type: csv, path: people.csv, target: churned}\n"
        "model: {stem: 8, embedding_dim: 2}\n"
    )
    config = sparse_keras.load_config(folder / "people.yaml")
    data = sparse_keras.load_data(config)
    run = start_run(folder / "runs", config, keras.backend.backend(), data)
    model = PreprocessedModel(build_network(config, data), data.preprocessor)
    compile_model(model, config, data)
    model.save(run.model_file)
    run.finish({"auc": 0.5})
    return folder


@pytest.fixture
def project(original, tmp_path):
    """A copy of it. Its run's `environment.json` names files of the original."""
    return shutil.copytree(original, tmp_path / "copy")


def run_in(project):
    (run,) = (project / "runs" / "people").iterdir()
    return str(run)


def scores(capsys, *arguments):
    assert main(["evaluate", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys, *arguments):
    assert main(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert out == "" and "Traceback" not in err
    return err.splitlines()[0]


def shuffled(frame):
    return frame.sample(frac=1, random_state=1)


def test_other_rows_are_not_called_test_rows(project, capsys):
    run, table = run_in(project), project / "people.csv"
    before = scores(capsys, run)
    frame = pd.read_csv(table)
    shuffled(frame).to_csv(table, index=False)
    message = refused(capsys, "evaluate", run)
    assert "have changed since it was trained" in message and str(table) in message
    assert "the train, validation and test rows are not" in message and "--data FILE" in message
    assert "have changed" in refused(capsys, "evaluate", run, "--part", "train")
    assert "sparse_keras.inspect" in refused(capsys, "inspect", run)
    assert scores(capsys, run, "--data", str(table))["rows"] == 200
    assert main(["predict", run, str(table)]) == 0
    capsys.readouterr()
    frame.to_csv(table, index=False)
    assert scores(capsys, run) == before


@pytest.mark.tensorflow
def test_export_does_not_compare_on_other_rows(project, capsys):
    run, table = run_in(project), project / "people.csv"
    shuffled(pd.read_csv(table)).to_csv(table, index=False)
    assert ".export(FOLDER)" in refused(capsys, "export", run)
    assert not (project / "runs" / "people" / "saved_model").exists()


def test_other_test_rows_alone_are_noticed(project, capsys):
    run, table = run_in(project), project / "people.csv"
    data = sparse_keras.load_data(sparse_keras.load_config(project / "people.yaml"))
    frame = pd.read_csv(table)
    tested = frame["age"].isin(data.frames["test"]["age"])
    frame.loc[tested, "age"] = frame.loc[tested, "age"].to_numpy()[::-1]
    frame.to_csv(table, index=False)
    changed = sparse_keras.load_data(sparse_keras.load_config(project / "people.yaml"))
    assert changed.digest() == data.digest()
    assert "the test rows are not the same" in refused(capsys, "evaluate", run)


def test_an_edited_config(project, capsys):
    run = run_in(project)
    resolved = project / run / "resolved.yaml"
    resolved.write_text(resolved.read_text().replace("split_seed: 0", "split_seed: 7"))
    for verb in ("evaluate", "inspect", "export"):
        message = refused(capsys, verb, run)
        assert "resolved.yaml' has changed since the run was started" in message
    (project / "base.yaml").write_text(sparse_keras.load_config(resolved).to_yaml())
    resolved.write_text(f"extends: {project}/base.yaml\nversion: 1\n")
    assert "has changed since the run was started" in refused(capsys, "evaluate", run)
    assert scores(capsys, run, "--data", str(project / "people.csv"))["rows"] == 200


def test_a_config_that_says_the_same(project, capsys):
    """Comments, and another folder of the data, of which the messages speak."""
    run, data = run_in(project), project / "data"
    data.mkdir()
    (project / "people.csv").rename(data / "people.csv")
    resolved = project / run / "resolved.yaml"
    text = resolved.read_text().replace("../../../people.csv", f"{data}/people.csv  # Moved.")
    resolved.write_text(text)
    assert scores(capsys, run)["rows"] == 40


def test_a_project_that_moved(project, original, capsys, monkeypatch):
    """The original is hidden, so that nothing can be read from there."""
    hidden = original.rename(original.parent / "hidden")
    try:
        run = run_in(project)
        assert scores(capsys, run)["rows"] == 40
        monkeypatch.chdir(run)
        assert scores(capsys, ".")["rows"] == 40
        assert main(["summary", "resolved.yaml"]) == 0
        assert "people: 144 train, 16 validation, 40 test" in capsys.readouterr().out.replace(
            " rows", ""
        )
    finally:
        hidden.rename(original)


def test_a_run_that_moved_alone(project, original, tmp_path, capsys):
    run = shutil.move(run_in(project), tmp_path / "elsewhere")
    assert scores(capsys, str(run))["rows"] == 40  # From the original's table.


def test_data_that_are_gone(project, original, capsys):
    run = run_in(project)
    (project / "people.csv").unlink()
    hidden = (original / "people.csv").rename(original / "gone.csv")
    try:
        message = refused(capsys, "evaluate", run)
        assert f"there is no file '{project}/people.csv'" in message
        assert f"none at '{original}/people.csv'" in message
        assert "data.path" in message and "resolved.yaml" in message and "--data FILE" in message
        assert scores(capsys, run, "--data", str(hidden))["rows"] == 200
    finally:
        hidden.rename(original / "people.csv")


def test_a_run_of_an_older_version(project, capsys):
    """It has absolute paths, and no digests of the rows of each part."""
    run = run_in(project)
    config = sparse_keras.load_config(f"{run}/resolved.yaml")
    (project / run / "resolved.yaml").write_text(config.to_yaml())
    file = project / run / "environment.json"
    environment = json.loads(file.read_text())
    for key in ("row_digests", "resolved_digest", "files", "number"):
        del environment[key]
    file.write_text(json.dumps(environment))
    assert scores(capsys, run)["rows"] == 40
    shuffled(pd.read_csv(project / "people.csv")).to_csv(project / "people.csv", index=False)
    assert "the training or validation rows are not" in refused(capsys, "evaluate", run)


def test_a_run_without_its_model_is_told_the_same_everywhere(project, capsys):
    run = run_in(project)
    (project / run / "model.keras").unlink()
    expected = f"The run {run!r} is finished, since it has its metrics.json, but its model.keras"
    for arguments in (["evaluate", run], ["predict", run, "x.csv"], ["train", "--resume", run]):
        message = refused(capsys, *arguments)
        assert expected in message and "sparse-keras train " in message
    with pytest.raises(ValueError, match="is finished, since"):
        sparse_keras.load_model(run)


@pytest.mark.parametrize("folder", ["runs/people", "runs", "."])
def test_the_newest_run_below_a_folder_is_named(folder, project, monkeypatch, capsys):
    monkeypatch.chdir(project)
    message = refused(capsys, "evaluate", folder)
    assert f"The newest run in it is '{run_in(project)[len(str(project)) + 1 :]}'" in message
