"""The bias that balances without a loss: moved by each training step, and by nothing else."""

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.layers import (
    DenseExperts,
    MixtureOfExperts,
    MLPExperts,
    MultiGateMixtureOfExperts,
    TopKRouter,
)
from tests.support.gradients import to_numpy
from tests.support.reference import softmax

RATE = 0.125  # A power of two: sums of it are exact.
RNG = np.random.default_rng(7)


def biased(k=2, **arguments):
    arguments = {"bias_update_rate": RATE, "balance_loss": 0.0, **arguments}
    return TopKRouter(k=k, select_on="score_plus_bias", **arguments)


def naive_moves(kernel, batches, k, every=1, masks=None, rate=RATE):
    """The bias after some batches, one token at a time."""
    num_experts = kernel.shape[1]
    bias, load = np.zeros(num_experts), np.zeros(num_experts)
    for step, batch in enumerate(batches):
        for n, x in enumerate(batch):
            if masks is None or masks[step][n]:
                load[np.argsort(-(softmax(x @ kernel) + bias), kind="stable")[:k]] += 1
        if (step + 1) % every == 0:
            bias += rate * np.sign(load.mean() - load)
            load[:] = 0
    return bias


def draw_batches(steps=5, tokens=24, dim=6):
    return RNG.normal(size=(steps, tokens, dim)).astype("float32")


def kernel_of(router):
    return np.array(ops.convert_to_numpy(router.kernel), "float64")


def bias_of(router):
    return to_numpy(router.selection_bias)


@pytest.mark.parametrize("k, num_experts, every", [(2, 5, 1), (1, 4, 1), (3, 4, 2), (1, 1, 1)])
def test_it_moves_against_the_load(k, num_experts, every):
    router = biased(k, num_experts=num_experts, bias_update_every=every)
    batches = draw_batches(6 if every == 2 else 5)  # An odd number of moves.
    for batch in batches:
        router(batch, training=True)
    expected = naive_moves(kernel_of(router), batches, k, every)
    np.testing.assert_array_equal(bias_of(router), expected)
    assert num_experts == 1 or expected.any()


def test_padding_and_capacity_do_not_count():
    router = biased(num_experts=4)
    layer = MixtureOfExperts(MLPExperts(4, 3), router=router, capacity_factor=0.3)
    batches = draw_batches()
    masks = RNG.random(batches.shape[:2]) < 0.5
    masks[2] = False  # A batch of padding alone moves nothing.
    # Padding holds what would go to one expert.
    layer.build(batches[0].shape)
    for batch, mask in zip(batches, masks, strict=True):
        batch[~mask] = 100.0
        layer(batch, mask=mask, training=True)
    assert layer.routing_statistics()["dropped"] > 0.1
    expected = naive_moves(kernel_of(router), batches, 2, masks=masks)
    np.testing.assert_array_equal(bias_of(router), expected)


def test_nothing_else_moves_it():
    batch = draw_batches(1)[0]
    frozen, still = biased(num_experts=4, trainable=False), biased(num_experts=4)
    still_rate = biased(num_experts=4, bias_update_rate=0)
    for router, training in ((frozen, True), (still, False), (still, None), (still_rate, True)):
        router(batch, training=training)
        assert not bias_of(router).any()
    assert still.selection_bias in still.non_trainable_variables
    assert len(still_rate.non_trainable_variables) == 2  # The bias and a seed, no load.


def test_the_default_rate_is_that_of_the_paper():
    router = biased(num_experts=4, bias_update_rate=None)
    router(draw_batches(1)[0], training=True)
    np.testing.assert_allclose(np.abs(bias_of(router)).max(), 0.001, rtol=1e-6)
    assert router.bias_step == 0.001 and router.get_config()["bias_update_rate"] is None
    assert TopKRouter().bias_step == 0.0


def test_it_balances_what_was_lopsided():
    router = biased(k=1, num_experts=4, bias_update_rate=0.01, use_bias=True)
    router.build((None, 6))
    router.bias.assign([1.5, 0.5, 0.0, -1.0])
    batch = RNG.normal(size=(512, 6)).astype("float32")

    def violation():
        index = to_numpy(router(batch)["expert_index"]).ravel().astype(int)
        return np.bincount(index, minlength=4).max() / (len(batch) / 4) - 1

    before = violation()
    for _ in range(100):
        router(batch, training=True)
    assert before > 1.0 and violation() < 0.3


def model_of(router, dim=6):
    model = keras.Sequential(
        [keras.Input((dim,)), MixtureOfExperts(DenseExperts(router.num_experts, 3), router=router)]
    )
    return model


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"run_eagerly": True},
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
        {"steps_per_execution": 3},
        pytest.param({"steps_per_execution": 3, "jit_compile": True}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_every_step_of_fit_moves_it(how):
    if keras.backend.backend() != "tensorflow" and how:
        pytest.skip("ways of TensorFlow")
    router, batches = biased(num_experts=5), draw_batches(9)
    model = model_of(router)
    expected = naive_moves(kernel_of(router), batches, 2)
    # With a learning rate of 0, what is chosen depends on the bias alone.
    model.compile(keras.optimizers.SGD(0.0), "mse", **{"jit_compile": False, **how})
    x = batches.reshape(-1, 6)
    model.fit(x, x[:, :3], batch_size=24, shuffle=False, epochs=1, verbose=0)
    np.testing.assert_array_equal(bias_of(router), expected)
    model.evaluate(x, x[:, :3], verbose=0)
    np.testing.assert_array_equal(bias_of(router), expected)


def test_accumulated_batches_are_one_batch():
    """With accumulation over two halves, a training ends as with whole batches."""
    x = draw_batches(3, tokens=32).reshape(-1, 6)  # Over three epochs, an odd number of moves.
    y, biases, kernels = np.tanh(x[:, :3]), [], []
    start = None
    for accumulation in (None, 2):
        router = biased(num_experts=5, bias_update_every=accumulation or 1)
        model = model_of(router)
        start = start or [w.copy() for w in model.get_weights()]
        model.set_weights(start)
        model.compile(keras.optimizers.SGD(0.5, gradient_accumulation_steps=accumulation), "mse")
        size = 32 // (accumulation or 1)
        model.fit(x, y, batch_size=size, shuffle=False, epochs=3, verbose=0)
        biases.append(bias_of(router))
        kernels.append(kernel_of(router))
    np.testing.assert_array_equal(*biases)
    np.testing.assert_allclose(*kernels, atol=1e-5)
    assert biases[0].any()


@pytest.mark.parametrize("form", ["model.keras", "model.weights.h5"])
def test_it_is_saved_between_two_moves(form, tmp_path):
    batches = draw_batches(6)
    router = biased(num_experts=4, bias_update_every=2)
    model = model_of(router)
    for batch in batches[:3]:  # One move, and half of the next.
        model(batch, training=True)
    file = tmp_path / form
    if form.endswith(".keras"):
        model.save(file)
        again = keras.models.load_model(file)
    else:
        model.save_weights(file)
        again = model_of(biased(num_experts=4, bias_update_every=2))
        again.load_weights(file)
    loaded = again.layers[-1].router
    for batch in batches[3:]:
        again(batch, training=True)
    expected = naive_moves(kernel_of(router), batches, 2, every=2)
    np.testing.assert_array_equal(bias_of(loaded), expected)
    assert expected.any()


def test_each_gate_has_its_own():
    routers = {"a": biased(k=1), "b": biased(k=2), "c": TopKRouter(k=1)}
    layer = MultiGateMixtureOfExperts(DenseExperts(4, 3), routers)
    batches = draw_batches()
    masks = RNG.random(batches.shape[:2]) < 0.7
    for batch, mask in zip(batches, masks, strict=True):
        layer(batch, mask=mask, training=True)
    for gate, k in (("a", 1), ("b", 2)):
        router = layer.routers[gate]
        expected = naive_moves(kernel_of(router), batches, k, masks=masks)
        np.testing.assert_array_equal(bias_of(router), expected)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"bias_update_rate": 0.1}, "select_on='score_plus_bias'"),
        ({"bias_update_every": 2}, "no effect"),
        (
            {"select_on": "score_plus_bias", "bias_update_rate": 0, "bias_update_every": 2},
            "no effect",
        ),
        ({"select_on": "score_plus_bias", "bias_update_rate": -1}, "at least 0"),
        ({"select_on": "score_plus_bias", "bias_update_every": 0}, "bias_update_every"),
    ],
)
def test_what_has_no_effect_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TopKRouter(k=2, **arguments)


TWO_REPLICAS = """
    import keras, numpy as np, tensorflow as tf
    from sparse_keras.layers import DenseExperts, MixtureOfExperts
    from tests.layers.routers.test_selection_bias import biased, kernel_of, model_of, naive_moves

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    x = np.random.default_rng(0).normal(size=(9 * 24, 6)).astype("float32")
    with strategy.scope():
        router = biased(num_experts=5)
        model = model_of(router)
        model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
    model.fit(x, x[:, :3], batch_size=24, shuffle=False, verbose=0)
    copies = strategy.experimental_local_results(router.selection_bias.value)
    assert len(copies) == 2
    # As one machine would with the whole batch.
    expected = naive_moves(kernel_of(router), x.reshape(9, 24, 6), 2)
    assert expected.any()
    for copy in copies:
        np.testing.assert_array_equal(copy.numpy(), expected)
"""


@pytest.mark.slow
@pytest.mark.tensorflow
def test_replicas_agree_on_the_load_of_all():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(TWO_REPLICAS)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
