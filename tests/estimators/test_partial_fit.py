"""Training that goes on: `partial_fit` and `warm_start`."""

import pickle

import keras
import numpy as np
import pandas as pd
import pytest

from sparse_keras import SparseExpertClassifier, SparseExpertRegressor

SMALL = {"num_experts": 2, "hidden_dim": 4, "stem": 4, "epochs": 2, "batch_size": 60}
SMALL["random_state"] = 0
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.tensorflow]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=60), "c": rng.choice(["r", "g"], 60)})
    return frame, np.where(frame.x > 0, "yes", "no")


def test_partial_fit_is_fit_pass_by_pass(table, eager_functions):
    """Two passes are a `fit` of two epochs without validation rows: the same batches, weights and
    state of the optimizer."""
    frame, y = table
    weight = np.arange(60)
    fitted = SparseExpertClassifier(**SMALL, validation_fraction=0.0).fit(frame, y, weight)
    model = SparseExpertClassifier(**SMALL)
    model.partial_fit(frame, y, classes=["yes", "no"], sample_weight=weight)
    assert model.n_iter_ == 1 and model.classes_.tolist() == ["no", "yes"]
    loaded = pickle.loads(pickle.dumps(model))
    for one in (model, loaded):  # The optimizer's state is pickled, too.
        one.partial_fit(frame, y, sample_weight=weight)
        np.testing.assert_allclose(one.predict_proba(frame), fitted.predict_proba(frame), rtol=1e-5)
    assert model.n_iter_ == 2 and model.history_.keys() == fitted.history_.keys()
    np.testing.assert_allclose(model.history_["loss"], fitted.history_["loss"], rtol=1e-5)


def test_the_first_call_fixes_encoding_and_classes(table, eager_functions):
    frame, y = table
    model = SparseExpertClassifier(**SMALL)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        model.partial_fit(frame, y)
    model.partial_fit(frame[:20], y[:20], classes=["maybe", "no", "yes"])
    features = model.model_.preprocessor.features
    new = frame.assign(c=["blue", "r"] * 30, x=frame.x * 100)
    model.partial_fit(new[:1], y[:1]).partial_fit(new, y, classes=["yes", "no", "maybe"])
    assert model.model_.preprocessor.features == features
    # A category that is seen later stays unseen.
    blue, green = (model.predict_proba(frame.assign(c=value)) for value in ("blue", "violet"))
    np.testing.assert_array_equal(blue, green)
    assert model.predict_proba(frame).shape == (60, 3)
    with pytest.raises(ValueError, match="Received: 'never'"):
        model.partial_fit(frame, np.where(y == "yes", "never", y))
    with pytest.raises(ValueError, match="`classes` must have the same classes"):
        model.partial_fit(frame, y, classes=["yes", "no"])
    with pytest.raises(ValueError, match="class_weight='balanced' is not supported"):
        model.set_params(class_weight="balanced").partial_fit(frame, y)


@pytest.mark.slow
def test_partial_fit_of_labels_and_of_several_targets(table, eager_functions):
    frame, y = table
    labels = np.stack([y == "yes", frame.c == "r"], axis=1).astype(int)
    model = SparseExpertClassifier(**SMALL).partial_fit(frame, labels)
    assert model.partial_fit(frame[:3], labels[:3]).predict(frame).shape == (60, 2)
    # With classes, 0 and 1 may be the only classes of a call by chance.
    classes = [[0, 1], [2, 1, 0]]
    model = SparseExpertClassifier(**SMALL).partial_fit(frame, labels, classes=classes)
    assert [len(one) for one in model.classes_] == [2, 3]
    model.partial_fit(frame, labels + [0, 1])
    assert [one.shape for one in model.predict_proba(frame)] == [(60, 2), (60, 3)]
    with pytest.raises(ValueError, match="those of each of 2 targets|each of 2 targets in y"):
        SparseExpertClassifier(**SMALL).partial_fit(frame, labels, classes=[0, 1])


def test_warm_start_goes_on(table, eager_functions):
    """Twice one epoch are two: without validation rows, which may stop a fit, exactly."""
    frame, y = table
    options = SMALL | {"validation_fraction": 0.0}
    expected = SparseExpertClassifier(**options).fit(frame, y)
    model = SparseExpertClassifier(**options | {"epochs": 1}, warm_start=True).fit(frame, y)
    epochs = []
    numbers = keras.callbacks.LambdaCallback(on_epoch_begin=lambda n, logs: epochs.append(n))
    model.fit(frame, y, callbacks=[numbers])
    assert epochs == [1] and model.n_iter_ == 2
    np.testing.assert_allclose(model.history_["loss"], expected.history_["loss"], rtol=1e-5)
    np.testing.assert_allclose(model.predict_proba(frame), expected.predict_proba(frame), rtol=1e-4)
    # What only some calls log is NaN in the epochs of others.
    model.set_params(learning_rate=0.1).fit(frame, y, eval_set=(frame, y))
    assert np.isnan(model.history_["val_loss"]).tolist() == [True, True, False]
    assert float(model.model_.optimizer.learning_rate) == pytest.approx(0.1)
    cold = model.set_params(warm_start=False, learning_rate=1e-3).fit(frame, y)
    assert cold.n_iter_ == 1


def test_warm_start_needs_the_same_table_and_arguments(table, eager_functions):
    frame, y = table
    model = SparseExpertClassifier(**SMALL | {"epochs": 1}, warm_start=True).fit(frame, y)
    with pytest.raises(ValueError, match="y must with warm_start have the same classes"):
        model.fit(frame, np.where(y == "yes", "other", y))
    with pytest.raises(ValueError, match="The feature names should match"):
        model.fit(frame.rename(columns={"x": "z"}), y)
    with pytest.raises(ValueError, match="`hidden_dim` cannot change .* Expected 4.* Received: 9"):
        model.set_params(hidden_dim=9).fit(frame, y)
    regressor = SparseExpertRegressor(**SMALL | {"epochs": 1}, warm_start=True).fit(frame, frame.x)
    with pytest.raises(ValueError, match="y must have 1 columns.* Received: 2"):
        regressor.fit(frame, np.stack([frame.x, frame.x], axis=1))
