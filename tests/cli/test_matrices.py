"""Commands on a run whose data are a sparse matrix."""

import json
import re

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.datasets import dump_svmlight_file

import sparse_keras
from sparse_keras.cli import main
from sparse_keras.models import PreprocessedModel
from sparse_keras.training.building import build_network
from sparse_keras.training.runs.starting import start_run

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("eager_module")]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """What a training of a svmlight file leaves."""
    folder = tmp_path_factory.mktemp("matrices")
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(60, 40)) * (rng.random((60, 40)) < 0.2)
    matrix = scipy.sparse.csr_matrix(dense)
    dump_svmlight_file(matrix, rng.integers(0, 2, 60), str(folder / "x.svm"), zero_based=False)
    scipy.sparse.save_npz(folder / "x.npz", matrix)
    (folder / "x.yaml").write_text(
        "version: 1\nextends: tabular/sparse_mlp\n"
        "data: {type: svmlight, path: x.svm}\nmodel: {stem: null, sparse_projection: {units: 8}}\n"
    )
    config = sparse_keras.load_config(folder / "x.yaml")
    data = sparse_keras.load_data(config)
    run = start_run(folder / "runs", config, keras.backend.backend(), data).path
    model = PreprocessedModel(build_network(config, data), data.preprocessor)
    sparse_keras.training.building.compile_model(model, config, data)
    model.save(run / "model.keras")
    return run


def test_predict(run_folder, tmp_path, capsys):
    folder = run_folder.parents[2]
    for name in ("x.npz", "x.svm"):
        output = tmp_path / f"{name}.csv"
        assert main(["predict", str(run_folder), str(folder / name), "--output", str(output)]) == 0
    one, other = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("x.npz", "x.svm"))
    pd.testing.assert_frame_equal(one, other, atol=1e-4)
    matrix = scipy.sparse.load_npz(folder / "x.npz")
    expected = sparse_keras.load_model(run_folder).predict(matrix, verbose=0)
    np.testing.assert_allclose(one["probability_1"], expected[:, 0], atol=1e-5)


def test_evaluate(run_folder, capsys):
    file = str(run_folder.parents[2] / "x.svm")
    assert main(["evaluate", str(run_folder), "--data", file, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 60
    assert main(["evaluate", str(run_folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 12


def test_export(run_folder, tmp_path, capsys):
    assert main(["export", str(run_folder), str(tmp_path / "saved")]) == 0
    assert "on 12 test rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "RUN", "--data", "x.npz"], "without a target"),
        (["predict", "RUN", "x.yaml"], "ends in .npz"),
        (["predict", "RUN", "x.svm", "--keep", "id"], "no other columns"),
        (["predict", "RUN", "none.svm"], "does not exist"),
        (["check", "missing.yaml"], "data.path.*no file"),
    ],
)
def test_what_does_not_fit_is_told(run_folder, arguments, message, capsys):
    folder = run_folder.parents[2]
    (folder / "missing.yaml").write_text(
        "version: 1\nextends: tabular/sparse_mlp\ndata: {type: svmlight, path: none.svm}\n"
    )
    paths = ("x.npz", "x.svm", "x.yaml", "none.svm", "missing.yaml")
    arguments = [str(folder / one) if one in paths else one for one in arguments]
    assert main([str(run_folder) if one == "RUN" else one for one in arguments]) == 2
    assert re.search(message, capsys.readouterr().err)


def test_check_builds_and_summary_shows(run_folder, capsys):
    config = str(run_folder.parents[2] / "x.yaml")
    assert main(["check", config, "--build"]) == 0
    assert "40 columns" in capsys.readouterr().out
    assert main(["summary", config]) == 0
    assert "SparseProjection" in capsys.readouterr().out


@pytest.mark.parametrize("file", ["x.npz", "x.svm"])
def test_init_tells_a_config_for_a_matrix(run_folder, file, tmp_path, monkeypatch, capsys):
    """The config it tells is one that `check` builds."""
    monkeypatch.chdir(tmp_path)
    matrix = run_folder.parents[2] / file
    assert main(["init", str(matrix), "--target", "y"]) == 2
    told = capsys.readouterr().err
    assert "holds a CSR matrix. Expected a table" in told and not list(tmp_path.iterdir())
    text = told[told.index("  version: 1") :].replace("TABLE", "table.csv")
    lines = [line[2:] for line in text.splitlines() if line.startswith("  ")]
    pd.DataFrame({"y": [0, 1] * 30}).to_csv("table.csv", index=False)
    (tmp_path / "own.yaml").write_text("\n".join(lines))
    assert main(["check", "own.yaml", "--build"]) == 0


def test_init_of_a_table_that_ends_as_a_matrix_does(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.savez("table.npz", data=np.arange(60.0), y=np.arange(60) % 2)
    assert main(["init", "table.npz", "--target", "y"]) == 0
    assert main(["init", "none.svm", "--target", "y"]) == 2
    assert "none.svm does not exist" in capsys.readouterr().err
