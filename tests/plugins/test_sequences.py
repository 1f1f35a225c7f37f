"""A plug-in of sequences goes all the way from YAML, though nothing shared knows of sequences."""

import json
import re

import numpy as np
import pytest

import sparse_keras
from sparse_keras._internal import builders
from sparse_keras.cli import main
from sparse_keras.evaluation import measure
from sparse_keras.models import active_params, flops_per_example, total_params
from sparse_keras.reporting import uncertainty
from sparse_keras.schema.config import Config
from sparse_keras.schema.core.choice import rebuild
from sparse_keras.schema.sections.data import DATASETS
from sparse_keras.schema.sections.models import MODELS
from tests.plugins import sequences
from tests.support.pages import Page

CONFIG = """version: 1
data: {type: waves, length: 5}
model: {type: wave_experts, num_experts: 3, units: 4}
optimizer: {type: adam, learning_rate: 0.03}
training: {epochs: 6, batch_size: 16, early_stopping: {monitor: val_auc, patience: 5}}
"""


@pytest.fixture(scope="module", autouse=True)
def registered():
    """Registers the plug-in while the tests of this file run."""
    with pytest.MonkeyPatch.context() as patch:
        for choice in (DATASETS, MODELS):
            patch.setattr(choice, "_sections", dict(choice._sections))
        for kind in ("data", "model"):
            builders_of_kind = builders._BUILDERS[kind]
            for name in ("waves", "wave_experts", "dense_waves"):
                patch.setitem(builders_of_kind, name, None)
                del builders_of_kind[name]
        sequences.register()
        yield
    rebuild(Config)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("waves") / "waves.yaml"
    path.write_text(CONFIG)
    return sparse_keras.load_config(path)


@pytest.fixture(scope="module")
def run(config, tmp_path_factory):
    return sparse_keras.train(config, output=tmp_path_factory.mktemp("runs"), verbose=0)


def test_it_learns_and_logs_its_experts(run):
    assert run.metrics["accuracy"] > 0.9
    assert len(run.history["load_violation"]) == len(run.history["val_auc"]) == 6


@pytest.mark.usefixtures("eager_functions")
def test_a_saved_model_predicts_from_raw_sequences(run, config):
    loaded = sparse_keras.load_model(run.path)
    raw, rises = sequences.raw_waves(7, 5, seed=9)
    encoded = loaded.preprocessor.encode(raw)
    expected = loaded.core.predict(encoded, verbose=0)
    np.testing.assert_array_equal(loaded.predict(raw, verbose=0), expected)
    np.testing.assert_array_equal(loaded.predict(encoded, verbose=0), expected)
    directions = loaded.predict_target(raw, verbose=0)
    assert (directions == np.where(rises, "rises", "falls")).mean() > 0.8
    frame = loaded.predict_frame(raw, verbose=0)
    assert list(frame) == ["prediction", "probability_rises"]
    assert loaded.predict([], verbose=0).shape == (0, 1)
    data = sparse_keras.load_data(config)
    logs = loaded.evaluate(data.test, return_dict=True, verbose=0)
    assert logs == pytest.approx({name: run.metrics[name] for name in logs}, abs=1e-5)
    with pytest.raises(ValueError, match="Scaled cannot be exported.*inputs='encoded'"):
        loaded.export("nowhere")


def test_what_it_costs(run):
    """Each of 5 steps meets the router and one of 3 experts."""
    core = run.model.core
    step = sequences.WIDTH * 3 + sequences.WIDTH * 4
    assert flops_per_example(core) == 2 * (5 * step + 4)
    expert = sequences.WIDTH * 4 + 4
    assert total_params(core) - active_params(core) == 2 * expert


def test_its_experts_can_be_inspected(run, config):
    data = sparse_keras.load_data(config)
    inspection = sparse_keras.inspect(run.model, data.test, labels="targets")
    (gate,) = inspection
    assert gate.tokens == 256 * 5 and gate.load.sum() == pytest.approx(1)


@pytest.mark.usefixtures("eager_functions")
def test_verbs(run, capsys, monkeypatch):
    path = str(run.path)
    assert main(["evaluate", path, "--json"]) == 0
    evaluated = json.loads(capsys.readouterr().out)
    assert evaluated.pop("rows") == 256 and evaluated == pytest.approx(run.metrics)
    assert main(["inspect", path]) == 0
    assert "256 test rows of waves" in capsys.readouterr().out
    (run.path / "inspection.html").unlink()  # Another test writes it, too.
    monkeypatch.setattr(uncertainty, "RESAMPLES", 10)
    assert main(["report", path]) == 0
    text = (run.path / "report.html").read_text()
    Page(text).check_self_contained(text)
    assert "Confusion matrix" in text and "256 test examples" not in text
    assert "Gradient boosting and the linear model need a table" in text
    assert main(["check", str(run.path / "config.yaml"), "--build"]) == 0
    assert "ok" in capsys.readouterr().out


def test_verbs_without_a_preprocessor(config, tmp_path, capsys):
    plain = ["data.preprocess=false", "training.epochs=1"]
    config = sparse_keras.load_config(config.reference, plain)
    run = sparse_keras.train(config, output=tmp_path, verbose=0)
    assert not hasattr(run.model, "preprocessor")
    path = str(run.path)
    assert main(["evaluate", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["auc"] == pytest.approx(run.metrics["auc"])
    assert main(["inspect", path]) == 0
    (tmp_path / "rows.csv").write_text("x\n1\n")
    assert main(["predict", path, str(tmp_path / "rows.csv")]) == 2
    assert (
        "classifiers of texts only. The preprocessor of this model: none."
        in capsys.readouterr().err
    )


@pytest.mark.slow
def test_it_is_compared_with_its_dense_twin(config, run, tmp_path, monkeypatch):
    """A model without a dense twin is measured alone. What needs a table is left out."""
    monkeypatch.setenv("SPARSE_KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(measure, "_REPEATS", 1)
    comparison = sparse_keras.compare(config, seeds=1, models=["equal_flops"])
    assert list(comparison.content["models"]) == ["moe", "equal_flops"]
    moe, twin = comparison["moe"], comparison["equal_flops"]
    # Router and expert at 5 steps, and the head, as in `test_what_it_costs`.
    assert moe["costs"]["flops"]["mean"] == flops_per_example(run.model.core)
    assert twin["costs"]["flops"]["mean"] == pytest.approx(moe["costs"]["flops"]["mean"], rel=0.1)
    assert twin["costs"]["hidden_dim"]["mean"] == 7
    assert moe["metrics"]["auc"]["mean"] > 0.9 and "dense twin" in comparison.to_markdown()

    # The twin has no twin of its own. Its result is in the cache.
    dense = sparse_keras.dense_twin(config)
    cached = []
    comparison = sparse_keras.compare(dense, seeds=1, progress=lambda *args: cached.append(args[3]))
    assert list(comparison.content["models"]) == ["moe"] and cached == [True]
    assert comparison["moe"]["metrics"] == twin["metrics"]
    reasons = comparison.content["left_out"]
    assert "no dense twin" in reasons["equal_flops"] and "need a table" in reasons["hgb"]
    with pytest.raises(ValueError, match="'linear' cannot take part.*need a table"):
        sparse_keras.compare(config, models=["linear"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["predict", "RUN", "new.csv"],
            "supports models of tables and classifiers of texts only.*a Scaled",
        ),
        (["evaluate", "RUN", "--data", "new.csv"], "supports models of tables and of texts only"),
        (["export", "RUN"], "supports models of tables only"),
        (["inspect", "RUN", "--labels", "age"], "'waves' is not a table"),
    ],
)
def test_verbs_that_need_a_table(arguments, message, run, capsys):
    assert main([str(run.path) if word == "RUN" else word for word in arguments]) == 2
    assert re.search(message, capsys.readouterr().err)


def test_data_of_another_kind_than_the_model_is_refused(config, tmp_path):
    path = tmp_path / "mixed.yaml"
    path.write_text("extends: tabular/sparse_mlp\ndata: {type: waves}\n")
    mixed = sparse_keras.load_config(path)
    with pytest.raises(ValueError, match="TableInputs. Received: inputs=.6, 3."):
        sparse_keras.build_model(mixed)
