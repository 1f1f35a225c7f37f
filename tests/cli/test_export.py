"""`sparse-keras export`: what it writes, and what it refuses to leave behind."""

import keras
import numpy as np
import pytest

import sparse_keras
from sparse_keras.cli import export, main
from sparse_keras.models import PreprocessedModel
from sparse_keras.training.building import build_network
from sparse_keras.training.runs.starting import start_run

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("eager_module")]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """What a training of a user's own table leaves: text, numbers, gaps."""
    folder = tmp_path_factory.mktemp("export")
    rows = [
        f"{20 + i % 50},{'abc'[i % 3]},{'' if i % 7 == 0 else i},{'yes' if i % 50 > 25 else 'no'}"
        for i in range(400)
    ]
    (folder / "churn.csv").write_text("\n".join(["age,plan,visits,churned", *rows]) + "\n")
    (folder / "churn.yaml").write_text(
        "version: 1\nextends: tabular/sparse_mlp\n"
        "data: {type: csv, path: churn.csv, target: churned}\nmodel: {stem: 16, embedding_dim: 2}\n"
    )
    config = sparse_keras.load_config(folder / "churn.yaml")
    data = sparse_keras.load_data(config)
    run = start_run(folder / "runs", config, keras.backend.backend(), data).path
    PreprocessedModel(build_network(config, data), data.preprocessor).save(run / "model.keras")
    return run


def test_writes_what_predicts_the_same(run_folder, capsys):
    import tensorflow as tf

    assert main(["export", str(run_folder)]) == 0
    told = capsys.readouterr()
    assert "on 80 test rows" in told.out and str(run_folder / "saved_model") in told.out
    assert told.err == ""
    loaded = tf.saved_model.load(run_folder / "saved_model")
    row = {"age": [33.0], "plan": [" b"], "visits": [np.nan]}
    dtypes = {"age": "float64", "plan": "string", "visits": "float64"}
    served = loaded.serve({name: tf.constant(row[name], dtypes[name]) for name in row})
    expected = sparse_keras.load_model(run_folder).predict(row, verbose=0)
    np.testing.assert_allclose(served["prediction"], expected, atol=1e-6)
    assert served["class"].numpy()[0].decode() in ("yes", "no")


def test_overwrites_nothing(run_folder, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    assert main(["export", str(run_folder), str(tmp_path / "mine")]) == 2
    assert "exists already" in capsys.readouterr().err
    assert not list((tmp_path / "mine").iterdir())


@pytest.mark.parametrize("wrong", [1e-3, np.nan])
def test_leaves_nothing_that_predicts_otherwise(run_folder, tmp_path, capsys, monkeypatch, wrong):
    right = PreprocessedModel.export

    def export(model, filepath):
        (head,) = (layer for layer in model.core.layers if layer.name == "head")
        bias = head.bias.numpy()
        head.bias.assign(bias + wrong)
        right(model, filepath)
        head.bias.assign(bias)

    monkeypatch.setattr(PreprocessedModel, "export", export)
    assert main(["export", str(run_folder), str(tmp_path / "new" / "one")]) == 1
    assert "more than 1e-05" in capsys.readouterr().err
    assert not list((tmp_path / "new").iterdir())


def test_what_is_no_run(run_folder, tmp_path, capsys):
    assert main(["export", str(tmp_path)]) == 2
    assert "Expected the folder of a run" in capsys.readouterr().err
    for name in ("resolved.yaml", "environment.json"):
        (tmp_path / name).write_text((run_folder / name).read_text())
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]).save(tmp_path / "model.keras")
    assert main(["export", str(tmp_path)]) == 2
    assert "The preprocessor of this model: none" in capsys.readouterr().err
    assert not (tmp_path / "saved_model").exists()


def test_a_folder_that_another_process_writes_meanwhile_stays(
    run_folder, tmp_path, capsys, monkeypatch
):
    target = tmp_path / "served"

    def compare(*args):
        target.mkdir()
        (target / "theirs").write_text("")
        return 0.0

    monkeypatch.setattr(PreprocessedModel, "export", lambda model, folder: None)
    monkeypatch.setattr(export, "largest_difference", compare)
    assert main(["export", str(run_folder), str(target)]) == 2
    assert f"{target} was written by another process meanwhile" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["served", "theirs"]
