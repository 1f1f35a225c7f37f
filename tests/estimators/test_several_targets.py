"""Several targets: `y` of rank 2."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.metrics import r2_score
from sklearn.utils import get_tags

import sparse_keras
from sparse_keras import SparseExpertClassifier, SparseExpertRegressor
from sparse_keras.estimators.tabular.classes import check_classes, is_multilabel, side_by_side
from sparse_keras.layers import MultiGateMixtureOfExperts

SMALL = {"num_experts": 2, "hidden_dim": 4, "stem": 4, "epochs": 1, "batch_size": 60}
SMALL["random_state"] = 0
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.tensorflow]


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame({"x": rng.normal(size=120), "c": rng.choice(["r", "g"], 120)})


@pytest.mark.slow
def test_several_numbers(frame, tmp_path):
    y = pd.DataFrame({"price": 1000 + 50 * frame.x, "x": -frame.x * (frame.c == "r")})
    model = SparseExpertRegressor(
        **SMALL | {"epochs": 40, "hidden_dim": 16, "stem": 16}, learning_rate=0.03, patience=40
    )
    model.fit(frame, y)
    predictions = model.predict(frame)
    assert predictions.shape == (120, 2) and predictions.dtype == "float64"
    assert model.score(frame, y) == pytest.approx(r2_score(y, predictions)) and (
        min(r2_score(y, predictions, multioutput="raw_values")) > 0.8
    )
    # Targets have the names of the columns; one of them is that of an input as well.
    assert {"price_loss", "x__loss", "val_price_rmse"} <= set(model.history_)
    (mixture,) = (
        one for one in model.model_.core.layers if isinstance(one, MultiGateMixtureOfExperts)
    )
    assert mixture.name == "mixture"
    model.model_.save(tmp_path / "model.keras")
    loaded = sparse_keras.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(frame)["price"][:, 0], predictions[:, 0])


def classes_of(frame):
    size = np.array(["s", "m", "l"])[np.digitize(frame.x, [-0.5, 0.5])]
    return pd.DataFrame({"size": size, "red": (frame.c == "r").astype(int)})


def test_several_classes(frame, eager_functions):
    y = classes_of(frame)
    options = SMALL | {"batch_size": 120, "class_weight": [{"s": 2.0}, {1: 3.0}]}
    model = SparseExpertClassifier(**options).fit(frame, y, sample_weight=np.ones(120))
    assert [one.tolist() for one in model.classes_] == [["l", "m", "s"], [0, 1]]
    probabilities = model.predict_proba(frame)
    assert [one.shape for one in probabilities] == [(120, 3), (120, 2)]
    predicted = model.predict(frame)
    assert predicted.shape == (120, 2) and {type(one) for one in predicted[0]} == {str, int}
    for number, one in enumerate(probabilities):
        np.testing.assert_allclose(one.sum(axis=1), 1.0, rtol=1e-5)
        assert (predicted[:, number] == model.classes_[number][one.argmax(axis=1)]).all()
    right = (predicted == y.to_numpy()).all(axis=1)
    assert model.score(frame, y) == right.mean()
    assert model.score(frame, y, sample_weight=right + 1e-9) == pytest.approx(1.0)


@pytest.mark.slow
def test_several_classes_are_learned(frame):
    y = classes_of(frame)
    options = SMALL | {"epochs": 40, "hidden_dim": 16, "stem": 16, "random_state": 0}
    model = SparseExpertClassifier(**options, learning_rate=0.03, patience=40).fit(frame, y)
    assert model.score(frame, y) > 0.8


def test_classes_stand_side_by_side():
    text, numbers = np.array(["a", "bc"]), np.array([1, 2])
    assert side_by_side([text, numbers]).tolist() == [["a", 1], ["bc", 2]]
    assert side_by_side([numbers, numbers + 0.5]).dtype == "float64"
    assert side_by_side([text, np.array(["x", "y"])]).dtype == "<U2"


def test_what_several_targets_cannot_have(frame):
    y = np.stack([frame.x, frame.x], axis=1)
    with pytest.raises(ValueError, match="`depth` must be 1 for several targets.*Received: 2"):
        SparseExpertRegressor(**SMALL, depth=2).fit(frame, y)
    with pytest.raises(ValueError, match="dense columns only. Received a sparse matrix"):
        SparseExpertRegressor(**SMALL).fit(scipy.sparse.csr_matrix(frame[["x"]]), y)
    with pytest.raises(ValueError, match="at least two classes. Received 1 class: 'a'"):
        SparseExpertClassifier(**SMALL).fit(frame, np.stack([["a"] * 120, frame.c], axis=1))
    with pytest.raises(ValueError, match="Unknown label type"):
        SparseExpertClassifier(**SMALL).fit(frame, y)
    y[3, 0] = np.nan
    with pytest.raises(ValueError, match="Input y contains NaN"):
        SparseExpertRegressor(**SMALL).fit(frame, y)
    with pytest.raises(ValueError, match="Input y contains NaN: 1 of 120 rows have no class"):
        SparseExpertClassifier(**SMALL).fit(frame, y)


def test_tags():
    for kind in (SparseExpertClassifier, SparseExpertRegressor):
        assert get_tags(kind()).target_tags.multi_output
    assert get_tags(SparseExpertClassifier()).classifier_tags.multi_label


def test_a_column_is_one_target(frame, eager_functions):
    assert SparseExpertRegressor(**SMALL).fit(frame, frame[["x"]]).predict(frame).shape == (120,)
    for y in (frame[["c"]], frame[["c"]].to_numpy()):
        assert [one.shape for one in check_classes(y, "Estimator")] == [(120,)]


def test_labels_are_told_from_classes():
    labels = np.array([[0, 1], [1, 1]])
    assert is_multilabel(list(labels.T)) and is_multilabel(list(labels.astype(bool).T))
    for classes in (labels + 1, labels * 2, labels.astype(str)):
        assert not is_multilabel(list(classes.T))
    assert not is_multilabel([labels[:, 0]])
    with pytest.raises(TypeError, match="dense data is required"):
        check_classes(scipy.sparse.csr_matrix(labels), "Estimator")
