"""docs/imbalance.md: its tables are those of the measured file, its claims and examples hold."""

import re
import statistics

import numpy as np
import pytest

from benchmarks.imbalance import (
    CALIBRATIONS,
    FILE,
    PAGE,
    SEEDS,
    TABLES,
    VARIANTS,
    calibrated,
    calibration_error,
    render,
)
from benchmarks.studies import pages
from sparse_keras.schema import load_config
from sparse_keras.tasks import Binary, Multiclass, Regression

TEXT = PAGE.read_text(encoding="utf-8")
STUDY = pages.read(FILE)
RESULTS = STUDY["results"]


def mean(table, variant, calibration, metric="log_loss"):
    of_seeds = RESULTS[table][variant]
    return statistics.fmean(one["calibrations"][calibration][metric] for one in of_seeds)


def test_the_tables_are_those_of_the_file():
    assert render(TEXT, STUDY) == TEXT, "run `python -m benchmarks.imbalance --render`"
    assert set(RESULTS) == set(TABLES)
    for of_table in RESULTS.values():
        assert set(of_table) == set(VARIANTS)
        assert all(len(of_seeds) == SEEDS for of_seeds in of_table.values())


@pytest.mark.parametrize("table", TABLES)
def test_what_the_page_says_of_calibration(table):
    plain = mean(table, "plain", "none")
    for method in ("temperature", "platt"):
        assert mean(table, "plain", method) == pytest.approx(plain, rel=0.011)
    assert mean(table, "plain", "isotonic") > plain
    assert mean(table, "weighted", "none") > 1.1 * plain
    assert mean(table, "weighted", "platt") == pytest.approx(plain, rel=0.02)


@pytest.mark.parametrize("table, sign", [("rare", 1), ("credit_default", -1), ("adult", -1)])
def test_what_the_page_says_of_class_weights(table, sign):
    def mean_of(variant, get):
        return statistics.fmean(get(one) for one in RESULTS[table][variant])

    plain, weighted = (
        mean_of(variant, lambda one: one["average_precision"]) for variant in ("plain", "weighted")
    )
    assert 0 < sign * (weighted - plain) < 0.02
    best = [
        mean_of(variant, lambda one: one["thresholds"]["f1"]["f1"])
        for variant in ("plain", "weighted")
    ]
    assert best[0] == pytest.approx(best[1], abs=0.02)
    if table == "rare":
        recall = [
            mean_of("plain", lambda one, at=at: one["thresholds"][at]["recall"])
            for at in ("none", "f1")
        ]
        assert recall == pytest.approx([0.04, 1 / 3], abs=0.02)
        assert 2.5 < mean(table, "weighted", "none") / mean(table, "plain", "none") < 3


def test_every_metric_is_explained():
    named = set(re.findall(r"`(\w+)`", TEXT))
    assert set(Binary.METRICS) <= named
    for task in (Multiclass, Regression):
        assert {name for name in task.METRICS if name.startswith("baseline")} <= named


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL))
def test_its_configs_are_right(text, tmp_path):
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    assert load_config(tmp_path / "own.yaml").training.threshold == "f1"


def test_calibrations_find_what_was_done_to_probabilities():
    """Probabilities that are right, and then as class weights and a temperature distort them."""
    rng = np.random.default_rng(0)
    z = rng.normal(-2.0, 1.5, 60_000)
    y = (rng.random(len(z)) < 1 / (1 + np.exp(-z))).astype("float32")
    half = len(z) // 2
    for factor, weight, methods in ((2.0, 1.0, ("temperature", "platt")), (1.0, 9.0, ("prior",))):
        p = (1 / (1 + np.exp(-(factor * z + np.log(weight))))).astype("float32")
        found = {
            "y_validation": y[:half],
            "p_validation": p[:half],
            "p_test": p[half:],
            "class_weights": np.array([0.5, 0.5 * weight]),
        }
        assert calibration_error(y[half:], calibrated(found, "none")) > 0.03
        for method in (*methods, "platt", "isotonic"):
            assert method in CALIBRATIONS
            assert calibration_error(y[half:], calibrated(found, method)) < 0.01
