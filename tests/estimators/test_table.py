"""Tables as scikit-learn passes them: names, arrays after frames, and values that are missing."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.ensemble import RandomForestClassifier

from sparse_keras import SparseExpertClassifier
from sparse_keras.estimators.tabular.table import mark_missing

SMALL = {"num_experts": 2, "hidden_dim": 4, "stem": 4, "epochs": 1, "batch_size": 60}
SMALL["random_state"] = 0
pytestmark = [pytest.mark.tensorflow]


def fitted(frame, y, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SparseExpertClassifier(**SMALL, **options).fit(frame, y)


@pytest.fixture(scope="module")
def numbers(eager_module):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=40), "b": rng.normal(size=40)})
    y = (frame.a > 0).astype(int)
    return frame, fitted(frame, y), RandomForestClassifier(2).fit(frame, y)


def heard(estimator, X):
    """What predicting warns of, or the error it raises."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            estimator.predict(X)
        except ValueError as error:
            return "error", str(error)
    return [str(one.message) for one in caught]


@pytest.mark.parametrize(
    "changed",
    [
        lambda frame: frame,
        lambda frame: frame.to_numpy(),
        lambda frame: frame.to_numpy().tolist(),
        lambda frame: frame.set_axis([0, 1], axis=1),
        lambda frame: frame[["b", "a"]],
        lambda frame: frame.rename(columns={"b": "c"}),
        lambda frame: frame[["a"]],
        lambda frame: frame.to_numpy()[:, :1],
    ],
)
def test_names_are_checked_as_by_scikit_learn(numbers, changed, eager_functions):
    """Arrays warn, other names raise an error: word by word as a forest does."""
    frame, model, forest = numbers
    expected = heard(forest, changed(frame))
    received = heard(model, changed(frame))
    assert str(received) == str(expected).replace("RandomForestClassifier", type(model).__name__)


def test_names_after_an_array(numbers, eager_functions):
    frame, _, _ = numbers
    y = (frame.a > 0).astype(int)
    model = fitted(frame.to_numpy(), y)
    forest = RandomForestClassifier(2).fit(frame.to_numpy(), y)
    assert heard(model, frame)[0] == heard(forest, frame)[0].replace(
        "RandomForestClassifier", "SparseExpertClassifier"
    )


@pytest.fixture(scope="module")
def mixed(eager_module):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=40),
            "color": rng.choice(["red", "green"], 40),
            "zip": rng.choice(["00501", "90210"], 40),
            "n": rng.integers(0, 9, 40),
        }
    )
    frame.loc[::9, "color"] = None
    frame.loc[::7, "x"] = np.nan
    return frame, fitted(frame, (frame.n > 4).astype(int))


def test_an_array_after_a_frame_is_taken_by_position(mixed, eager_functions):
    frame, model = mixed
    expected = model.predict_proba(frame)
    names = "X does not have valid feature names, but SparseExpertClassifier was fitted with"
    for array in (frame.to_numpy(), frame.to_numpy().tolist(), frame.astype("object").to_numpy()):
        with pytest.warns(UserWarning, match=names):
            np.testing.assert_array_equal(model.predict_proba(array), expected)
    # NumPy makes text of a row of numbers and text.
    row = [[0.5, "red", "00501", 3]]
    with pytest.warns(UserWarning, match=names):
        as_text = model.predict_proba(np.array(row))
    np.testing.assert_array_equal(
        as_text, model.predict_proba(pd.DataFrame(row, columns=frame.columns))
    )


def test_an_array_of_objects_is_learned_as_a_frame_is(mixed, eager_functions):
    """As `BaggingClassifier` and `AdaBoostClassifier` pass frames on."""
    frame, model = mixed
    array = frame.to_numpy()
    learned = fitted(array, (frame.n > 4).astype(int))
    features = learned.model_.preprocessor.features
    assert [one.name for one in features.numeric] == ["x0", "x3"]
    assert [one.name for one in features.categorical] == ["x1", "x2"]
    np.testing.assert_array_equal(learned.predict_proba(array), model.predict_proba(frame))
    with pytest.raises(ValueError, match="Received an array of text, <U7"):
        fitted(np.array([["1", "unknown"]] * 10), [0, 1] * 5)


def test_declared_missing_values(eager_functions):
    """`missing` is `data.missing` of a config: such values are as good as NaN."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.integers(18, 80, 40), "color": rng.choice(["r", "g"], 40)})
    y = (frame.age > 40).astype(int)
    gone = np.arange(40) % 5 == 0
    clean = frame.assign(age=frame.age.mask(gone), color=frame.color.mask(gone))
    number = frame.assign(age=frame.age.mask(gone, -999), color=frame.color.mask(gone, "unknown"))
    text = number.assign(age=frame.age.astype(str).mask(gone, "unknown"))  # as from read_csv
    for dirty, setting in (
        (number, ["unknown", -999]),
        (text, ("unknown",)),
        (number, {"age": [-999], "color": ["unknown"]}),
    ):
        before = dirty.copy()
        marked, missing = mark_missing(dirty, setting)
        assert missing.is_declared
        pd.testing.assert_frame_equal(marked, clean, check_dtype=False)
        pd.testing.assert_frame_equal(dirty, before)  # The caller's rows stay as they were.
    model, expected = fitted(text, y, missing=["unknown"]), fitted(clean, y)
    np.testing.assert_array_equal(model.predict_proba(text), expected.predict_proba(clean))
    codes = pd.DataFrame({"zip": ["00501", "unknown"]})
    assert mark_missing(codes, ["unknown"])[0].zip.tolist()[0] == "00501"


def test_missing_values_that_cannot_be():
    frame = pd.DataFrame({"age": [1, 2]})
    for missing, message in (
        ("unknown", "must be a list of words and numbers.*Received: 'unknown'"),
        (3, "Received: 3"),
        ({"agee": [-999]}, "names the column 'agee'.*Did you mean 'age'"),
    ):
        with pytest.raises(ValueError, match=message):
            SparseExpertClassifier(missing=missing).fit(frame, [0, 1])
    with pytest.raises(ValueError, match="`missing` needs a table with dense columns"):
        SparseExpertClassifier(missing=[0]).fit(scipy.sparse.eye(40, format="csr"), [0, 1] * 20)
