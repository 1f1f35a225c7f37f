"""What rows count, rows to validate with, and callbacks: the arguments of `fit`."""

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss
from sklearn.utils import compute_sample_weight

from sparse_keras import SparseExpertClassifier, SparseExpertRegressor
from sparse_keras.estimators.tabular.classes import class_weights

SMALL = {"num_experts": 2, "hidden_dim": 4, "stem": 4, "epochs": 1, "batch_size": 60}
SMALL["random_state"] = 0
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.tensorflow]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=60), "c": rng.choice(["r", "g"], 60)})
    return frame, np.where(frame.x > 0, "yes", "no")


@pytest.fixture
def seen(monkeypatch):
    """The training and validation batches of each call."""
    from sparse_keras.estimators.tabular import base

    calls, fit = [], base.fit

    def spy(model, train, validation, *args, **kwargs):
        calls.append((train, validation))
        return fit(model, train, validation, *args, **kwargs)

    monkeypatch.setattr(base, "fit", spy)
    return calls


def test_rows_of_weight_0_are_left_out(table, seen, eager_functions):
    frame, y = table
    weight = np.where(np.arange(60) < 40, 2.0, 0.0)
    weighted = SparseExpertClassifier(**SMALL).fit(frame, y, sample_weight=weight)
    plain = SparseExpertClassifier(**SMALL).fit(frame[:40], y[:40])
    (train, validation), (plain_train, plain_validation) = seen
    assert train.num_examples + validation.num_examples == 40
    np.testing.assert_array_equal(validation.y, plain_validation.y)
    # Weights that are all equal change nothing, whatever they are.
    np.testing.assert_allclose(weighted.predict_proba(frame), plain.predict_proba(frame), rtol=1e-5)
    assert plain_train.sample_weight is None and (train.sample_weight == 1).all()


def test_weights_are_those_of_the_loss(table, eager_functions):
    frame, y = table
    weight = np.random.default_rng(1).random(60) * 1e-42  # too small for float32
    model = SparseExpertClassifier(**SMALL | {"balance_loss": 0.0})
    model.fit(frame[:30], y[:30], eval_set=[(frame, y, weight)])
    # Training ends with the weights of the only epoch, whose validation loss is that of the model.
    expected = log_loss(y, model.predict_proba(frame), sample_weight=weight * 1e42)
    assert model.history_["val_loss"] == pytest.approx([expected], rel=1e-5)
    assert model.score(frame, y, sample_weight=weight * 1e42) == pytest.approx(
        np.average(model.predict(frame) == y, weights=weight)
    )


def test_weights_that_cannot_be(table):
    frame, y = table
    model = SparseExpertRegressor(**SMALL)
    for weight, message in [
        (np.ones(59), "sample_weight.shape == "),
        (-np.ones(60), "Negative values in data passed to `sample_weight`"),
        (np.zeros(60), "Sample weights must contain at least one non-zero number"),
        (np.eye(60)[0], "at least 2 rows of a weight above 0 to learn from. Received: n_samples=1"),
        (np.full(60, np.nan), "NaN"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.fit(frame, y == "yes", sample_weight=weight)


def test_eval_set_replaces_the_rows_held_out(table, seen, eager_functions):
    frame, y = table
    model = SparseExpertClassifier(**SMALL)
    model.fit(frame, y, eval_set=(frame[:7], y[:7]))
    ((train, validation),) = seen
    assert (train.num_examples, validation.num_examples) == (60, 7)
    assert validation.sample_weight is None


def test_eval_sets_that_cannot_be(table):
    frame, y = table
    model = SparseExpertClassifier(**SMALL)
    for eval_set, message in [
        ([(frame, y), (frame, y)], "Received: a list of 2"),
        ((frame,), "Received: a tuple of 1"),
        (frame, "Received: DataFrame"),
        ((frame, np.where(y == "no", "maybe", y)), "classes 'no', 'yes'. Received: 'maybe'"),
        ((frame[["x"]], y), "Feature names seen at fit time, yet now missing:\n- c"),
        ((frame, y[:-1]), "inconsistent numbers of samples"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.fit(frame, y, eval_set=eval_set)


def test_callbacks_come_after_early_stopping(table, eager_functions):
    frame, y = table
    weights = []

    class Weights(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            weights.append(self.model.get_weights())

        def on_train_end(self, logs=None):
            weights.append(self.model.get_weights())

    model = SparseExpertClassifier(**SMALL | {"epochs": 3}, learning_rate=0.3, patience=1)
    model.fit(frame, y, eval_set=(frame, y[::-1]), callbacks=Weights())
    best = int(np.argmin(model.history_["val_loss"]))
    assert best < model.n_iter_ - 1  # Otherwise there would be nothing to restore.
    # The weights of the best epoch are there again when the callback hears of the end.
    for restored, of_best in zip(weights[-1], weights[best], strict=True):
        np.testing.assert_array_equal(restored, of_best)
    with pytest.raises(ValueError, match="keras.callbacks.Callback. Received: int"):
        model.fit(frame, y, callbacks=[3])


def test_class_weights_multiply_those_of_rows(table, seen, eager_functions):
    """Of the rows held out, too, as in `HistGradientBoostingClassifier`; an `eval_set` counts as it
    is."""
    frame, _ = table
    y = np.array(["rare"] * 6 + ["common"] * 54)
    weight = np.linspace(1.0, 2.0, 60)
    model = SparseExpertClassifier(**SMALL, class_weight="balanced", validation_fraction=0.5)
    model.fit(frame, y, sample_weight=weight)
    for batches in seen.pop():
        codes = batches.y.astype(int)
        assert sorted(np.bincount(codes)) == [3, 27]
        by_row = batches.sample_weight / compute_sample_weight("balanced", codes)
        assert by_row.max() / by_row.min() <= 2.0 + 1e-5  # What is left is that of the row.
    model.fit(frame, y, eval_set=(frame, y))
    train, validation = seen.pop()
    assert len(set(train.sample_weight)) == 2 and validation.sample_weight is None


def test_class_weights_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    classes = [np.array(["a", "b", "c"]), np.array([0, 5])]
    codes = np.stack([rng.integers(0, 3, 20), rng.integers(0, 2, 20)], axis=1)
    y = np.stack([classes[0][codes[:, 0]], classes[1][codes[:, 1]]], axis=1).astype(object)
    one = {"a": 2.0, "b": 1.0, "c": 0.5}
    for given, count in (("balanced", 1), ("balanced", 2), (one, 1), ([one, {0: 3.0, 5: 1.0}], 2)):
        received = class_weights(given, classes[:count], codes[:, :count])
        labels = codes if given == "balanced" else y
        expected = compute_sample_weight(given, labels[:, 0] if count == 1 else labels)
        np.testing.assert_allclose(received, expected)
    assert class_weights(None, classes, codes) is None
    # A part of the rows need not have all classes.
    np.testing.assert_array_equal(class_weights({"c": 4.0}, classes[:1], np.zeros((2, 1), int)), 1)
    for wrong, message in (({"d": 1.0}, "not in class_weight"), ("even", "balanced")):
        with pytest.raises(ValueError, match=message):
            class_weights(wrong, classes[:1], codes[:, :1])
    with pytest.raises(ValueError, match="a list of 2 dicts, one for each target. Received: 1"):
        class_weights(one, classes, codes)
