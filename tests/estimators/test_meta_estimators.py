"""What scikit-learn's own tools do with the estimators: boosting, bagging, votes, calibration."""

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sparse_keras import SparseExpertClassifier, SparseExpertRegressor

SMALL = {"num_experts": 2, "hidden_dim": 8, "stem": 8, "epochs": 20, "random_state": 0}
SMALL |= {"learning_rate": 0.03, "patience": 20}
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.tensorflow]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=120), "c": rng.choice(["r", "g"], 120)})
    return frame, np.where((frame.x > 0) ^ (frame.c == "r"), "yes", "no")


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrapped",
    [
        lambda one: AdaBoostClassifier(one, n_estimators=2),
        lambda one: BaggingClassifier(one, n_estimators=2),
        lambda one: VotingClassifier([("a", one), ("b", one)], voting="soft"),
        lambda one: StackingClassifier([("a", one)], LogisticRegression(), cv=2),
        lambda one: CalibratedClassifierCV(one, cv=2),
        lambda one: GridSearchCV(one, {"class_weight": [None, "balanced"]}, cv=2),
    ],
    ids=["AdaBoost", "Bagging", "Voting", "Stacking", "Calibrated", "GridSearch"],
)
def test_classifiers_around_the_classifier(wrapped, table):
    """Frames with text, which some of them make arrays of objects; and weights, where they pass
    them on."""
    frame, y = table
    model = wrapped(SparseExpertClassifier(**SMALL)).fit(frame, y, sample_weight=np.ones(120))
    assert model.score(frame, y) > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("kind", [AdaBoostRegressor, MultiOutputRegressor])
def test_regressors_around_the_regressor(kind, table):
    frame, _ = table
    y = 100 + 10 * frame.x.to_numpy()
    if kind is MultiOutputRegressor:
        model = kind(SparseExpertRegressor(**SMALL)).fit(frame, np.stack([y, -y], axis=1))
        assert model.score(frame, np.stack([y, -y], axis=1)) > 0.8
    else:
        model = kind(SparseExpertRegressor(**SMALL), n_estimators=2).fit(frame, y)
        assert model.score(frame, y) > 0.8


def test_bagging_of_a_frame_with_text(table, eager_functions):
    """Bagging makes an array of objects of a frame."""
    frame, y = table
    small = SMALL | {"epochs": 1, "batch_size": 120}
    model = BaggingClassifier(SparseExpertClassifier(**small), n_estimators=1).fit(frame, y)
    features = model.estimators_[0].model_.preprocessor.features
    assert [one.name for one in features.categorical] == ["x1"]
    assert model.predict(frame).shape == (120,)


@pytest.mark.slow
def test_permutation_importance(table):
    frame, y = table
    frame = frame.assign(noise=np.random.default_rng(1).normal(size=120))
    model = SparseExpertClassifier(**SMALL).fit(frame, y)
    importance = permutation_importance(model, frame, y, n_repeats=3, random_state=0)
    assert importance.importances_mean.argmin() == 2
    weighted = permutation_importance(
        model, frame, y, n_repeats=1, random_state=0, sample_weight=np.ones(120)
    )
    assert weighted.importances.shape == (3, 1)


@pytest.mark.slow
def test_arguments_of_fit_through_a_pipeline(table):
    frame, y = table
    pipeline = make_pipeline(FunctionTransformer(), SparseExpertClassifier(**SMALL))
    pipeline.fit(
        frame,
        y,
        sparseexpertclassifier__sample_weight=np.ones(120),
        sparseexpertclassifier__eval_set=(frame, y),
    )
    assert pipeline.score(frame, y) > 0.8
