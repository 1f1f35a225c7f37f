"""compare, on a config that trains in seconds; statistics, scores and baselines have own tests."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import sparse_keras
from sparse_keras.evaluation import compare as compare_module
from sparse_keras.evaluation import measure
from sparse_keras.evaluation.tabular.sklearn_baselines import SklearnBaseline

CONFIG = "tabular/sparse_mlp_breast_cancer"
SMALL = ["training.epochs=1", "model.stem=null", "model.experts.hidden_dim=4"]


pytestmark = pytest.mark.usefixtures("eager_module")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with an empty cache."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("SPARSE_KERAS_HOME", str(folder))
        patch.setattr(measure, "_REPEATS", 2)  # Of predictions that are timed.
        yield folder


def compared(progress=None, **options):
    config = sparse_keras.load_config(CONFIG, SMALL)
    options = {"seeds": 2, "models": ["linear", "hgb"]} | options
    return sparse_keras.compare(config, progress=progress, **options)


class Progress(list):
    def __call__(self, seed, contender, result, cached):
        self.append((seed, contender.name, cached))


@pytest.fixture(scope="module")
def comparison(home):
    progress = Progress()
    result = compared(progress)
    order = [(seed, name, False) for seed in (0, 1) for name in ("moe", "hgb", "linear")]
    assert progress == order
    return result


def test_numbers_are_of_the_test_rows_of_each_seed(comparison):
    config = sparse_keras.load_config(CONFIG, [*SMALL, "training.seed=1", "data.split_seed=1"])
    data = sparse_keras.load_data(config)
    run = sparse_keras.train(config, data, output=comparison_folder(), verbose=0)
    probabilities = run.model.predict(data.frames["test"], verbose=0)
    moe = comparison["moe"]
    assert moe["metrics"]["auc"]["values"][1] == pytest.approx(
        roc_auc_score(data.test.y, probabilities[:, 0])
    )
    assert moe["metrics"]["auc"]["mean"] == np.mean(moe["metrics"]["auc"]["values"])
    assert moe["costs"]["bytes"]["values"][1] == pytest.approx(
        (run.path / "model.keras").stat().st_size, rel=0.01
    )
    assert moe["costs"]["active_params"]["mean"] < moe["costs"]["params"]["mean"]
    for model in ("moe", "hgb", "linear"):
        assert comparison[model]["costs"]["latency_ms"]["mean"] > 0
        assert comparison[model]["costs"]["fit_seconds"]["mean"] > 0


def comparison_folder():
    import tempfile

    return tempfile.mkdtemp()


def test_differences_are_in_pairs(comparison):
    ours, theirs = (comparison[name]["metrics"]["accuracy"]["values"] for name in ("moe", "linear"))
    against = comparison["linear"]["against"]["accuracy"]
    assert against["mean"] == pytest.approx(np.subtract(ours, theirs).mean())
    assert against["low"] is against["high"] is against["verdict"] is None  # of two seeds


def test_cached_results_are_not_measured_again(comparison, monkeypatch):
    def unexpected(*args):
        raise AssertionError("measured again")

    monkeypatch.setattr(compare_module, "measure_network", unexpected)
    monkeypatch.setattr(SklearnBaseline, "measure", unexpected)
    progress = Progress()
    again = compared(progress)
    assert again.content == comparison.content
    assert all(cached for _, _, cached in progress)
    with pytest.raises(AssertionError, match="measured again"):
        compared(fresh=True)
    # Another value of the config, or another seed, is another result.
    with pytest.raises(AssertionError, match="measured again"):
        compared(seeds=[2])


def test_continues_where_it_stopped(comparison, home, monkeypatch):
    """Interrupted in the second seed: only what was not finished is measured."""
    files = sorted((home / "comparisons").iterdir())
    assert len(files) == 6

    def cut_off(*args):
        raise KeyboardInterrupt

    folder = home / "again"
    monkeypatch.setenv("SPARSE_KERAS_HOME", str(folder))
    metrics = dict.fromkeys(("auc", "average_precision", "accuracy"), 0.5)
    results = iter([{"metrics": metrics, "costs": {"bytes": 1}}] * 6)

    def measured(*args):
        calls.append(args)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return next(results)

    calls = []
    monkeypatch.setattr(compare_module, "measure_network", measured)
    monkeypatch.setattr(SklearnBaseline, "measure", measured)
    with pytest.raises(KeyboardInterrupt):
        compared()
    assert len(list((folder / "comparisons").iterdir())) == 4
    progress = Progress()
    compared(progress)
    assert [cached for _, _, cached in progress] == [True] * 4 + [False] * 2
    assert len(calls) == 7
    # A damaged file is measured again, not trusted.
    next((folder / "comparisons").iterdir()).write_text("{")
    progress = Progress()
    results = iter([{"metrics": metrics, "costs": {"bytes": 1}}])
    compared(progress)
    assert [cached for _, _, cached in progress].count(False) == 1


def test_ways_out(comparison, tmp_path):
    comparison.save(tmp_path / "file.json")
    loaded = sparse_keras.Comparison.load(tmp_path / "file.json")
    assert loaded.content == comparison.content
    frame = loaded.to_frame()
    assert list(frame.index) == ["moe", "hgb", "linear"]
    assert frame.loc["hgb", "auc"] == comparison["hgb"]["metrics"]["auc"]["mean"]
    difference = frame.loc["moe", "auc"] - frame.loc["hgb", "auc"]
    assert frame.loc["hgb", "auc_difference"] == pytest.approx(difference)
    assert pd.isna(frame.loc["moe", "auc_difference"]) and pd.isna(frame.loc["hgb", "flops"])
    text = comparison.to_markdown()
    assert f"{frame.loc['linear', 'accuracy']:.4f} ±" in text
    assert "sparse experts minus" in text and "No model was tuned" in text
    assert json.loads(json.dumps(comparison.content)) == comparison.content
    assert "moe, hgb, linear" in repr(comparison)
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(ValueError, match=r"other\.json"):
        sparse_keras.Comparison.load(tmp_path / "other.json")


def test_a_test_split_that_is_official_has_no_seed():
    config = sparse_keras.load_config(
        "tabular/sparse_mlp_adult", ["data.validation_fraction=0", "training.early_stopping=null"]
    )
    seeded = compare_module.with_seed(config, 7)
    assert seeded.training.seed == 7 and seeded.data.split_seed == 0
    assert compare_module.with_seed(sparse_keras.load_config(CONFIG), 7).data.split_seed == 7


@pytest.mark.parametrize(
    ("name", "overrides", "options", "message"),
    [
        ("tabular/sparse_mlp", [], {}, "no data section"),
        (CONFIG, ["optimizer=null"], {}, "no optimizer section"),
        (CONFIG, [], {"models": ["hbg"]}, "did you mean 'hgb'"),
        (
            CONFIG,
            ["model={type: dense_mlp, hidden_dim: 4}"],
            {"models": ["equal_flops"]},
            "no dense twin",
        ),
        (CONFIG, [], {"models": ["equal_flops"], "tune": 2}, "Tuning has no effect"),
        (CONFIG, [], {"seeds": 0}, "at least 1"),
        (CONFIG, [], {"seeds": [1, 1]}, "different integers"),
    ],
)
def test_mistakes_raise_before_anything_is_measured(name, overrides, options, message):
    with pytest.raises(ValueError, match=message):
        sparse_keras.compare(sparse_keras.load_config(name, overrides), **options)
