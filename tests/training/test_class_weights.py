"""Class weights: of which classes, how much, and that they act in the loss of training alone."""

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.utils import compute_class_weight

import sparse_keras
from sparse_keras.data import ArrayBatches
from sparse_keras.tasks import Binary, Multiclass, Multilabel, MultiTask, Regression
from sparse_keras.training.building import build_model
from sparse_keras.training.class_weights import class_weights
from tests.support.quick import slow_but_for

pytestmark = pytest.mark.usefixtures("eager_module")

CONFIG = """
version: 1
data: {type: csv, path: table.csv, target: y, bins: none, ignore_case: true}
model:
  type: sparse_mlp
  stem: null
  experts: {type: mlp, num_experts: 2, hidden_dim: 4}
  router: {type: top_k, k: 1}
optimizer: {type: adam, learning_rate: 0.01}
training: {epochs: 2, batch_size: 64}
"""
WEIGHTED = ("data.path=weighted.csv", "data.weight=w")


def batches(y, weight=None):
    rows = len(keras.tree.flatten(y)[0])
    return ArrayBatches(np.zeros((rows, 1)), y, weight, shuffle=True, batch_size=7)


@pytest.mark.parametrize("weighted", [False, True])
def test_balanced_is_that_of_scikit_learn(weighted):
    y = np.random.default_rng(0).choice(4, 100, p=[0.7, 0.0, 0.2, 0.1]).astype("int32")
    weight = np.random.default_rng(1).integers(0, 3, 100) if weighted else None
    found = class_weights("balanced", Multiclass("y", 4), batches(y, weight))
    expected = compute_class_weight(
        "balanced", classes=np.array([0, 2, 3]), y=y, sample_weight=weight
    )
    np.testing.assert_allclose(np.array(found)[[0, 2, 3]], expected)
    assert found[1] == 1.0  # A class without rows.

    class Served(keras.utils.PyDataset):  # Batches of a plug-in.
        def __len__(self):
            return len(batches(y))

        def __getitem__(self, index):
            return batches(y, weight)[index]

    np.testing.assert_allclose(class_weights("balanced", Multiclass("y", 4), Served()), found)


@pytest.mark.parametrize(
    "given, classes, expected",
    [
        ({"yes": 3, "no": 1}, ("no", "yes"), [1, 3]),
        ({"YES": 3, "No": 1}, ("no", "yes"), [1, 3]),
        ({"1": 3, "0": 1}, (0, 1), [1, 3]),
        ({"1.0": 3, "0": 1}, (0.0, 1.0), [1, 3]),
        ({"true": 3, "false": 1}, (False, True), [1, 3]),
        ({"B": 3, "a": 1, "b": 2}, ("a", "b", "B"), [1, 2, 3]),
    ],
)
def test_classes_are_named_as_in_the_data(given, classes, expected):
    task = (Binary if len(classes) == 2 else Multiclass)("y", classes)
    assert class_weights(given, task, None) == expected


TWO = MultiTask("t", (Binary("rich", ("no", "yes")), Regression("age")))


@pytest.mark.parametrize(
    "given, task, message",
    [
        ({"no": 1, "yess": 2}, Binary("y", ("no", "yes")), "'yess' is no class of 'y'.*'yes'"),
        ({"no": 1}, Binary("y", ("no", "yes")), "lacks 'yes' of 'y'. Expected .*{no: 1, yes: 1}"),
        ({"a": 1, "A": 2, "b": 1}, Binary("y", ("a", "b")), "two weights of the class 'a'"),
        ("balanced", Regression("y"), "'y' is regression, without classes"),
        ("balanced", Multilabel("y", 3), "'y' is multilabel, without classes"),
        ({"y": {"no": 1}}, Binary("y", ("no", "yes")), "one target, 'y'"),
        ({"no": 1, "yes": 2}, TWO, "mapping from target to balanced"),
        ({"rch": "balanced"}, TWO, "names 'rch'.*Did you mean 'rich'"),
        ({"age": "balanced"}, TWO, "'age' is regression"),
        ("balanced", MultiTask("t", (Regression("a"), Regression("b"))), "mapping from target"),
    ],
)
def test_mistakes(given, task, message):
    with pytest.raises(ValueError, match=f"training.class_weight.*{message}"):
        class_weights(given, task, batches(np.array([0.0, 1.0])))


def test_several_targets():
    y = {"rich": np.array([0, 0, 0, 1.0]), "age": np.zeros(4)}
    weight = {"rich": np.array([1, 0, 1, 1.0]), "age": np.ones(4)}
    for given in ("balanced", {"rich": "balanced"}):
        found = class_weights(given, TWO, batches(y, weight))
        assert found == {"rich": [pytest.approx(0.75), pytest.approx(1.5)]}
    assert class_weights({"rich": {"no": 2, "yes": 3}}, TWO, None) == {"rich": [2.0, 3.0]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(160, 2))
    y = rng.random(160) < 1 / (1 + np.exp(2.5 - x[:, 0]))
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": np.where(y, "yes", "no")})
    frame.loc[::7, "y"] = frame.loc[::7, "y"].str.upper()
    frame.to_csv(folder / "table.csv", index=False)
    frame.assign(w=np.where(y, 4.0, 0.5)).to_csv(folder / "weighted.csv", index=False)
    (folder / "table.yaml").write_text(CONFIG)
    return folder


def trained(folder, *overrides):
    config = sparse_keras.load_config(folder / "table.yaml", overrides)
    return sparse_keras.train(config, output=folder / "runs", verbose=0)


@pytest.fixture(scope="module")
def weighted(folder):
    return trained(folder, "training.class_weight={no: 0.5, Yes: 4}")


def test_they_train_as_weights_of_the_rows_do(weighted, folder, monkeypatch):
    monkeypatch.chdir(folder)
    by_rows = trained(folder, *WEIGHTED)
    assert weighted.history["loss"] == by_rows.history["loss"]
    for ours, theirs in zip(weighted.model.get_weights(), by_rows.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    # Only the loss of training depends on them.
    assert weighted.history["val_loss"] != by_rows.history["val_loss"]
    assert weighted.history["accuracy"] != by_rows.history["accuracy"]
    data = sparse_keras.load_data(weighted.config)
    found = weighted.model.evaluate(data.test, return_dict=True, verbose=0)
    assert found["loss"] == pytest.approx(weighted.metrics["log_loss"], rel=1e-5)
    assert found["accuracy"] == pytest.approx(weighted.metrics["accuracy"])


def test_they_multiply_the_weights_of_the_rows(folder, monkeypatch):
    monkeypatch.chdir(folder)
    run = trained(folder, *WEIGHTED, "training.class_weight=balanced", "training.epochs=1")
    data = sparse_keras.load_data(run.config)
    y, w = data.train.y, data.train.sample_weight
    expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=y, sample_weight=w)
    assert run.model.class_weights == pytest.approx(expected.tolist())
    x = data.train.x
    found = run.model.compute_loss(
        x, y, run.model(x, training=False), w.astype("float32"), training=True
    )
    p = run.model.predict(x, verbose=0)[:, 0]
    losses = -np.where(y == 1, np.log(p), np.log1p(-p))
    aux = float(found) - np.average(losses, weights=w * expected[y.astype(int)])
    assert aux == pytest.approx(float(sum(run.model.losses)), abs=1e-5)


def test_a_saved_model_goes_on_with_them(weighted, folder):
    loaded = sparse_keras.load_model(weighted.path)
    assert loaded.class_weights == [0.5, 4.0]
    table = pd.read_csv(folder / "table.csv")[:32]
    logs = [
        model.fit(table, epochs=1, shuffle=False, verbose=0).history["loss"]
        for model in (loaded, weighted.model)
    ]
    assert logs[0] == pytest.approx(logs[1], rel=1e-5)


def test_a_model_that_is_fitted_by_hand_has_them(weighted):
    data = sparse_keras.load_data(weighted.config)
    model = build_model(weighted.config, data)
    assert model.class_weights == [0.5, 4.0]
    x, y, *_ = data.train[0]
    plain = float(model.compute_loss(x, y, model(x), training=False))
    assert float(model.compute_loss(x, y, model(x), training=True)) != pytest.approx(plain)
    model.fit(data.train, epochs=1, verbose=0)


def test_baselines_have_them_too(weighted):
    from sparse_keras.evaluation.tabular.sklearn_baselines import Linear

    data = sparse_keras.load_data(weighted.config)
    plain = Linear(data.features)
    balanced = Linear(data.features, class_weights=[0.5, 4.0])
    assert plain.identity != balanced.identity
    frame = data.frames["train"]
    means = [model.fit(frame).predict(frame).mean() for model in (plain, balanced)]
    assert means[1] > 2 * means[0]


@pytest.mark.tensorflow
@pytest.mark.parametrize("weights", slow_but_for(["null"], ["null", "{type: gradnorm}"]))
def test_several_targets_in_a_training(weights, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=120)
    frame = pd.DataFrame({"x": x, "rich": np.where(x > 1.2, "yes", "no"), "age": 40 + x})
    frame.to_csv(tmp_path / "people.csv", index=False)
    (tmp_path / "people.yaml").write_text(
        "version: 1\n"
        "data: {type: csv, path: people.csv, target: {rich: binary, age: regression}}\n"
        "model: {type: mmoe, experts: {type: dense, num_experts: 2, units: 4}}\n"
        "optimizer: {type: adam}\n"
        f"training: {{epochs: 1, batch_size: 200, task_weights: {weights}}}\n"
    )
    losses = []
    for given in ("null", "balanced"):
        config = sparse_keras.load_config(
            tmp_path / "people.yaml", [f"training.class_weight={given}"]
        )
        run = sparse_keras.train(config, output=tmp_path / "runs", verbose=0)
        losses.append(run.history)
    # The one batch of an epoch is computed before any step.
    assert losses[0]["age_loss"] == pytest.approx(losses[1]["age_loss"])
    assert losses[0]["rich_loss"] != pytest.approx(losses[1]["rich_loss"])
