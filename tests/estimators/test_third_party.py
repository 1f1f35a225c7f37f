"""SHAP, LIME and MLflow with the estimators: `pip install '.[interop]'`."""

import keras
import numpy as np
import pandas as pd
import pytest

from sparse_keras import SparseExpertClassifier
from sparse_keras.data import Target, fit_features

SMALL = {"num_experts": 2, "hidden_dim": 8, "stem": 8, "epochs": 20, "random_state": 0}
SMALL |= {"learning_rate": 0.03, "patience": 20}
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.tensorflow]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=200),
            "noise": rng.normal(size=200),
            "color": rng.choice(["red", "green"], 200),
        }
    )
    y = np.where((frame.x > 0) & (frame.color == "red"), "yes", "no")
    return frame, y


@pytest.fixture(scope="module")
def model(table):
    return SparseExpertClassifier(**SMALL).fit(*table)


def test_shap(table, model):
    shap = pytest.importorskip("shap")
    frame, _ = table
    explainer = shap.KernelExplainer(model.predict_proba, frame[:20])
    values = np.asarray(explainer.shap_values(frame[:10], nsamples=30, silent=True))
    assert values.shape == (10, 3, 2)
    # The values of a row add up to its probability.
    total = values[..., 1].sum(axis=1) + explainer.expected_value[1]
    np.testing.assert_allclose(total, model.predict_proba(frame[:10])[:, 1], atol=1e-4)
    importance = np.abs(values[..., 1]).mean(axis=0)
    assert importance.argmin() == 1  # the noise


def test_lime(table):
    lime_tabular = pytest.importorskip("lime.lime_tabular")
    frame, y = table
    numbers = frame[["x", "noise"]]
    model = SparseExpertClassifier(**SMALL).fit(numbers, y)
    explainer = lime_tabular.LimeTabularExplainer(
        numbers.to_numpy(), feature_names=["x", "noise"], random_state=0
    )
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        explained = explainer.explain_instance(
            numbers.to_numpy()[0], model.predict_proba, num_samples=200
        )
    (first, _), *_ = sorted(explained.as_list(), key=lambda one: -abs(one[1]))
    assert first.replace("noise", "").count("x")


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("GIT_PYTHON_REFRESH", "quiet")
    # MLflow starts Python anew to see what a model imports, for each model that it records.
    monkeypatch.setenv("MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT", "1")
    mlflow = pytest.importorskip("mlflow")
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    mlflow.set_experiment("test")
    yield mlflow
    for flavor in (mlflow.sklearn, mlflow.keras):
        flavor.autolog(disable=True)


def runs_of(mlflow):
    mlflow.flush_async_logging()
    return mlflow.search_runs(output_format="list")


FEW = SMALL | {"epochs": 2}


def test_autologging_of_scikit_learn_records_no_helper(mlflow, table):
    """The trees that find bins are not the user's model; a pipeline is, with ours in it."""
    from sklearn.pipeline import make_pipeline
    from sklearn.tree import DecisionTreeClassifier

    frame, y = table
    mlflow.sklearn.autolog(log_datasets=False, silent=True)
    model = make_pipeline(SparseExpertClassifier(**FEW))
    model[-1].fit(frame, y)
    fit_features(frame.assign(y=y), Target("y", "binary", ("no", "yes")))
    assert runs_of(mlflow) == []
    model.fit(frame, y)
    DecisionTreeClassifier().fit(frame[["x"]], y)  # Autologging is still on.
    tree, ours = runs_of(mlflow)
    assert ours.data.tags["estimator_name"] == "Pipeline"
    assert ours.data.params["sparseexpertclassifier__num_experts"] == "2"
    assert ours.data.metrics["training_score"] == pytest.approx(model.score(frame, y))
    assert tree.data.tags["estimator_name"] == "DecisionTreeClassifier"


def test_autologging_of_keras_records_the_training(mlflow, table):
    frame, y = table
    mlflow.keras.autolog(log_datasets=False, silent=True)
    model = SparseExpertClassifier(**FEW | {"learning_rate": 0.3, "epochs": 6, "patience": 1})
    model.fit(frame, y, eval_set=(frame, y[::-1]))
    (run,) = runs_of(mlflow)
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "val_loss")
    # MLflow writes in a thread, and may end before that does.
    recorded = {one.step: one.value for one in history}
    assert recorded and recorded.items() <= dict(enumerate(model.history_["val_loss"])).items()
    # What is recorded ends with the weights of the best epoch, as the estimator does.
    (logged,) = mlflow.search_logged_models(output_format="list")
    loaded = mlflow.keras.load_model(logged.model_uri)
    np.testing.assert_array_equal(loaded.predict(frame)[:, 0], model.predict_proba(frame)[:, 1])


def test_logging_by_hand(mlflow, table):
    frame, y = table
    with mlflow.start_run():
        callback = mlflow.keras.MlflowCallback()
        model = SparseExpertClassifier(**FEW).fit(frame, y, callbacks=[callback])
        info = mlflow.sklearn.log_model(model, name="model", serialization_format="cloudpickle")
    loaded = mlflow.sklearn.load_model(info.model_uri)
    np.testing.assert_array_equal(loaded.predict_proba(frame), model.predict_proba(frame))
    (run,) = runs_of(mlflow)
    assert run.data.metrics["loss"] == pytest.approx(model.history_["loss"][-1])
    keras.utils.clear_session()
