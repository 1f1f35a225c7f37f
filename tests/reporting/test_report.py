"""report: what it measures of a run, of every kind of data and target, and the page it writes."""

import json
import re

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn import metrics
from sklearn.datasets import dump_svmlight_file

import sparse_keras
from sparse_keras._internal.metric_text import metric_text
from sparse_keras.evaluation import measure
from sparse_keras.models import PreprocessedModel
from sparse_keras.reporting import report, uncertainty
from sparse_keras.tasks.scores import metrics_of_task, scores
from sparse_keras.training.building import build_network, compile_model
from sparse_keras.training.runs.starting import start_run
from tests.support.pages import Page

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("eager_module")]

NASTY = "<script>alert('&')</script>"
YES = 'yes & <i>"gone"</i>'
BASE = "version: 1\nextends: tabular/sparse_mlp\nmodel: {experts: {num_experts: 4}}\n"
SHORT = "training: {epochs: 3, early_stopping: null, threshold: 0.3}\n"


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Fewer repetitions of what only makes numbers more precise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uncertainty, "RESAMPLES", 10)
        patch.setattr(uncertainty, "FEWEST", 5)
        patch.setattr(measure, "_REPEATS", 2)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table of three targets, whose first column says nearly all of them."""
    folder = tmp_path_factory.mktemp("report")
    rng, rows = np.random.default_rng(0), 600
    age = rng.normal(50, 10, rows)
    frame = pd.DataFrame(
        {
            "age": age,
            NASTY: rng.choice(["a", NASTY], rows),
            "note": "x",
            "size": age / 10 + rng.normal(0, 0.1, rows),
            "plan": np.digitize(age, [45, 55]),
            "gone": np.where(age + rng.normal(0, 3, rows) > 62, YES, "no"),
        }
    )
    frame["plan"] = frame["plan"].map({0: "small", 1: "medium", 2: NASTY})
    frame.to_csv(folder / "people.csv", index=False)
    return folder


def trained(folder, name, text):
    (folder / f"{name}.yaml").write_text(text)
    config = sparse_keras.load_config(folder / f"{name}.yaml")
    return sparse_keras.train(config, output=folder / "runs", verbose=0)


@pytest.fixture(scope="module")
def run(folder):
    ignored = "{note: ignore, size: ignore, plan: ignore}"
    data = f"data: {{type: csv, path: people.csv, target: gone, columns: {ignored}}}\n"
    return trained(folder, "people", BASE + data + SHORT)


@pytest.fixture(scope="module")
def data(run):
    return sparse_keras.load_data(run.config)


@pytest.fixture(scope="module")
def result(run, data):
    return report(run, data, importance_rows=100)


@pytest.fixture(scope="module")
def page(result, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    assert result.to_html(path) == path
    return path.read_text(encoding="utf-8")


def text_of(page):
    return " ".join(Page(page).text.split())


def test_the_page_is_whole_and_needs_nothing_else(page):
    read = Page(page)
    read.check_self_contained(page)
    levels = [int(tag[1]) for tag, _ in read.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
    assert all(a.get("aria-label") for tag, a in read.tags if tag == "svg")
    assert {a.get("scope") for tag, a in read.tags if tag == "th"} == {"col", "row"}
    for rule in ("prefers-color-scheme: dark", "@media print", "--accent: #6fb7e0"):
        assert rule in page
    assert len(page) < 150_000


def test_names_from_data_are_text(page):
    assert "<script" not in page and '<i>"' not in page
    text = Page(page).text
    assert NASTY in text and YES in text


def test_every_metric_shown_is_that_of_the_scores(run, data, result, page):
    (target,) = result.targets
    test = data.test
    predictions = run.model.predict(test.x, verbose=0)
    expected = scores(run.model.task, test.y, predictions)
    shown = {name: info for name, info in metrics_of_task(run.model.task).items() if info.best}
    assert list(target.metrics) == list(shown) and run.model.task.threshold == 0.3
    assert target.scores["model"].values == pytest.approx({k: expected[k] for k in shown})
    evaluated = {name: run.metrics[name] for name in shown}
    assert target.scores["model"].values == pytest.approx(evaluated, rel=1e-5)
    rate = data.train.y.mean(dtype="f8")
    constant = scores(data.task, test.y, np.full((len(test.y), 1), rate), None, list(shown))
    assert target.scores["constant"].values == pytest.approx(constant, nan_ok=True)
    assert set(target.scores) == {"model", "constant", "linear", "hgb"}
    rows = dict(re.findall(r'<th scope="row">([^<]*) [↑↓]</th>(.*?)</tr>', page))
    for name, info in shown.items():
        cells = re.findall("<td>(.*?)</td>", rows[info.label])
        values = [each.values[name] for each in target.scores.values()]
        assert cells == ["–" if value is None else metric_text(value) for value in values]


def test_charts_are_those_of_scikit_learn(run, data, result):
    (target,) = result.targets
    y = data.test.y
    probability = run.model.predict(data.test.x, verbose=0)[:, 0]
    decided = probability >= np.float32(0.3)
    np.testing.assert_array_equal(target.confusion, metrics.confusion_matrix(y, decided))
    recall, precision = metrics.recall_score(y, decided), metrics.precision_score(y, decided)
    false = (decided & (y == 0)).sum() / (y == 0).sum()
    assert target.roc["model"].at == pytest.approx((false, recall))
    assert target.precision_recall["model"].at == pytest.approx((recall, precision))
    area = metrics.auc(target.roc["model"].x, target.roc["model"].y)
    assert area == pytest.approx(target.scores["model"].values["auc"], abs=1e-3)
    assert target.shares[YES][2:] == (int(y.sum()), pytest.approx(y.mean()))
    assert target.calibration.rows.sum() == len(y)


def test_what_the_model_relies_on(result):
    assert result.importance.columns == ("age", NASTY)
    drops = result.importance.drops["gone"]
    assert drops.shape == (2, 5) and drops[0].mean() > 0.2 > abs(drops[1].mean())
    assert result.importance.rows == 100 and result.importance.of == 120
    text = " ".join(verdict.text for verdict in result.summary())
    assert "It relies most on age" in text


def test_what_was_trained(run, data, result, page):
    text = text_of(page)
    assert result.rows == {"train": 432, "validation": 48, "test": 120}
    for expected in (
        "432 train, 48 validation, 120 test",
        "432 train (72.0 %), 48 validation (8.0 %), 120 test (20.0 %).",
        "drawn at random",
        "seed 0",
        "0.3, as configured",
        f"{result.costs['params']:,}",
        "100 test rows drawn at random of 120",
        "Measured on 120 test rows",
        str(run.path),
    ):
        assert expected in text, expected
    left_out = {name for name, kind, _ in result.columns if kind == "ignored"}
    assert left_out == {"note", "size", "plan"}
    assert result.inspection.examples == 120
    assert set(result.history.logs) >= {"loss", "val_loss", "auc", "val_auc"}
    losses = result.history.logs["val_loss"]
    assert result.history.best == 1 + int(np.argmin(losses)) and result.history.epochs == 3
    assert f"{losses[-1]:.4f}" in text


def test_several_targets(folder):
    """A number, several classes and two classes, of which some labels are missing."""
    frame = pd.read_csv(folder / "people.csv").drop(columns=["note"])
    frame.loc[::7, "gone"] = np.nan
    frame.to_csv(folder / "three.csv", index=False)
    run = trained(
        folder,
        "three",
        "version: 1\nextends: multitask/mmoe\n"
        "data: {type: csv, path: three.csv, validation_fraction: 0,"
        " target: {gone: auto, plan: auto, size: auto}}\n"
        "training: {epochs: 1, early_stopping: null}\n",
    )
    result = report(run, baselines="never", importance_rows=40)
    assert [target.kind for target in result.targets] == ["binary", "multiclass", "regression"]
    gone, plan, size = result.targets
    labelled = pd.read_csv(folder / "three.csv")
    assert gone.rows < plan.rows == size.rows == 120 and labelled["gone"].isna().sum() > 0
    for target in result.targets:
        for metric, value in target.scores["model"].values.items():
            assert value == pytest.approx(run.metrics[f"{target.name}_{metric}"], rel=1e-4)
    assert plan.confusion.sum() == 120 and plan.by_class["medium"]["rows"] > 20
    rmse = np.sqrt((size.residuals.astype("f8") ** 2).mean())
    assert rmse == pytest.approx(size.scores["model"].values["rmse"], rel=1e-5)
    assert size.scores["constant"].values["r2"] == pytest.approx(0, abs=0.05)
    text = result.to_html()
    read = Page(text)
    read.check_self_contained(text)
    words = text_of(text)
    for expected in ("How good it is: gone", "How good it is: plan", "How good it is: size"):
        assert expected in words
    assert "Predicted and true values" in words and "Residuals" in words
    assert "There are no validation rows." in words and "No rows were held out" in words
    assert "Other models are left out. Not asked for." in words
    assert result.history.best is None and "<script" not in text


def test_a_model_without_experts_and_a_validation_set(folder, monkeypatch):
    run = trained(
        folder,
        "dense",
        "version: 1\nmodel: {type: dense_mlp, hidden_dim: 8}\noptimizer: {type: adam}\n"
        "data: {type: csv, path: people.csv, target: size, columns: {note: ignore},"
        " validation_fraction: 0}\ntraining: {epochs: 1, early_stopping: null}\n",
    )
    result = report(run.path, baselines="never", importance_rows=0)
    assert result.inspection is None and result.importance is None
    text = text_of(result.to_html())
    assert "Left out. The model has no mixture of experts." in text
    assert "Left out. Not asked for." in text


def test_csr_matrices(folder):
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(80, 40)) * (rng.random((80, 40)) < 0.2)
    labels = rng.integers(0, 2, 80)
    dump_svmlight_file(scipy.sparse.csr_matrix(dense), labels, str(folder / "x.svm"))
    (folder / "x.yaml").write_text(
        "version: 1\nextends: tabular/sparse_mlp\n"
        "data: {type: svmlight, path: x.svm, zero_based: true}\n"
        "model: {stem: null, sparse_projection: {units: 8}}\n"
    )
    config = sparse_keras.load_config(folder / "x.yaml")
    data = sparse_keras.load_data(config)
    started = start_run(folder / "runs", config, keras.backend.backend(), data)
    model = PreprocessedModel(build_network(config, data), data.preprocessor)
    compile_model(model, config, data)
    started.save_model(model)
    with pytest.raises(ValueError, match="has not finished.*--resume"):
        report(started.path)
    started.finish({"auc": 0.5})
    result = report(started.path)
    assert set(result.targets[0].scores) == {"model", "constant", "linear"}
    assert "HistGradientBoosting takes only dense rows" in result.left_out["baselines"]
    text = text_of(result.to_html())
    assert "Left out. It is measured for tables with named columns." in text
    assert "The run has no logs of its epochs." in text


def test_what_is_no_finished_run(folder, run, tmp_path):
    with pytest.raises(ValueError, match="Expected the folder of a run"):
        report(tmp_path)
    with pytest.raises(ValueError, match="`baselines` must be one of auto, always, never"):
        report(run, baselines="yes")
    with pytest.raises(ValueError, match="importance_rows"):
        report(run, importance_rows=-1)


def test_changed_data_are_refused(folder, run):
    file = folder / "people.csv"
    before = file.read_text()
    file.write_text(before.replace("no\n", f'"{YES.replace(chr(34), chr(34) * 2)}"\n', 3))
    try:
        with pytest.raises(ValueError, match="have changed since it was trained"):
            report(run)
    finally:
        file.write_text(before)


def test_the_metrics_file_is_read(run):
    metrics_file = json.loads((run.path / "metrics.json").read_text())
    assert metrics_file["fit_seconds"] == pytest.approx(run.seconds)
