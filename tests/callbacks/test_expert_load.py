import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.callbacks import ExpertLoad
from sparse_keras.layers import DenseExperts, MixtureOfExperts, MLPExperts, TopKRouter

pytestmark = pytest.mark.usefixtures("eager_module")


def model_of(*layers, **compile_arguments):
    model = keras.Sequential([keras.Input((6,)), *layers])
    model.compile("sgd", "mse", **compile_arguments)
    return model


def mixture(name=None, **kwargs):
    router = TopKRouter(balance_loss=0.3, z_loss=0.1)
    return MixtureOfExperts(MLPExperts(4, 8), router=router, name=name, **kwargs)


def draw(rows=22, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, 6)).astype("float32")


def fit(model, callback=None, x=None, **kwargs):
    x = draw() if x is None else x
    history = model.fit(
        x, 2 * x, batch_size=8, verbose=0, callbacks=[callback or ExpertLoad()], **kwargs
    )
    return history.history


@pytest.mark.parametrize(
    "steps_per_execution", [1, pytest.param(2, marks=[pytest.mark.tensorflow, pytest.mark.jax])]
)
def test_default_logs(steps_per_execution):
    model = model_of(mixture(), mixture(), steps_per_execution=steps_per_execution)
    logs = fit(model, epochs=2)
    assert set(logs) == {"loss", "load_violation", "dropped", "aux_loss", "task_loss"}
    for name, values in logs.items():
        assert len(values) == 2 and np.isfinite(values).all(), name
        assert all(isinstance(value, float) for value in values), name
    assert logs["dropped"] == [0.0, 0.0]


def test_task_loss_is_the_loss_without_auxiliary_losses():
    model = model_of(mixture(), mixture())
    model.optimizer.learning_rate = 0.0  # So that training and evaluation see the same weights.
    x = draw()
    logs = fit(model, epochs=2, validation_data=(x, 2 * x))
    np.testing.assert_allclose(
        np.array(logs["loss"]) - np.array(logs["aux_loss"]), logs["task_loss"], rtol=1e-6
    )
    assert min(logs["aux_loss"]) > 0.5  # Two layers, balance loss about 0.3 each.
    # The last batch has 6 rows instead of 8; batches count by their size, as in the loss.
    np.testing.assert_allclose(logs["task_loss"], logs["val_loss"], rtol=1e-5)


def test_auxiliary_loss_of_a_layer_that_is_called_twice():
    layer = mixture()
    inputs = keras.Input((6,))
    model = keras.Model(inputs, layer(inputs) + layer(-inputs))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x = draw()
    logs = fit(model, validation_data=(x, 2 * x))
    np.testing.assert_allclose(logs["task_loss"], logs["val_loss"], rtol=1e-5)


def test_every_epoch_starts_anew():
    layer = mixture()
    model = model_of(layer)
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(layer.routing_statistics()["assigned"])

    x = draw()
    model.fit(x, x, epochs=3, verbose=0, callbacks=[ExpertLoad(), Watch()])
    assert seen == [44, 44, 44]  # 22 tokens, 2 experts each.


def test_names_of_layers_and_experts():
    model = model_of(mixture("first"), mixture("second"))
    logs = fit(model, ExpertLoad(per_layer=True, per_expert=True))
    for layer in model.layers:
        for name in (
            "load_violation",
            "dropped",
            "dead",
            "experts_per_token",
            "entropy",
            "balance_loss",
            "z_loss",
            *(f"load_{e}" for e in range(4)),
        ):
            assert f"{layer.path}/{name}" in logs
        # Only losses that the router adds.
        assert f"{layer.path}/importance_loss" not in logs
        shares = [logs[f"{layer.path}/load_{e}"][0] for e in range(4)]
        assert sum(shares) == pytest.approx(1.0)
        assert logs[f"{layer.path}/load_violation"][0] == pytest.approx(max(shares) * 4 - 1)
        assert logs[f"{layer.path}/experts_per_token"] == [2.0]
        assert 0 < logs[f"{layer.path}/entropy"][0] <= 1
    assert {key.split("/")[-2] for key in logs if "/" in key} == {"first", "second"}
    worst = max(logs[f"{layer.path}/load_violation"][0] for layer in model.layers)
    assert logs["load_violation"] == [worst]


def test_dropped_assignments_are_counted():
    router = TopKRouter(k=1, use_bias=True)
    layer = MixtureOfExperts(DenseExperts(4, 6), router=router, capacity_factor=1.0)
    model = model_of(layer)
    model.optimizer.learning_rate = 0.0
    router.kernel.assign(ops.zeros((6, 4)))
    router.bias.assign([9.0, 0.0, 0.0, 0.0])
    logs = fit(model, x=draw(16))
    # Of 8 tokens to expert 0 in each batch it takes ceil(1.0 * 8 / 4) = 2; 6 of 8 are dropped.
    assert logs["dropped"] == [0.75]
    assert logs["load_violation"] == [3.0]


def test_layers_are_found_however_deep():
    inner = keras.Sequential([keras.layers.Dense(6), mixture("deep")])
    deep = keras.layers.TimeDistributed(mixture("distributed"))
    model = keras.Sequential(
        [keras.Input((6,)), inner, keras.layers.Reshape((1, 6)), deep, keras.layers.Flatten()]
    )
    model.compile("sgd", "mse")
    logs = fit(model, ExpertLoad(per_layer=True))
    violations = [key for key in logs if key.endswith("/load_violation")]
    assert len(violations) == 2
    assert any("deep/" in key for key in violations)
    assert any("distributed/" in key for key in violations)


def test_a_model_without_experts():
    with pytest.warns(UserWarning, match="no mixture of experts"):
        logs = fit(model_of(keras.layers.Dense(6)))
    assert set(logs) == {"loss"}


def test_other_callbacks_read_its_logs():
    x = draw()
    stop = keras.callbacks.EarlyStopping(monitor="task_loss", patience=0, mode="max")
    model = model_of(mixture())
    history = model.fit(x, x, epochs=9, verbose=0, callbacks=[ExpertLoad(), stop])
    assert len(history.history["loss"]) == 2  # The task loss falls, so `max` stops at once.


def test_round_trip():
    options = {
        "per_layer": True,
        "per_expert": True,
        "warn": False,
        "collapse_above": 0.5,
        "dropped_above": None,
        "log_dir": None,
    }
    config = keras.saving.serialize_keras_object(ExpertLoad(**options))
    assert config["registered_name"] == "sparse_keras>ExpertLoad"
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == options
