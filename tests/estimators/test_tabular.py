"""The scikit-learn estimators: scikit-learn's own checks, and what its tools do with them."""

import datetime
import pickle
import random

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import sparse_keras
from sparse_keras import SparseExpertClassifier, SparseExpertRegressor
from sparse_keras.estimators.tabular.classes import names_of

SMALL = {"num_experts": 2, "hidden_dim": 8, "stem": 8, "epochs": 4, "random_state": 0}
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.tensorflow]


@pytest.fixture(scope="module")
def table():
    """Rows of numbers and text with gaps, whose class depends on both."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"x": rng.normal(size=300), "z": rng.normal(size=300), "color": rng.choice(["r", "g"], 300)}
    )
    y = np.where((frame.x > 0) ^ (frame.color == "r"), "yes", "no")
    frame.loc[::7, "z"] = np.nan
    frame.loc[::11, "color"] = None
    return frame, y


# As scikit-learn says of its own estimators that are trained on random batches.
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": "batches are drawn at random",
    "check_sample_weight_equivalence_on_sparse_data": "batches are drawn at random",
}
# What the regressor shares with the classifier is checked on the classifier, but for these.
ON_BOTH = {
    "check_estimators_partial_fit_n_features",
    "check_estimators_pickle",
    "check_fit_idempotent",
    "check_mixin_order",
    "check_n_features_in",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_supervised_y_2d",
    "check_valid_tag_types",
}


def checks():
    """All of scikit-learn's checks, each on an estimator that trains as long as it asks for."""
    seen = set()
    for kind in (SparseExpertClassifier, SparseExpertRegressor):
        for _, check in estimator_checks_generator(kind()):
            name = check.func.__name__
            if name in ON_BOTH or name not in seen:
                accurate = name.endswith(
                    ("_train", "_classes", "_invariance", "_weight_classifiers")
                )
                epochs = 30 if accurate else 1
                small = {"num_experts": 4, "hidden_dim": 16, "stem": 16, "random_state": 0}
                estimator = kind(epochs=epochs, **small)
                marks = ()
                if name in EXPECTED_FAILURES:
                    marks = pytest.mark.xfail(reason=EXPECTED_FAILURES[name])
                yield pytest.param(estimator, check, id=f"{kind.__name__}-{name}", marks=marks)
            seen.add(name)


@pytest.mark.slow
@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_check_estimator(estimator, check, request):
    if estimator.epochs == 1:
        request.getfixturevalue("eager_functions")
    check(estimator)


def test_frames_with_text_and_gaps(table):
    frame, y = table
    model = SparseExpertClassifier(**SMALL | {"epochs": 20, "patience": 20}, learning_rate=0.03)
    model.fit(frame, y)
    assert list(model.classes_) == ["no", "yes"]
    assert model.score(frame, y) > 0.8
    probabilities = model.predict_proba(frame)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-6)
    assert (model.predict(frame) == model.classes_[probabilities.argmax(axis=1)]).all()
    # One row at a time is the same, up to the rounding of float32.
    one = model.predict_proba(frame.iloc[[5]])
    np.testing.assert_allclose(one[0], probabilities[5], rtol=1e-4)


@pytest.mark.slow
def test_cross_validation_search_and_pipeline(table):
    frame, y = table
    model = SparseExpertClassifier(**SMALL)
    scores = cross_val_score(model, frame, y, cv=2)
    assert scores.shape == (2,) and np.isfinite(scores).all()
    grid = {"num_experts": np.array([1, 2]), "k": [1]}  # NumPy integers, as one writes them
    search = GridSearchCV(model, grid, cv=2).fit(frame, y)
    assert search.best_params_["num_experts"] in (1, 2)
    x = frame[["x", "z"]].fillna(0.0).to_numpy()
    pipeline = make_pipeline(StandardScaler(), model).fit(x, y)
    assert set(pipeline.predict(x)) <= {"yes", "no"}


@pytest.mark.slow
def test_clone_and_pickle(table):
    frame, y = table
    model = SparseExpertClassifier(**SMALL).fit(frame, y)
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict_proba(frame), model.predict_proba(frame))
    copy = clone(model)
    assert copy.get_params() == model.get_params() and not hasattr(copy, "model_")
    np.testing.assert_array_equal(
        copy.fit(frame, y).predict_proba(frame), model.predict_proba(frame)
    )


def test_the_model_is_one_of_keras_and_predicts_from_raw_rows(table, tmp_path):
    frame, y = table
    model = SparseExpertClassifier(**SMALL).fit(frame, y)
    model.model_.save(tmp_path / "model.keras")
    loaded = sparse_keras.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(frame)[:, 0], model.predict_proba(frame)[:, 1])
    # With the classes of y.
    assert loaded.predict_target(frame, verbose=0).tolist() == model.predict(frame).tolist()
    accuracy = loaded.evaluate(frame, y, return_dict=True, verbose=0)["accuracy"]
    assert accuracy == pytest.approx(model.score(frame, y))


def test_what_a_model_calls_classes():
    assert names_of(np.array(["no", "yes"])) == ("no", "yes")
    assert names_of(np.array([False, True])) == (False, True)
    # A table cannot tell them apart, or cannot hold them.
    assert names_of(np.array([1, "1"], object)) == (0, 1)
    assert names_of(np.array(["?", "a"])) == (0, 1)
    assert names_of(np.array([datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)])) == (0, 1)


@pytest.mark.slow
def test_several_labels(table):
    frame, y = table
    labels = np.stack([y == "yes", frame.x > 0, frame.z > 0], axis=1).astype(int)
    model = SparseExpertClassifier(**SMALL).fit(frame, labels)
    assert model.predict(frame).shape == (300, 3)
    assert set(np.unique(model.predict(frame))) <= {0, 1}
    assert ((model.predict_proba(frame) >= 0.5) == model.predict(frame)).all()


@pytest.mark.slow
def test_classes_may_be_anything_sortable(table):
    frame, _ = table
    y = np.array([-1.0, 0.0, 7.0])[np.digitize(frame.x, [-0.5, 0.5])]
    model = SparseExpertClassifier(**SMALL).fit(frame, y)
    assert set(model.predict(frame)) <= {-1.0, 0.0, 7.0}
    assert model.predict_proba(frame).shape == (300, 3)


@pytest.mark.slow
def test_regression(table):
    frame, _ = table
    y = 1000.0 + 50.0 * frame.x
    model = SparseExpertRegressor(**SMALL | {"epochs": 20, "patience": 20}, learning_rate=0.03)
    assert model.fit(frame, y).score(frame, y) > 0.8
    regressor = SparseExpertRegressor(**SMALL)
    scaled = TransformedTargetRegressor(regressor, func=np.log, inverse_func=np.exp)
    assert np.isfinite(scaled.fit(frame, y).predict(frame)).all()


@pytest.mark.slow
def test_a_seed_repeats_and_leaves_other_generators_alone(table):
    frame, y = table
    np.random.seed(3)
    random.seed(3)
    expected = np.random.rand(), random.random()
    np.random.seed(3)
    random.seed(3)
    first = SparseExpertClassifier(**SMALL).fit(frame, y)
    assert (np.random.rand(), random.random()) == expected
    other = SparseExpertClassifier(**SMALL | {"random_state": 1}).fit(frame, y)
    assert not np.array_equal(first.predict_proba(frame), other.predict_proba(frame))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_experts": 0}, "`num_experts`.*greater than or equal to 1.*Received: 0"),
        ({"k": 3}, "k.*3 is more than.*num_experts"),
        ({"learning_rate": -1.0}, "`learning_rate`"),
        ({"bins": "treee"}, "`bins`.*'tree'.*treee"),
        ({"dropout": 1.0}, "`dropout`"),
        ({"batch_size": "all"}, "`batch_size`"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"epochs": 2.5}, "`epochs`"),
    ],
)
def test_invalid_arguments_are_told(table, arguments, message):
    frame, y = table
    with pytest.raises(ValueError, match=message):
        SparseExpertClassifier(**SMALL | arguments).fit(frame, y)


def test_what_cannot_be_learned_from_is_told(table, eager_functions):
    frame, y = table
    with pytest.raises(ValueError, match="at least two classes"):
        SparseExpertClassifier(**SMALL).fit(frame, np.ones(300))
    with pytest.raises(ValueError, match="y to be passed"):
        SparseExpertRegressor(**SMALL).fit(frame, None)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        SparseExpertClassifier(**SMALL).fit(frame, y[:-1])
    model = SparseExpertClassifier(**SMALL | {"epochs": 1}).fit(frame, y)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.drop(columns="x"))


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(200)])
    topics = rng.integers(0, 3, 150)
    rows = [" ".join(words[rng.integers(0, 60, 20) + 60 * topic]) for topic in topics]
    return rows, np.array(["sea", "air", "land"])[topics]


@pytest.mark.slow
def test_a_sparse_matrix(texts):
    rows, y = texts
    pipeline = make_pipeline(
        TfidfVectorizer(),
        SparseExpertClassifier(**SMALL | {"epochs": 20, "patience": 20}, learning_rate=0.03),
    ).fit(rows, y)
    assert pipeline.score(rows, y) > 0.9
    model, matrix = pipeline[-1], pipeline[:-1].transform(rows)
    assert model.model_.preprocessor.features.sparse_dim == matrix.shape[1] == model.n_features_in_
    expected = model.predict_proba(matrix)
    for form in (matrix.tocsc(), matrix.tocoo(), matrix.toarray()):
        np.testing.assert_allclose(model.predict_proba(form), expected, rtol=1e-4, atol=1e-6)
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict_proba(matrix), expected)
    with pytest.raises(ValueError, match="features"):
        model.predict(matrix[:, :-1])
    matrix.data[0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.predict(matrix)


def test_the_first_layer_of_a_sparse_matrix(texts, eager_functions):
    matrix = TfidfVectorizer().fit_transform(texts[0])
    y = matrix.sum(axis=1).A1
    model = SparseExpertRegressor(**SMALL | {"epochs": 1, "stem": 6}).fit(matrix, y)
    assert model.predict(matrix).shape == (150,)
    layers = {layer.name: layer for layer in model.model_.core.layers}
    assert layers["sparse_projection"].units == 6 and "stem" not in layers


@pytest.mark.slow
def test_cross_validation_and_search_of_a_sparse_matrix(texts):
    rows, y = texts
    pipeline = make_pipeline(TfidfVectorizer(), SparseExpertClassifier(**SMALL))
    assert np.isfinite(cross_val_score(pipeline, rows, y, cv=2)).all()
    grid = {"sparseexpertclassifier__k": [1, 2]}
    assert GridSearchCV(pipeline, grid, cv=2).fit(rows, y).best_score_ > 0


DATES = {
    "dates": pd.date_range("2024-01-01", periods=60),
    "objects of dates": [datetime.date(2024, 1, 1 + day % 28) for day in range(60)],
    "periods": pd.period_range("2020-01", periods=60, freq="M"),
}
HOSTILE = {
    "times": pd.to_timedelta(np.arange(60), unit="h"),
    "dates of text": [f"2024-01-{1 + day % 28:02d}" for day in range(60)],
    "free text": [f"text {number}" for number in range(60)],
    "thousands": [f"{number},234.50" for number in range(1, 61)],
    "lists": [[1, 2]] * 60,
    "strays": ["unknown", "unknown", *map(str, range(58))],
}


@pytest.mark.parametrize("column", HOSTILE)
def test_columns_that_are_no_categories_are_refused(column):
    frame = pd.DataFrame({"x": HOSTILE[column], "z": np.arange(60.0)})
    with pytest.raises(ValueError, match=r"'x' must hold numbers or categories. Received .+"):
        SparseExpertClassifier(epochs=1).fit(frame, [0, 1] * 30)


def test_classes_that_are_missing_are_counted():
    with pytest.raises(ValueError, match="Input y contains NaN: 20 of 60 rows have no class"):
        SparseExpertClassifier(epochs=1).fit(np.zeros((60, 2)), ["a", "b", None] * 20)


def test_columns_of_dates_become_numbers(eager_functions):
    frame = pd.DataFrame(DATES)
    model = SparseExpertClassifier(**SMALL | {"epochs": 1}).fit(frame, [0, 1] * 30)
    assert [column.name for column in model.model_.preprocessor.features.dates] == list(DATES)
    assert np.isfinite(model.predict_proba(frame[::-1])).all()


def test_arrays_of_durations_are_refused():
    x = np.arange(60).astype("timedelta64[D]")[:, None]
    with pytest.raises(ValueError, match="'x0' must hold numbers or categories"):
        SparseExpertRegressor(epochs=1).fit(x, range(60))


def test_tables_of_other_libraries():
    pyarrow = pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"x": np.arange(60.0), "c": ["p", "q", "r"] * 20})
    table = pyarrow.Table.from_pandas(frame)
    model = SparseExpertClassifier(epochs=1, random_state=0).fit(table, [0, 1] * 30)
    assert model.feature_names_in_.tolist() == ["x", "c"]
    np.testing.assert_array_equal(model.predict_proba(table), model.predict_proba(frame))


def test_kinds_of_columns_are_declared(eager_functions):
    def fast(**arguments):
        return SparseExpertClassifier(**SMALL | {"epochs": 1}, **arguments)

    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    frame = pd.DataFrame(
        {
            "note": np.where(y, "please cancel it now", "all is well here"),
            "price": [f"${1000 + i:,}" for i in range(40)],
            "day": pd.date_range("2024-01-01", periods=40),
            "x": rng.normal(size=40),
        }
    )
    with pytest.raises(ValueError, match=r"'price' must hold numbers.*columns=\{'price'"):
        fast().fit(frame, y)
    columns = {"note": "text", "price": {"type": "numeric", "unit": "$", "thousands": ","}}
    model = clone(fast(columns=columns)).fit(frame, y)
    features = model.model_.preprocessor.features
    assert [len(part) for part in (features.numeric, features.dates, features.texts)] == [2, 1, 1]
    probability = model.predict_proba(frame)
    plain = frame.assign(price=1000 + np.arange(40), day=frame["day"].astype(str))
    np.testing.assert_allclose(model.predict_proba(plain), probability, atol=1e-6)
    with pytest.raises(ValueError, match="`columns` names 'notes', which is no input. Did you"):
        fast(columns={"notes": "text"}).fit(frame, y)
