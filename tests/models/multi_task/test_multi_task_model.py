"""Training on several targets: losses, metrics and weights, against NumPy."""

import keras
import numpy as np
import pytest

from sparse_keras.data import TableInputs
from sparse_keras.models import GradNormWeights, MultiTaskModel, UncertaintyWeights, mmoe
from sparse_keras.models.multi_task.gradnorm import last_shared_layer
from sparse_keras.tasks import Binary, Regression

pytestmark = pytest.mark.usefixtures("eager_module")

TASKS = {"a": "binary", "b": "regression"}


def squared():
    return keras.losses.MeanSquaredError(reduction="mean_with_sample_weight")


def entropy():
    return keras.losses.BinaryCrossentropy(reduction="mean_with_sample_weight")


def tiny(weights=None, losses=None, optimizer=None, **kwargs):
    """Two tasks on a linear layer of two units, without biases."""
    x = keras.Input((3,))
    shared = keras.layers.Dense(2, use_bias=False, name="shared")(x)
    outputs = {
        "a": keras.layers.Dense(1, use_bias=False, activation="sigmoid", name="a")(shared),
        "b": keras.layers.Dense(1, use_bias=False, name="b")(shared),
    }
    model = MultiTaskModel(x, outputs if weights is None else weights(outputs))
    losses = losses or {"a": entropy(), "b": squared()}
    model.compile(optimizer or keras.optimizers.SGD(0.1), loss=losses, **kwargs)
    return model


def batch(rows=8, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 3)).astype("float32")
    y = {
        "a": (rng.random(rows) < 0.5).astype("float32"),
        "b": rng.normal(size=rows).astype("float32"),
    }
    there = rng.random((2, rows)) < 0.6
    weights = rng.random((2, rows)) * there
    return x, y, {"a": weights[0].astype("float32"), "b": weights[1].astype("float32")}


def naive_losses(predicted, y, weights):
    p, q = predicted["a"][:, 0].astype("f8"), predicted["b"][:, 0].astype("f8")
    rows = {
        "a": -(y["a"] * np.log(p) + (1 - y["a"]) * np.log(1 - p)),
        "b": (q - y["b"]) ** 2,
    }
    return {name: (weights[name] * rows[name]).sum() / weights[name].sum() for name in rows}


def test_losses_are_means_over_the_labels_that_are_there():
    model = tiny(
        loss_weights={"a": 1.0, "b": 0.25},
        weighted_metrics={"a": Binary().metrics(), "b": Regression().metrics()},
    )
    x, y, weights = batch(rows=20)
    expected = naive_losses(model.predict(x, verbose=0), y, weights)
    # In batches of 8, 8 and 4, whose labels are not equally many.
    logs = model.evaluate(x, y, sample_weight=weights, batch_size=8, return_dict=True, verbose=0)
    assert logs["a_loss"] == pytest.approx(expected["a"], rel=1e-5)
    assert logs["b_loss"] == pytest.approx(expected["b"], rel=1e-5)
    whole = model.evaluate(x, y, sample_weight=weights, batch_size=20, return_dict=True, verbose=0)
    assert whole["loss"] == pytest.approx(expected["a"] + 0.25 * expected["b"], rel=1e-5)
    assert whole["b_rmse"] == pytest.approx(np.sqrt(expected["b"]), rel=1e-5)
    right = (model.predict(x, verbose=0)["a"][:, 0] >= 0.5) == y["a"]
    accuracy = (weights["a"] * right).sum() / weights["a"].sum()
    assert whole["a_accuracy"] == pytest.approx(accuracy, rel=1e-5)
    assert set(whole) == {
        *("loss", "a_loss", "b_loss", "a_accuracy", "a_auc", "b_rmse", "b_mae"),
    }


def test_what_stands_in_for_a_missing_label_changes_nothing():
    x, y, weights = batch()
    models = []
    for filler in (0.0, 1.0):
        keras.utils.set_random_seed(0)
        model = tiny()
        filled = {name: np.where(weights[name] > 0, y[name], filler) for name in y}
        model.train_on_batch(x, filled, weights)
        models.append(model.get_weights())
    for one, other in zip(*models, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_task_without_labels_in_a_batch_teaches_nothing():
    model = tiny()
    head = model.get_layer("a").get_weights()[0]
    x, y, weights = batch()
    logs = model.train_on_batch(x, y, weights | {"a": np.zeros(8, "float32")}, return_dict=True)
    np.testing.assert_array_equal(model.get_layer("a").get_weights()[0], head)
    assert np.isfinite(logs["loss"])


def test_uncertainty_is_the_articles_formula_and_is_learned():
    layer = UncertaintyWeights(TASKS)
    model = tiny(layer)
    x, y, weights = batch()
    layer.log_variances["a"].assign(0.7)
    layer.log_variances["b"].assign(-0.4)
    losses = naive_losses(model.predict(x, verbose=0), y, weights)
    factors = {"a": np.exp(-0.7), "b": np.exp(0.4) / 2}
    expected = sum(factors[task] * losses[task] for task in TASKS) + (0.7 - 0.4) / 2
    logs = model.train_on_batch(x, y, weights, return_dict=True)
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)
    # The gradient of the formula: -factor * loss + 1 / 2.
    for task, before in (("a", 0.7), ("b", -0.4)):
        moved = before - 0.1 * (0.5 - factors[task] * losses[task])
        assert float(layer.log_variances[task]) == pytest.approx(moved, rel=1e-4)


@pytest.mark.parametrize("kind", [UncertaintyWeights, GradNormWeights])
def test_outside_training_learned_weights_count_one(kind):
    layer = kind(TASKS)
    model = tiny(layer)
    for scalar in layer.weights:
        scalar.assign(0.3)
    x, y, weights = batch()
    losses = naive_losses(model.predict(x, verbose=0), y, weights)
    logs = model.evaluate(x, y, sample_weight=weights, return_dict=True, verbose=0)
    assert logs["loss"] == pytest.approx(losses["a"] + losses["b"], rel=1e-5)


def naive_gradnorm(state, x, y, weights, alpha, learning_rate, rate):
    """One step of both tasks with squared errors: the weights of the model, and of the tasks."""
    shared, heads = state["shared"], state["heads"]
    losses, on_shared, on_heads = [], [], []
    for head, target, weight in zip(heads, y, weights, strict=True):
        hidden = x @ shared
        error = (hidden @ head)[:, 0] - target
        share = weight / weight.sum() if weight.sum() else weight
        losses.append((share * error**2).sum())
        slope = (2 * share * error)[:, None]
        on_shared.append(x.T @ (slope @ head.T))
        on_heads.append(hidden.T @ slope)
    factor, losses = state["factor"], np.array(losses)
    there = np.array([weight.sum() > 0 for weight in weights])
    first = np.where((state["first"] == 0) & there, losses, state["first"])

    norm = np.array([np.sqrt((one**2).sum()) for one in on_shared])
    ratio = np.divide(losses, first, out=np.zeros_like(losses), where=first > 0)
    wanted = (factor * norm)[there].mean() * (ratio / ratio[there].mean()) ** alpha
    gradient = np.where(there, np.sign(factor * norm - wanted) * norm, 0)
    moved = np.maximum(factor - learning_rate * gradient, 1e-3)
    return {
        "shared": shared - rate * sum(f * one for f, one in zip(factor, on_shared, strict=True)),
        "heads": [h - rate * f * one for h, f, one in zip(heads, factor, on_heads, strict=True)],
        "factor": moved * 2 / moved.sum(),
        "first": first,
    }


@pytest.mark.tensorflow
@pytest.mark.parametrize("steps", [1, 2])
def test_gradnorm_is_the_articles_algorithm(steps):
    """Over steps of which one lacks all labels of a task, against NumPy in float64."""
    layer = GradNormWeights({"a": "regression", "b": "regression"}, alpha=0.7, learning_rate=0.05)
    x = keras.Input((3,))
    shared = keras.layers.Dense(2, use_bias=False, name="shared")(x)
    heads = {name: keras.layers.Dense(1, use_bias=False, name=name)(shared) for name in "ab"}
    model = MultiTaskModel(x, layer(heads))
    model.compile(
        keras.optimizers.SGD(0.1), loss={"a": squared(), "b": squared()}, steps_per_execution=steps
    )
    assert last_shared_layer(model) is model.get_layer("shared")
    state = {
        "shared": model.get_layer("shared").get_weights()[0].astype("f8"),
        "heads": [model.get_layer(name).get_weights()[0].astype("f8") for name in "ab"],
        "factor": np.ones(2),
        "first": np.zeros(2),
    }
    x, y, weights = batch(rows=32)
    y["b"] = 3 * y["b"]  # Else the tasks would be much alike.
    weights["b"][:8] = 0
    weights["a"][16:24] = 0
    model.fit(x, y, sample_weight=weights, batch_size=8, shuffle=False, verbose=0)
    for rows in np.split(np.arange(32), 4):
        arrays = [[values[name][rows].astype("f8") for name in "ab"] for values in (y, weights)]
        state = naive_gradnorm(state, x[rows].astype("f8"), *arrays, 0.7, 0.05, 0.1)
    found = [float(value) for value in layer.task_weights().values()]
    np.testing.assert_allclose(found, state["factor"], rtol=1e-4)
    assert sum(found) == pytest.approx(2) and abs(found[0] - 1) > 0.01
    first = [float(value) for value in layer.first_losses.values()]
    np.testing.assert_allclose(first, state["first"], rtol=1e-4)
    np.testing.assert_allclose(
        model.get_layer("shared").get_weights()[0], state["shared"], rtol=1e-3, atol=1e-5
    )
    for name, head in zip("ab", state["heads"], strict=True):
        np.testing.assert_allclose(model.get_layer(name).get_weights()[0], head, rtol=1e-3)


def test_gradnorm_keeps_its_weights_when_norms_are_not_finite():
    layer = GradNormWeights(TASKS)
    layer.build(None)
    layer.update({"a": 1.0, "b": 2.0}, {"a": np.inf, "b": 1.0}, {"a": True, "b": True})
    assert [float(weight) for weight in layer.weights] == [1, 1, 0, 0]


def test_gradnorm_is_for_tensorflow(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="on the TensorFlow backend. Received: jax"):
        GradNormWeights(TASKS).check_backend()
    model = tiny(GradNormWeights(TASKS))
    with pytest.raises(ValueError, match="on the TensorFlow backend"):
        model.make_train_function()


def test_the_last_layer_that_tasks_share():
    experts = {"type": "dense", "num_experts": 3, "units": 4}
    model = mmoe(inputs=TableInputs(3), tasks=TASKS, experts=experts, stem=5)
    assert last_shared_layer(model).name == "mixture"
    x = keras.Input((3,))
    apart = {name: keras.layers.Dense(1, name=name)(x) for name in TASKS}
    with pytest.raises(ValueError, match="share no layer"):
        last_shared_layer(MultiTaskModel(x, apart))


@pytest.mark.slow
@pytest.mark.tensorflow
def test_only_what_tasks_share_is_compared():
    """A gate of one task is part of the shared layer, and yet not shared."""
    from sparse_keras.models.multi_task.gradnorm_tensorflow_backend import _on_shared

    assert _on_shared({"a": [1, 2, None], "b": [3, None, 4]}) == {"a": [1], "b": [3]}
    experts = {"type": "dense", "num_experts": 3, "units": 4}
    network = mmoe(inputs=TableInputs(3), tasks=TASKS, experts=experts)
    layer = GradNormWeights(TASKS)
    model = MultiTaskModel(network.input, layer(network.output))
    model.compile("sgd", loss={"a": entropy(), "b": squared()})
    x, y, weights = batch(rows=32)
    model.fit(x, y, sample_weight=weights, epochs=2, verbose=0)
    factors = [float(weight) for weight in layer.task_weights().values()]
    assert sum(factors) == pytest.approx(2) and factors[0] != 1


@pytest.mark.parametrize("kind", [UncertaintyWeights, GradNormWeights])
def test_weights_are_saved_and_the_model_goes_on(kind, tmp_path, recwarn):
    layer = kind(TASKS)
    model = tiny(layer, optimizer=keras.optimizers.Adam(0.1))
    x, y, weights = batch()
    if kind is UncertaintyWeights or keras.backend.backend() == "tensorflow":
        model.fit(x, y, sample_weight=weights, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert not [one for one in recwarn if "compile" in str(one.message)]
    again = loaded.task_weights_layer
    assert again.get_config() == layer.get_config()
    assert {one.path for one in again.weights} == {one.path for one in layer.weights}
    ends = {path.rpartition("/")[2] for path in (one.path for one in layer.weights)}
    assert ends >= ({"a_weight"} if kind is GradNormWeights else {"a_log_variance"})
    if kind is UncertaintyWeights or keras.backend.backend() == "tensorflow":
        for one in (model, loaded):
            one.fit(x, y, sample_weight=weights, verbose=0)
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_learned_weights_need_losses_that_are_objects():
    with pytest.raises(ValueError, match="keras.losses.Loss object for each target"):
        tiny(UncertaintyWeights(TASKS), losses={"a": "binary_crossentropy", "b": "mse"})
    with pytest.raises(ValueError, match="at least two. Received: 'a'"):
        UncertaintyWeights({"a": "binary"})
    with pytest.raises(ValueError, match="alpha=-1"):
        GradNormWeights(TASKS, alpha=-1)
