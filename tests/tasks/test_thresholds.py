"""Thresholds: what they decide, and the best one against trying all."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from sparse_keras.tasks import Binary, Multiclass, Multilabel, MultiTask, Regression
from sparse_keras.tasks.thresholds import CRITERIA, is_positive, tuned_threshold

METRIC = {"f1": f1_score, "balanced_accuracy": balanced_accuracy_score}


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("seed", range(4))
def test_no_threshold_is_better(criterion, seed):
    rng = np.random.default_rng(seed)
    y = (rng.random(60) < 0.2).astype("float32")
    y[:2] = 0, 1
    p = np.clip(rng.beta(1, 5, 60) + 0.1 * y, 0, 1).astype("float32").round(2)  # with ties
    weight = [None, rng.integers(0, 3, 60) + (np.arange(60) < 2)][seed % 2]
    found = tuned_threshold(criterion, y, p, weight)

    def value(threshold):
        return METRIC[criterion](y, is_positive(p, threshold), sample_weight=weight)

    # Between any two probabilities, and below all of them.
    every = np.unique(np.concatenate([p[p > 0], [1e-6]])).astype("float64")
    best = max(value(threshold) for threshold in every)
    assert value(found) == pytest.approx(best)
    # Rounding moves no row.
    assert np.abs(p[p != np.float32(found)] - found).min() > 1e-4


def test_a_threshold_lies_between_the_ends():
    assert tuned_threshold("f1", [0, 1], [0.0, 0.0]) is None
    assert tuned_threshold("f1", [0, 1], [0.0, 1.0]) == 0.5
    assert tuned_threshold("f1", [0, 1, 1], [0.2, 0.2, 0.2]) == pytest.approx(0.1)
    near = np.nextafter(np.float32(0.5), np.float32(1))
    assert tuned_threshold("f1", [0, 1], np.array([0.5, near], "float32")) == near
    assert tuned_threshold("f1", [0, 0], [0.1, 0.9]) is None
    assert tuned_threshold("f1", [0, 1], [0.1, np.nan]) is None
    assert tuned_threshold("f1", [0, 1, 1], [0.1, 0.9, 0.0], [1, 1, 0]) == 0.5
    with pytest.raises(ValueError, match="'f1', 'balanced_accuracy'.*Did you mean 'f1'"):
        tuned_threshold("F1", [0, 1], [0.1, 0.9])


@pytest.mark.parametrize("bad", [0, 1, 1.5, -0.1, "f1", None, True, np.nan, 1e-60, 1 - 1e-12])
def test_what_is_no_threshold(bad):
    for task in (Binary(), Multilabel("y", 2), MultiTask("t", (Binary("a"), Binary("b")))):
        with pytest.raises(ValueError, match="between 0 and 1.*Received"):
            task.with_threshold(bad)


def test_tasks_decide_at_their_threshold():
    p = np.array([[0.29], [0.3], [0.7]])
    one = Binary("a", ("no", "yes"), threshold=0.3)
    assert one.decode(p).tolist() == ["no", "yes", "yes"]
    assert one.to_frame(p)["prediction"].tolist() == ["no", "yes", "yes"]
    assert Binary.from_config(one.get_config()) == one
    labels = Multilabel("b", ("x", "y")).with_threshold((0.2, 0.6))
    assert labels.decode([[0.2, 0.5], [0.1, 0.6]]).to_numpy().tolist() == [
        [True, False],
        [False, True],
    ]
    assert Multilabel.from_config(labels.get_config()) == labels
    both = MultiTask("both", (one, labels, Regression("c")))
    assert both.threshold == {"a": 0.3, "b": (0.2, 0.6)}
    assert both.with_threshold(0.4).threshold == {"a": 0.4, "b": 0.4}
    assert both.with_threshold({"a": 0.9}).threshold == {"a": 0.9, "b": (0.2, 0.6)}
    assert MultiTask.from_config(both.get_config()) == both


def test_tasks_are_tuned():
    y, p = np.array([0, 1, 1]), np.array([[0.1], [0.2], [0.3]])
    assert Binary("a").tuned("f1", y, p).threshold == pytest.approx(0.15)
    # The second label has one class: its threshold stays.
    labels = Multilabel("b", 2).tuned("f1", np.stack([y, 0 * y], 1), np.hstack([p, p]))
    assert labels.threshold == (pytest.approx(0.15), 0.5)
    both = MultiTask("both", (Binary("a"), Binary("b"), Regression("c")))
    y, p = dict.fromkeys("abc", y), dict.fromkeys("abc", p)
    assert both.tuned("f1", y, p).threshold == pytest.approx({"a": 0.15, "b": 0.15})
    assert both.tuned({"b": "f1"}, y, p).threshold == pytest.approx({"a": 0.5, "b": 0.15})
    weight = {"a": np.array([1, 0, 1]), "b": np.ones(3), "c": np.ones(3)}
    assert both.tuned("f1", y, p, weight).threshold["a"] == pytest.approx(0.2)


def test_tasks_without_a_threshold():
    several = MultiTask("t", (Regression("a"), Multiclass("b", 3)))
    for task in (Regression("y"), Multiclass("y", 3), several):
        assert task.threshold is None
        with pytest.raises(ValueError, match="decided without a threshold"):
            task.with_threshold(0.3)
    both = MultiTask("t", (Regression("a"), Binary("b")))
    with pytest.raises(ValueError, match="'a' is regression.*without a threshold"):
        both.with_threshold({"a": 0.3})
    with pytest.raises(ValueError, match="none of the targets"):
        both.with_threshold({"c": 0.3})
    with pytest.raises(ValueError, match="Expected one threshold, or one for each of the 2 labels"):
        Multilabel("y", 2).with_threshold([0.1, 0.2, 0.3])
