"""LayerExperts against a loop that calls one copy of the template for each example and choice."""

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.layers import (
    DenseExperts,
    ExpertEnsemble,
    LayerExperts,
    MixtureOfExperts,
    MultiGateMixtureOfExperts,
    TopKRouter,
)
from sparse_keras.ops import group_calls
from tests.layers.wrappers import FixedRouter
from tests.support.gradients import layer_gradients, to_numpy

layers = keras.layers


def small_network():
    return keras.Sequential(
        [
            layers.Conv2D(4, 3, activation="tanh", bias_initializer="normal"),
            layers.GroupNormalization(2),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3),
        ]
    )


def functional():
    inputs = keras.Input((6,))
    hidden = layers.Dense(6, activation="silu")(inputs)
    return keras.Model(inputs, layers.LayerNormalization()(inputs + hidden))


# Each template with the shape of one row.
TEMPLATES = {
    "convolution": (lambda: layers.Conv2D(3, 3, padding="same"), (5, 4, 2)),
    "strided convolution": (lambda: layers.Conv1D(3, 2, strides=2, activation="tanh"), (6, 2)),
    "network of convolutions": (small_network, (5, 5, 2)),
    "recurrent": (lambda: layers.LSTM(3, return_sequences=True), (4, 2)),
    "last state": (lambda: layers.GRU(3), (4, 2)),
    "attention": (lambda: layers.MultiHeadAttention(2, 3), (4, 6)),
    "grouped attention": (lambda: layers.GroupQueryAttention(3, 4, 2), (4, 6)),
    "layers on tokens": (
        lambda: keras.Sequential([layers.Dense(5, activation="tanh"), layers.Dense(3)]),
        (6,),
    ),
    "functional model": (functional, (6,)),
    "einsum of tokens": (lambda: layers.EinsumDense("ab,bc->ac", 3, bias_axes="c"), (6,)),
    "einsum of positions": (
        lambda: layers.EinsumDense("abc,cd->abd", (4, 3), activation="tanh", bias_axes="d"),
        (4, 6),
    ),
    "each position": (lambda: layers.TimeDistributed(layers.Dense(3, "tanh")), (4, 2)),
    "flattened examples": (
        lambda: keras.Sequential([layers.Flatten(), layers.Dense(3, "tanh")]),
        (4, 2),
    ),
    "tokens as sequences": (
        lambda: keras.Sequential([layers.Reshape((3, 2)), layers.GRU(4), layers.Dense(3)]),
        (6,),
    ),
}
QUICK = (
    "strided convolution",
    "attention",
    "last state",
    "layers on tokens",
    "einsum of positions",
    "flattened examples",
)
# Rows, E, K, share of open slots, experts ever chosen.
ROUTINGS = {
    "many rows": (13, 4, 2, 1.0, 4),
    "one expert": (5, 1, 1, 1.0, 1),
    "empty experts, closed slots": (7, 6, 3, 0.6, 4),
    "everything to one": (6, 5, 1, 1.0, 1),
    "fewer rows than experts": (2, 8, 2, 1.0, 8),
    "one row": (1, 4, 2, 1.0, 4),
    "all closed": (3, 4, 2, 0.0, 4),
}


def draw(shape, rows, experts, k, open_share, chosen):
    rng = np.random.default_rng(rows)
    index = np.stack([rng.permutation(chosen)[:k] for _ in range(rows)]).astype("int32")
    weight = rng.random((rows, k)).astype("float32")
    x = rng.normal(size=(rows, *shape)).astype("float32")
    return x, index, weight, rng.random((rows, k)) < open_share


class Loop(keras.layers.Layer):
    """One layer for each expert, with the weights that it has in a bank, and nothing of ours."""

    def __init__(self, bank, index, weight, is_open):
        super().__init__()
        self.bank = lambda: bank  # Where Keras does not see it.
        self.index, self.scale = index, (weight * is_open).T
        self.experts = []

    def run(self, expert, x):
        attention = (layers.MultiHeadAttention, layers.GroupQueryAttention)
        return expert(x, x) if isinstance(expert, attention) else expert(x)

    def build(self, input_shape):
        template = self.bank().layer
        for e in range(self.bank().num_experts):
            with keras.name_scope(f"expert_{e}"):  # A path of its own for each weight.
                self.experts.append(type(template).from_config(template.get_config()))
                expert = self.experts[-1]
                self.run(expert, keras.KerasTensor((None, *input_shape[1:])))
            weights = self.bank().weights_of_experts
            expert.set_weights([ops.convert_to_numpy(w)[e] for w in weights])

    def call(self, x):
        total = 0.0
        for slot, scales in enumerate(self.scale):
            chosen = [self.experts[e] for e in self.index[:, slot]]
            rows = ops.concatenate([self.run(e, x[n : n + 1]) for n, e in enumerate(chosen)])
            scales = scales.reshape(-1, *(1 for _ in rows.shape[1:]))
            total = total + rows * ops.convert_to_tensor(scales)
        return total

    def gradients(self, found):
        """From names to gradients, to a list with those of a bank."""
        ours = {v.path.split("/", 1)[-1]: v for v in self.trainable_variables}
        stacks = []
        for position in range(len(self.experts[0].weights)):
            paths = [e.weights[position].path.split("/", 1)[-1] for e in self.experts]
            none = np.zeros(ours[paths[0]].shape)
            stacks.append(np.stack([none if found[p] is None else found[p] for p in paths]))
        return stacks


def cases():
    """Each template under the routing that has most to go wrong, and two under each routing."""
    for template in TEMPLATES:
        for routing in ROUTINGS:
            hardest = routing.startswith("empty")
            if hardest or template in ("strided convolution", "attention"):
                quick = (template in QUICK and hardest) or (
                    template == QUICK[0] and routing in ("one expert", "all closed")
                )
                yield pytest.param(template, routing, marks=() if quick else pytest.mark.slow)


@pytest.mark.parametrize("template, routing", list(cases()))
def test_it_equals_the_loop(template, routing):
    make, shape = TEMPLATES[template]
    experts = ROUTINGS[routing][1]
    x, index, weight, is_open = draw(shape, *ROUTINGS[routing])
    layer = MixtureOfExperts(
        make(), num_experts=experts, router=FixedRouter(index, weight, is_open, experts)
    )
    layer.build(x.shape)
    for bias in layer.experts.weights_of_experts:  # Nothing starts at zero.
        bias.assign(0.5 * np.random.default_rng(0).normal(size=bias.shape))
    loop = Loop(layer.experts, index, weight, is_open)
    loop.build(x.shape)
    y = to_numpy(layer(x))
    np.testing.assert_allclose(y, to_numpy(loop(x)), rtol=1e-4, atol=1e-5)
    assert y.shape == tuple(layer.compute_output_shape(x.shape))

    upstream = np.random.default_rng(2).normal(size=y.shape).astype("float32")
    dx, found = layer_gradients(layer, x, lambda y: ops.sum(ops.multiply(y, upstream)))
    expected_dx, expected = layer_gradients(loop, x, lambda y: ops.sum(ops.multiply(y, upstream)))
    np.testing.assert_allclose(dx, expected_dx, rtol=1e-4, atol=1e-5)
    by_name = {path.rsplit("/", 1)[-1]: gradient for path, gradient in found.items()}
    for w, gradient in zip(layer.experts.weights, loop.gradients(expected), strict=True):
        np.testing.assert_allclose(by_name[w.name], gradient, rtol=1e-3, atol=1e-4, err_msg=w.name)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "template",
    [
        "strided convolution",
        *(
            pytest.param(template, marks=pytest.mark.slow)
            for template in ("recurrent", "attention", "functional model", "einsum of positions")
        ),
    ],
)
def test_compiled_with_a_dynamic_batch(template):
    """XLA computes blocks instead of slices, and the same."""
    import tensorflow as tf

    make, shape = TEMPLATES[template]
    layer = MixtureOfExperts(make(), num_experts=3, router=TopKRouter(2, normalize=False))
    layer.build((None, *shape))

    def value_and_gradients(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            total = tf.reduce_sum(tf.sin(y))
        return y, tape.gradient(total, [x, *[v.value for v in layer.trainable_variables]])

    specs = [tf.TensorSpec((None, *shape))]
    compiled = tf.function(value_and_gradients, input_signature=specs, jit_compile=True)
    graph = tf.function(value_and_gradients, input_signature=specs)
    for rows in (1, 7):
        x = tf.random.stateless_normal((rows, *shape), (0, rows))
        expected = tf.nest.flatten(value_and_gradients(x))
        for function in (compiled, graph):
            for a, b in zip(tf.nest.flatten(function(x)), expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("initializer", [None, keras.initializers.GlorotUniform(seed=3)])
def test_every_expert_starts_on_its_own(initializer):
    """Also with one initializer object, with an integer seed, for several weights."""
    arguments = {} if initializer is None else {"kernel_initializer": initializer}
    template = keras.Sequential(
        [layers.Conv1D(8, 3, **arguments), layers.Conv1D(8, 3, **arguments)]
    )
    bank = LayerExperts(template, 5)
    bank.build((None, 9, 8))
    one, two = (to_numpy(w) for w in bank.weights_of_experts if "kernel" in w.name)
    assert [w.name for w in bank.weights] == [
        f"expert_conv1d_{name}" for name in ("kernel", "bias", "2_kernel", "2_bias")
    ]
    matrices = [*one, *two]
    for n, matrix in enumerate(matrices):
        # The fan of one expert: 3 * 8 in and 3 * 8 out.
        assert np.abs(matrix).max() <= np.sqrt(6 / 48)
        assert np.isclose(matrix.std(), np.sqrt(2 / 48), rtol=0.2)
        assert all(np.abs(matrix - other).max() > 0.1 for other in matrices[:n])
    again = LayerExperts(type(template).from_config(template.get_config()), 5)
    again.build((None, 9, 8))
    assert np.array_equal(to_numpy(again.weights[0]), one) == (initializer is not None)


def test_how_rows_are_routed():
    by = {name: LayerExperts(make(), 2).route_by for name, (make, _) in TEMPLATES.items()}
    assert by == {
        name: "token" if len(shape) == 1 else "example" for name, (_, shape) in TEMPLATES.items()
    }
    # A Dense of whole examples: what it does is the same, who does it is not.
    layer = MixtureOfExperts(LayerExperts(layers.Dense(3), 4, route_by="example"), k=1)
    y, routing = layer(np.ones((2, 5, 6), "float32"), return_routing=True)
    assert tuple(y.shape) == (2, 5, 3)
    assert tuple(routing["scores"].shape) == (2, 4)


def test_the_router_sees_the_mean_of_what_is_no_padding():
    layer = MixtureOfExperts(layers.GRU(3), num_experts=4)
    x = np.random.default_rng(0).normal(size=(3, 5, 2)).astype("float32")
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]], bool)
    x[~mask] = np.nan
    y, routing = layer(x, mask=mask, return_routing=True)
    kernel = to_numpy(layer.router.kernel)
    for n, length in ((0, 3), (1, 5)):
        mean = x[n, :length].mean(0)
        np.testing.assert_allclose(to_numpy(routing["logits"])[n], mean @ kernel, rtol=1e-4)
        alone = to_numpy(layer(x[n : n + 1, :length]))[0]
        np.testing.assert_allclose(to_numpy(y)[n], alone, rtol=1e-4, atol=1e-6)
    assert not to_numpy(y)[2].any() and not ops.convert_to_numpy(routing["is_open"])[2].any()
    layer(x, mask=mask, training=True)
    assert layer.routing_statistics()["assigned"] == 4
    weights = layer.gate_weights(x, mask=mask)["router"]
    assert tuple(weights.shape) == (3, 4)


def test_masks_go_where_positions_stay():
    x = np.ones((2, 4, 6), "float32")
    mask = np.array([[1, 1, 0, 0], [1, 1, 1, 1]], bool)
    attention = MixtureOfExperts(layers.MultiHeadAttention(2, 3), num_experts=3)
    y = to_numpy(attention(x, mask=mask))
    assert not y[0, 2:].any() and y[0, :2].any()
    np.testing.assert_allclose(y[:1, :2], to_numpy(attention(x[:1, :2])), rtol=1e-4, atol=1e-6)
    # A changed position that is padding changes nothing.
    x[0, 2:] = 9.0
    np.testing.assert_array_equal(to_numpy(attention(x, mask=mask)), y)
    assert attention.compute_mask(x, mask) is mask
    last = MixtureOfExperts(layers.GRU(3), num_experts=3)
    last.build(x.shape)
    assert last.compute_mask(x, mask) is None


def test_dropout_is_each_experts_own():
    template = keras.Sequential([layers.Dense(40, "linear", False, "ones"), layers.Dropout(0.5)])
    layer = MixtureOfExperts(LayerExperts(template, 3), router=TopKRouter(1, normalize=False))
    layer.build((None, 3))
    layer.router.kernel.assign(50 * np.eye(3))
    x = np.eye(3, dtype="float32")  # One token for each expert.
    assert np.ptp(to_numpy(layer(x))) < 1e-6
    one, two = (to_numpy(layer(x, training=True)) for _ in range(2))
    for masks in (one, two):
        assert len({row.tobytes() for row in masks > 0}) == 3
        assert 0.3 < (masks > 0).mean() < 0.7
    assert not np.array_equal(one, two)


def test_seeds_of_the_template_reproduce():
    def run(seed):
        template = keras.Sequential(
            [layers.Dense(8, kernel_initializer="ones"), layers.Dropout(0.5, seed=seed)]
        )
        layer = MixtureOfExperts(LayerExperts(template, 2), router="uniform")
        return to_numpy(layer(np.ones((4, 3), "float32"), training=True))

    assert np.array_equal(run(5), run(5))
    assert not np.array_equal(run(5), run(6))
    assert not np.array_equal(run(None), run(None))


def test_regularizers_and_constraints_are_each_experts_own():
    def template():
        return layers.Conv1D(2, 2, kernel_regularizer="l2", kernel_constraint="max_norm")

    bank = LayerExperts(template(), 3)
    bank.build((None, 4, 5))
    kernel = to_numpy(bank.weights[0])
    (loss,) = bank.losses
    np.testing.assert_allclose(to_numpy(loss), 0.01 * np.sum(kernel**2), rtol=1e-5)
    large = 10 * kernel
    found = to_numpy(bank.weights[0].constraint(ops.convert_to_tensor(large)))
    one = template()
    expected = [to_numpy(one.kernel_constraint(ops.convert_to_tensor(e))) for e in large]
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-5)


def test_frozen_parts_stay_frozen():
    frozen = layers.Conv1D(3, 2)
    frozen.trainable = False
    bank = LayerExperts(keras.Sequential([frozen, layers.Dense(2)]), 3)
    bank.build((None, 4, 5))
    assert [w.name for w in bank.trainable_weights] == ["expert_dense_kernel", "expert_dense_bias"]
    assert len(bank.weights) == 4
    whole = layers.Conv1D(3, 2, trainable=False)
    assert not LayerExperts(whole, 3).trainable


@keras.saving.register_keras_serializable(package="tests")
class CountsRows(keras.layers.Layer):
    seen = []

    def build(self, input_shape):
        self.scale = self.add_weight(shape=input_shape[-1:], initializer="ones", name="scale")

    def call(self, inputs):
        self.seen.append(inputs.shape[0])
        return inputs * self.scale


def test_only_the_chosen_are_computed():
    """K rows for each token, and what fills up: not E."""
    layer = MixtureOfExperts(CountsRows(), num_experts=16, k=2)
    layer.build((None, 6))
    CountsRows.seen.clear()
    layer(np.random.default_rng(0).normal(size=(160, 6)).astype("float32"))
    assert 320 <= sum(CountsRows.seen) <= 1.5 * 320 + 16


@pytest.mark.parametrize("seed", range(20))
def test_blocks_have_room_for_any_sizes(seed):
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 20))
    sizes = rng.integers(0, 30, groups) * (rng.random(groups) < 0.6)
    rows = int(sizes.sum() + rng.integers(0, 3)) or 1
    layout = group_calls.Blocks(ops.convert_to_tensor(sizes.astype("int32")), rows)
    assert np.sum(-(-sizes // layout.length)) <= layout.count
    assert layout.count * layout.length <= 1.5 * rows + groups
    values = rng.normal(size=(rows, 2)).astype("float32")
    places = to_numpy(layout.spread(ops.convert_to_tensor(values)))
    owner = np.repeat(ops.convert_to_numpy(layout.group_of_block), layout.length)
    place = ops.convert_to_numpy(layout.place_of_row)[: sizes.sum()]
    assert len(set(place)) == len(place)
    np.testing.assert_array_equal(owner[place], np.repeat(np.arange(groups), sizes))
    back = to_numpy(layout.gather(ops.convert_to_tensor(places)))
    np.testing.assert_array_equal(back[: sizes.sum()], values[: sizes.sum()])
    assert not back[sizes.sum() :].any()


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "bfloat16"])
def test_precision(policy):
    keras.config.set_dtype_policy(policy)
    layer = MixtureOfExperts(small_network(), num_experts=3)
    y = layer(np.random.default_rng(0).normal(size=(4, 5, 5, 2)))
    assert keras.backend.standardize_dtype(y.dtype) == layer.compute_dtype
    assert {w.dtype for w in layer.experts.weights} == {layer.variable_dtype}
    assert np.isfinite(to_numpy(y)).all()


@pytest.mark.parametrize(
    "template",
    [
        "functional model",
        pytest.param("network of convolutions", marks=pytest.mark.slow),
        pytest.param("attention", marks=pytest.mark.slow),
    ],
)
def test_it_saves_clones_and_exports(template, tmp_path):
    make, shape = TEMPLATES[template]
    model = keras.Sequential([keras.Input(shape), MixtureOfExperts(make(), num_experts=3)])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(5, *shape)).astype("float32")
    model.fit(x, 0 * to_numpy(model(x)), batch_size=3, verbose=0)
    expected = to_numpy(model(x))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(loaded(x)), expected)
    clone = keras.models.clone_model(loaded)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(to_numpy(clone(x)), expected)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        model.export(tmp_path / "exported", verbose=False)
        served = tf.saved_model.load(tmp_path / "exported")
        np.testing.assert_allclose(served.serve(x[:2]), expected[:2], rtol=1e-4, atol=1e-6)


def test_it_counts_its_operations():
    conv = MixtureOfExperts(layers.Conv1D(3, 2), num_experts=4, k=2)
    conv.build((None, 5, 6))
    # Router 6 x 4 once, two experts of kernel 2 x 6 x 3 at 4 positions.
    assert conv.flops_per_example((None, 5, 6)) == 2 * (6 * 4 + 2 * 4 * 36)
    assert conv.total_params() == 6 * 4 + 4 * 39
    assert conv.active_params() == 6 * 4 + 2 * 39
    attention = MixtureOfExperts(layers.MultiHeadAttention(2, 3), num_experts=4, k=1)
    attention.build((None, 5, 6))
    products = 4 * 6 * 6 * 5 + 2 * 5 * 5 * 6
    assert attention.flops_per_example((None, 5, 6)) == 2 * (6 * 4 + products)
    unknown = MixtureOfExperts(layers.GRU(3), num_experts=4)
    unknown.build((None, 5, 6))
    assert unknown.flops_per_example((None, 5, 6)) is None


@keras.saving.register_keras_serializable(package="tests")
class AddsLoss(keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(3)

    def call(self, inputs):
        self.add_loss(ops.sum(inputs))
        return self.dense(inputs)


@keras.saving.register_keras_serializable(package="tests")
class HasMetric(keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.mean = keras.metrics.Mean()

    def call(self, inputs):
        return inputs


class Plus(keras.layers.Layer):
    """Something that is done to the output of a Dense, or raised."""

    def __init__(self, change, **kwargs):
        super().__init__(**kwargs)
        self.change, self.dense = change, layers.Dense(3)

    def call(self, inputs):
        return self.change(self.dense(inputs))

    def get_config(self):
        return {**super().get_config(), "change": self.change}


class OfTwo(keras.layers.Layer):
    def call(self, one, other):
        return one + other


class WithoutConfig(keras.layers.Layer):
    def __init__(self, units):
        super().__init__()
        self.dense = layers.Dense(units)

    def call(self, inputs):
        return self.dense(inputs)


def raises(outputs):
    raise RuntimeError("Boom, said the layer.\nAnd more.")


def of_seven():
    a = keras.Input((7,))
    return keras.Model(a, layers.Dense(2)(a))


def two_inputs():
    a, b = keras.Input((6,)), keras.Input((6,))
    return keras.Model([a, b], a + b)


def two_outputs():
    a = keras.Input((6,))
    return keras.Model(a, [layers.Dense(2)(a), layers.Dense(3)(a)])


def built():
    layer = layers.Conv1D(2, 2)
    layer.build((None, 4, 6))
    return layer


REFUSED = {
    "BatchNormalization": (
        lambda: keras.Sequential([layers.Dense(3), layers.BatchNormalization()]),
        "LayerNormalization",
    ),
    "stateful": (lambda: layers.LSTM(3, stateful=True), "stateful=True"),
    "activity regularizer": (
        lambda: layers.Conv1D(3, 2, activity_regularizer="l2"),
        "activity_regularizer",
    ),
    "adds a loss": (AddsLoss, "adds a loss"),
    "no weights": (lambda: layers.Dropout(0.5), r"'\w+' \(Dropout\) has no weights: all experts"),
    "nothing but shapes": (
        lambda: keras.Sequential([layers.Reshape((2, 3)), layers.Flatten()]),
        "has no weights",
    ),
    "ids": (lambda: layers.Embedding(5, 4), r"An Embedding reads ids.*: use it before the mixture"),
    "tokens become sequences": (
        lambda: keras.Sequential([layers.Dense(6), layers.Reshape((3, 2))]),
        r"turns \(None, 6\) into \(None, 3, 2\). Let a Sequential with a Flatten",
    ),
    "Normalization": (layers.Normalization, "Normalise the inputs before the mixture.$"),
    "a state of its own": (
        lambda: layers.SpectralNormalization(layers.Dense(3)),
        "keeps a state.*would not describe any batch.$",
    ),
    "recurrent on tokens": (
        lambda: layers.LSTM(3),
        r"\(LSTM\) needs whole examples, such as \[B, T, D\]. Received inputs of shape \(None, 6\)",
    ),
    "attention on tokens": (
        lambda: layers.MultiHeadAttention(2, 3),
        r"\(MultiHeadAttention\) needs whole examples",
    ),
    "einsum on tokens": (
        lambda: layers.EinsumDense("abc,cd->abd", (None, 3)),
        r"\(EinsumDense\) needs whole examples",
    ),
    "states as outputs": (lambda: layers.LSTM(3, return_state=True), "returns 3"),
    "Python code": (
        lambda: keras.Sequential([layers.Dense(3), layers.Lambda(lambda x: 2 * x)]),
        r"\(Lambda\) cannot be copied for each expert: it holds Python code",
    ),
    "a list of inputs": (layers.Add, r"\(Add\) cannot be called on one input.*list of inputs"),
    "two arguments": (OfTwo, r"\(OfTwo\) cannot be called on one input.*'other'"),
    "no layers": (keras.Sequential, "has no layers"),
    "another width": (of_seven, r"shape=\(None, 7\), found shape=\(None, 6\).$"),
    "no config": (
        lambda: WithoutConfig(3),
        r"\(WithoutConfig\) cannot be made from its config again.*'trainable'. Write its",
    ),
    "raises": (lambda: Plus(raises), r"shape \(None, 6\): Boom, said the layer.$"),
    # On PyTorch Keras itself stumbles over it.
    "returns nothing": (lambda: Plus(lambda y: None), "returns nothing|no attribute 'shape'"),
    "sums": (lambda: Plus(lambda y: ops.sum(y, axis=-1)), r"turns \(None, 6\) into \(None,\)"),
    "twice as many rows": (
        lambda: Plus(lambda y: ops.concatenate([y, y])),
        "turns 7 rows into 14",
    ),
    "some of the rows": (lambda: Plus(lambda y: y[:2]), "rows into 2|into \\(2, 3\\)"),
    "has a metric": (HasMetric, "metrics"),
    "two inputs": (two_inputs, "one input"),
    "two outputs": (two_outputs, "one output"),
    "built": (built, "built already"),
    "channels first": (lambda: layers.Conv1D(3, 2, data_format="channels_first"), "channels_last"),
    "a class": (lambda: layers.Dense, "expert bank"),
    "a router": (lambda: TopKRouter(), "expert bank"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    make, message = REFUSED[name]
    examples = ("activity regularizer", "built", "channels first", "stateful", "states as outputs")
    shape = (2, 4, 6) if name in examples else (2, 6)
    with pytest.raises(ValueError, match=message):
        template = make()
        layer = MixtureOfExperts(template, num_experts=2)
        layer(np.ones(shape, "float32"), training=True)


def test_more_refusals():
    with pytest.raises(ValueError, match="dtype policy of their template"):
        LayerExperts(layers.Conv1D(3, 2), 4, dtype="mixed_bfloat16")
    with pytest.raises(ValueError, match="route_by"):
        LayerExperts(layers.Conv1D(3, 2), 4, route_by="row")
    with pytest.raises(ValueError, match="num_experts"):
        MixtureOfExperts(layers.Conv1D(3, 2))
    for make in (ExpertEnsemble, lambda bank: MultiGateMixtureOfExperts(bank, {"a": "dense"})):
        with pytest.raises(ValueError, match="whole examples"):
            make(LayerExperts(layers.Conv1D(3, 2), 4))
    with pytest.raises(ValueError, match="output shape"):
        layer = MixtureOfExperts(layers.Conv1D(3, 2), num_experts=4, shared_expert=layers.Dense(3))
        layer.build((None, 5, 6))
    with pytest.raises(ValueError, match="rank 2, 3, 4 or 5"):
        MixtureOfExperts(layers.Conv1D(3, 2), num_experts=4).build((None,))
    bank = LayerExperts(layers.Conv1D(3, 2), 4)
    bank.build((None, 5, 6))
    with pytest.raises(NotImplementedError, match="cannot be quantized"):
        bank.quantize("int8")


def test_what_is_built_when_it_is_made_may_be_a_part():
    """Layers without weights are: that is no reason to refuse them."""
    template = keras.Sequential([layers.Activation("tanh"), layers.Dense(3), layers.Dropout(0.5)])
    assert template.layers[0].built and template.layers[2].built
    layer = MixtureOfExperts(template, num_experts=2)
    assert tuple(layer(np.ones((4, 6), "float32"), training=True).shape) == (4, 3)


def test_a_dense_template_is_still_a_bank_of_matmuls():
    assert isinstance(MixtureOfExperts(layers.Dense(3), num_experts=2).experts, DenseExperts)
