import copy
import subprocess
import sys

import keras
import numpy as np
import pytest

from sparse_keras.optimizers import FusedOptimizer
from tests.support.gradients import to_numpy
from tests.support.quick import slow_but_for

K = keras.optimizers
X = np.random.default_rng(0).integers(0, 9, size=(20, 3))
Y = np.random.default_rng(1).normal(size=(20, 4)).astype("float32")


def plain(optimizer):
    return optimizer


def decay():
    return K.schedules.ExponentialDecay(0.05, decay_steps=3, decay_rate=0.5)


CASES = {
    "adam": lambda: K.Adam(0.01),
    "adam, amsgrad": lambda: K.Adam(0.01, amsgrad=True),
    "adam, schedule": lambda: K.Adam(decay()),
    "adam, clipnorm": lambda: K.Adam(0.01, clipnorm=0.01),
    "adam, clipvalue": lambda: K.Adam(0.01, clipvalue=0.001),
    "adam, global_clipnorm": lambda: K.Adam(0.01, global_clipnorm=0.01),
    "adam, weight decay": lambda: K.Adam(0.01, weight_decay=0.1),
    "adam, averages": lambda: K.Adam(
        0.01, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=3
    ),
    "adam, averages at the end": lambda: K.Adam(0.01, use_ema=True, ema_momentum=0.5),
    "adam, accumulation": lambda: K.Adam(0.01, gradient_accumulation_steps=2),
    "adamw": lambda: K.AdamW(0.01, weight_decay=0.1),
    "adamw, all": lambda: K.AdamW(
        decay(), weight_decay=0.1, clipnorm=0.1, use_ema=True, gradient_accumulation_steps=2
    ),
    "sgd": lambda: K.SGD(0.01),
    "sgd, momentum": lambda: K.SGD(0.01, momentum=0.9, nesterov=True, weight_decay=0.1),
    "rmsprop": lambda: K.RMSprop(0.01, momentum=0.5, centered=True),
    "adagrad": lambda: K.Adagrad(0.01),
    "adadelta": lambda: K.Adadelta(0.01),
    "adamax": lambda: K.Adamax(0.01),
    "adafactor": lambda: K.Adafactor(0.01),
    "nadam": lambda: K.Nadam(0.01),
    "ftrl": lambda: K.Ftrl(0.01),
    "lion": lambda: K.Lion(0.01, weight_decay=0.1),
    "muon": lambda: K.Muon(0.01, weight_decay=0.1, exclude_layers=["embed"]),
    "schedule-free": lambda: K.ScheduleFreeAdamW(0.01),
}


def model_of(optimizer, embedding=True, **compile_arguments):
    """Variables of rank 1 to 3, one of them with a constraint, one with a sparse gradient."""
    keras.utils.set_random_seed(7)
    layers = [
        keras.layers.Embedding(9, 6, name="embed") if embedding else keras.layers.Rescaling(0.1),
        keras.layers.Flatten(),
        keras.layers.EinsumDense("nd,edh->neh", (2, 5), bias_axes="eh", activation="tanh"),
        keras.layers.Flatten(),
        keras.layers.Dense(4, kernel_constraint=keras.constraints.NonNeg()),
    ]
    model = keras.Sequential([keras.Input((3,), dtype="int32"), *layers])
    # Eager where tracing would take most of the time; the first two tests are about graphs.
    eager = keras.backend.backend() == "tensorflow"
    defaults = {"jit_compile": False, "run_eagerly": eager and not compile_arguments}
    model.compile(optimizer, "mse", **defaults | compile_arguments)
    return model


def fit(model, epochs=2, **kwargs):
    # Batches of 8, 8 and 4.
    model.fit(X, Y, batch_size=8, epochs=epochs, shuffle=False, verbose=0, **kwargs)
    return [to_numpy(v) for v in (*model.trainable_variables, *model.optimizer.variables)]


def assert_equal(values, expected, rtol=2e-5, atol=2e-6):
    assert len(values) == len(expected) > 0
    for value, wanted in zip(values, expected, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=rtol, atol=atol)


# Each takes two trainings and a compilation: those that share their ways with these can wait.
QUICK = ("adamw, all",)


@pytest.mark.parametrize("case", slow_but_for(QUICK, CASES))
def test_weights_and_state_are_those_of_keras(case):
    expected = fit(model_of(CASES[case](), run_eagerly=True))
    assert_equal(fit(model_of(FusedOptimizer(CASES[case]()), run_eagerly=False)), expected)


@pytest.mark.parametrize(
    "compile_arguments",
    [
        {"run_eagerly": True},
        pytest.param({"jit_compile": True}, marks=[pytest.mark.tensorflow, pytest.mark.slow]),
        pytest.param({"steps_per_execution": 2}, marks=[pytest.mark.tensorflow, pytest.mark.jax]),
    ],
    ids=str,
)
def test_every_way_to_run_a_step(compile_arguments):
    fused = model_of(FusedOptimizer(K.AdamW(0.01)), **compile_arguments)
    assert_equal(fit(fused), fit(model_of(K.AdamW(0.01))))


@pytest.mark.tensorflow
def test_only_the_dense_update_is_compiled():
    import tensorflow as tf

    model = model_of(FusedOptimizer("adam"))
    model.optimizer.build(model.trainable_variables)
    gradients = [tf.zeros_like(v.value) for v in model.trainable_variables]
    gradients[0] = tf.IndexedSlices(tf.zeros((2, 6)), tf.constant([1, 1]), tf.constant([9, 6]))

    def step():
        model.optimizer.apply(gradients, model.trainable_variables)

    def count(function):
        graph = tf.function(function).get_concrete_function().graph.as_graph_def()
        compiled = [f for f in graph.library.function if f.attr["_XlaMustCompile"].b]
        assert len(compiled) == 1
        assigned = [node.op for node in compiled[0].node_def if node.op.startswith("Assign")]
        return len(assigned), [node.op for node in graph.node].count("Sqrt")

    dense = len(gradients) - 1
    assigned, uncompiled = count(step)
    assert assigned == 3 * dense  # The momentum, the velocity and the variable.
    assert uncompiled == 2  # The embedding's: of its velocity, and of a scalar.


@pytest.mark.tensorflow
def test_the_inner_optimizer_is_left_as_it_was():
    adam = K.Adam()
    before = set(vars(adam))
    fit(model_of(FusedOptimizer(adam), embedding=False), epochs=1)
    assert not {"update_step", "_backend_update_step", "_apply_weight_decay"} & set(vars(adam))
    assert before <= set(vars(adam))


@pytest.mark.slow
@pytest.mark.tensorflow
def test_mirrored_strategy():
    import tensorflow as tf

    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        fused = model_of(FusedOptimizer(K.Adam(0.01)))
    assert_equal(fit(fused), fit(model_of(K.Adam(0.01))))


@pytest.mark.parametrize(
    "policy", slow_but_for(["mixed_float16"], ["mixed_float16", "mixed_bfloat16", "bfloat16"])
)
def test_dtype_policies(policy):
    keras.config.set_dtype_policy(policy)
    fused, plain = model_of(FusedOptimizer(K.AdamW(0.01))), model_of(K.AdamW(0.01))
    assert isinstance(fused.optimizer, K.LossScaleOptimizer) == (policy == "mixed_float16")
    values, expected = fit(fused, epochs=1), fit(plain, epochs=1)
    # Gradients in 8 or 11 bits, in which compiled sums are rounded differently.
    assert_equal(
        [np.asarray(v, "float32") for v in values],
        [np.asarray(v, "float32") for v in expected],
        **(dict(rtol=0.05, atol=0.05) if policy == "bfloat16" else dict(rtol=1e-3, atol=1e-4)),
    )


def test_within_a_multi_optimizer():
    weights = []
    for wrap in (FusedOptimizer, plain):
        parts = K.OptimizerMap(wrap(K.Adam(0.01)), {"embed/.*": wrap(K.SGD(0.1))})
        model = model_of(K.MultiOptimizer(parts))
        fit(model)
        weights.append([to_numpy(v) for v in model.trainable_variables])
    assert_equal(*weights)


def test_callbacks_that_set_the_learning_rate():
    model = model_of(FusedOptimizer(K.SGD(0.5)), embedding=False)
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    fit(model, epochs=2, callbacks=[halve])
    assert float(model.optimizer.learning_rate) == 0.125
    model.optimizer.learning_rate = 0.0
    before = to_numpy(model.trainable_variables[0])
    fit(model, epochs=1)
    np.testing.assert_array_equal(to_numpy(model.trainable_variables[0]), before)
    fit(model, epochs=2, callbacks=[keras.callbacks.ReduceLROnPlateau("loss", patience=1)])
    assert int(model.optimizer.iterations) == 15


def test_a_schedule_in_place_of_a_number():
    models = [model_of(FusedOptimizer(K.Adam(0.01))), model_of(K.Adam(0.01))]
    for model in models:
        model.optimizer.learning_rate = decay()
    assert_equal(*[fit(model) for model in models])


@pytest.mark.parametrize("policy", slow_but_for(["float32"], ["float32", "mixed_float16"]))
def test_average_weights_can_be_swapped_in(policy):
    keras.config.set_dtype_policy(policy)
    losses = []
    for wrap in (FusedOptimizer, plain):
        model = model_of(wrap(K.Adam(0.1, use_ema=True)))
        fit(model, epochs=1)
        losses.append(model.evaluate(X, Y, callbacks=[keras.callbacks.SwapEMAWeights()], verbose=0))
    np.testing.assert_allclose(*losses, rtol=1e-5 if policy == "float32" else 1e-3)


@pytest.mark.slow
def test_exclude_from_weight_decay():
    models = []
    for optimizer in (FusedOptimizer(K.AdamW(0.01, weight_decay=5.0)), K.AdamW(0.01, 5.0)):
        optimizer.exclude_from_weight_decay(var_names=["bias", "kernel"])
        models.append(model_of(optimizer))
    assert_equal(*[fit(model) for model in models])
    assert not np.allclose(
        fit(model_of(K.AdamW(0.01, weight_decay=5.0)))[1],
        to_numpy(models[0].trainable_variables[1]),
    )


def test_loss_scale_factor():
    # Without the embedding: Keras cannot divide a sparse gradient.
    optimizers = [wrap(K.Adam(0.01, loss_scale_factor=8.0)) for wrap in (FusedOptimizer, plain)]
    assert_equal(*[fit(model_of(optimizer, embedding=False)) for optimizer in optimizers])


@pytest.mark.tensorflow
@pytest.mark.torch
def test_a_variable_without_gradient():
    def fitted(optimizer):
        keras.utils.set_random_seed(7)
        inputs = keras.Input((3,))
        unused = keras.layers.Dense(1, name="unused")(inputs)
        model = keras.Model(inputs, [keras.layers.Dense(4)(inputs), unused])
        model.compile(optimizer, ["mse", None], jit_compile=False)
        with pytest.warns(UserWarning, match="Gradients do not exist"):  # On JAX they are zero.
            return fit(model)

    assert_equal(fitted(FusedOptimizer(K.Adam(0.01))), fitted(K.Adam(0.01)))


@pytest.mark.parametrize("policy", slow_but_for(["mixed_float16"], ["float32", "mixed_float16"]))
def test_a_saved_model_goes_on_as_if_it_had_not_been(tmp_path, policy):
    keras.config.set_dtype_policy(policy)
    optimizer = K.AdamW(decay(), weight_decay=0.1, gradient_accumulation_steps=2)
    model = model_of(FusedOptimizer(optimizer))
    fit(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    fused = loaded.optimizer
    if policy == "mixed_float16":
        fused = fused.inner_optimizer
    assert type(fused) is FusedOptimizer and type(fused.inner_optimizer).__name__ == "AdamW"
    assert int(loaded.optimizer.iterations) == 3
    assert_equal(fit(loaded), fit(model), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("wraps", [(FusedOptimizer, plain), (plain, FusedOptimizer)])
def test_saved_with_the_wrapper_and_loaded_without_and_back(wraps, tmp_path):
    saved, loaded = (model_of(wrap(K.Adam(0.01))) for wrap in wraps)
    fit(saved)
    saved.save_weights(tmp_path / "model.weights.h5")
    loaded.optimizer.build(loaded.trainable_variables)
    loaded.load_weights(tmp_path / "model.weights.h5")
    assert int(loaded.optimizer.iterations) == int(saved.optimizer.iterations) > 0
    assert_equal(fit(loaded), fit(saved))


@pytest.mark.tensorflow
@pytest.mark.slow
def test_variables_on_several_devices():
    code = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras, numpy as np
from sparse_keras.optimizers import FusedOptimizer

def fitted(optimizer):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(3), keras.layers.Dense(1)]
    for number, (layer, width) in enumerate(zip(layers, (2, 3))):
        with tf.device(f"CPU:{number}"):
            layer.build((None, width))
    model = keras.Sequential([keras.Input((2,)), *layers])
    model.compile(optimizer, "mse", jit_compile=False)
    model.fit(np.ones((8, 2), "float32"), np.ones(8, "float32"), verbose=0)
    return model.get_weights()

for a, b in zip(fitted(FusedOptimizer("adam")), fitted("adam"), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-5)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.tensorflow  # On PyTorch, Keras updates all weights in one call of its own.
def test_an_update_of_ones_own_on_the_instance_stays():
    optimizer = K.SGD(0.1)
    optimizer.update_step = lambda gradient, variable, learning_rate: None
    model = model_of(FusedOptimizer(optimizer))
    before = model.get_weights()
    for _ in range(2):
        model.compile(model.optimizer, "mse", jit_compile=False)
        fit(model)
    np.testing.assert_array_equal(before[0], model.get_weights()[0])


def test_the_state_is_saved_once(tmp_path):
    sizes = []
    for wrap in (FusedOptimizer, plain):
        model = keras.Sequential([keras.Input((100,)), keras.layers.Dense(1000)])
        model.compile(wrap(K.Adam()), "mse")
        model.optimizer.build(model.trainable_variables)
        model.save(tmp_path / "model.keras")
        sizes.append((tmp_path / "model.keras").stat().st_size)
    assert sizes[0] < 1.1 * sizes[1]


def test_what_an_inner_optimizer_can_be():
    assert type(FusedOptimizer("sgd").inner_optimizer).__name__ == "SGD"
    config = keras.optimizers.serialize(K.Adam(0.25))
    assert float(FusedOptimizer(config).learning_rate) == 0.25
    copied = copy.deepcopy(keras.optimizers.serialize(FusedOptimizer(K.Adam(0.25), name="quick")))
    again = keras.optimizers.get(copied)
    assert (type(again), again.name, float(again.learning_rate)) == (FusedOptimizer, "quick", 0.25)


@pytest.mark.parametrize("wrong", [None, "adamm", 0.001, K.Adam, {"learning_rate": 0.1}])
def test_what_is_no_optimizer(wrong):
    with pytest.raises(ValueError, match="such as 'adam', or its config. Received: ") as error:
        FusedOptimizer(wrong)
    assert repr(wrong) in str(error.value)


@pytest.mark.parametrize(
    "make",
    [
        K.LossScaleOptimizer,
        lambda optimizer: K.MultiOptimizer(K.OptimizerMap(optimizer)),
    ],
)
def test_what_wraps_other_optimizers(make):
    with pytest.raises(ValueError, match="Wrap those in FusedOptimizer instead"):
        FusedOptimizer(make(K.Adam()))


def test_fused_twice():
    with pytest.raises(ValueError, match="fused already"):
        FusedOptimizer(FusedOptimizer(K.Adam()))


def test_hyperparameters_are_those_of_the_inner_optimizer():
    fused = FusedOptimizer(K.AdamW(0.1, weight_decay=0.5, clipnorm=2.0, use_ema=True))
    assert (fused.weight_decay, fused.clipnorm, fused.use_ema) == (0.5, 2.0, True)
    fused.clipnorm = 3.0
    assert fused.inner_optimizer.clipnorm == 3.0
    assert FusedOptimizer(K.Adam(loss_scale_factor=4.0)).loss_scale_factor == 4.0
