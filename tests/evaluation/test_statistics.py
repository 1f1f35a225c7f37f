import numpy as np
import pytest
from scipy import stats

from sparse_keras.evaluation.statistics import paired_difference, summary


def test_mean_and_deviation():
    found = summary([1.0, None, 4.0])
    assert found["mean"] == 2.5
    assert found["std"] == pytest.approx(1.5 * 2**0.5)  # of a sample: ((1.5)^2 + (1.5)^2) / 1
    assert found["values"] == [1.0, None, 4.0]
    assert summary([3.0]) == {"mean": 3.0, "std": None, "values": [3.0]}
    assert summary([None]) == {"mean": None, "std": None, "values": [None]}


def test_interval_is_that_of_scipys_paired_test():
    rng = np.random.default_rng()
    ours, theirs = rng.normal(size=(2, 6)).tolist()
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    found = paired_difference(ours, theirs, higher_is_better=True)
    np.testing.assert_allclose((found["low"], found["high"]), expected, rtol=1e-9)


def test_by_hand():
    # Differences 0.1, 0.2, 0.3: mean 0.2, deviation 0.1, error 0.1 / sqrt(3) = 0.057735; Student's
    # t of 2 degrees of freedom at 97.5 % is 4.302653; so 0.2 +- 0.248414.
    found = paired_difference([1.1, 1.2, 1.3], [1.0, 1.0, 1.0], higher_is_better=True)
    assert found["mean"] == pytest.approx(0.2)
    assert found["low"] == pytest.approx(0.2 - 0.248414, abs=1e-6)
    assert found["high"] == pytest.approx(0.2 + 0.248414, abs=1e-6)
    assert (found["wins"], found["ties"], found["losses"]) == (3, 0, 0)
    assert found["verdict"] == "tie"  # The interval holds 0.


@pytest.mark.parametrize(("higher_is_better", "verdict"), [(True, "win"), (False, "loss")])
def test_verdict_knows_the_direction(higher_is_better, verdict):
    found = paired_difference([5.0, 5.1, 5.2], [1.0, 1.0, 1.3], higher_is_better)
    assert found["verdict"] == verdict
    counts = (found["wins"], found["ties"], found["losses"])
    assert counts == ((3, 0, 0) if higher_is_better else (0, 0, 3))
    other = paired_difference([1.0, 1.0, 1.3], [5.0, 5.1, 5.2], higher_is_better)
    assert {other["verdict"], verdict} == {"win", "loss"}


def test_equal_models_tie():
    found = paired_difference([0.5, 0.7, 0.6], [0.5, 0.7, 0.6], higher_is_better=True)
    assert (found["mean"], found["low"], found["high"]) == (0, 0, 0)
    assert (found["ties"], found["verdict"]) == (3, "tie")


def test_two_seeds_have_no_verdict():
    # Nearly equal differences would have an interval that excludes 0, by chance.
    found = paired_difference([0.60, 0.61, None], [0.5, 0.51, 0.1], higher_is_better=True)
    assert found["mean"] == pytest.approx(0.1)
    assert found["low"] is found["high"] is found["verdict"] is None
    assert (found["wins"], found["ties"], found["losses"]) == (2, 0, 0)


def test_one_seed_has_no_interval():
    found = paired_difference([0.6, None], [0.5, 0.1], higher_is_better=True)
    assert found["mean"] == pytest.approx(0.1)
    assert found["low"] is found["high"] is found["verdict"] is None
    assert (found["wins"], found["ties"], found["losses"]) == (1, 0, 0)
