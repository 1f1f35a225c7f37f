"""The layer contract: what a Keras user expects of every layer, one small check for each item.

`run_layer_contract` runs all checks, or those named in `only`. Each check gets a `Subject` and
makes its own layers, so that none depends on another. A layer that does not take one tensor and
return one is wrapped for the checks that need a model; the rest look at the layer itself.

Tests run it over (subject, check) pairs, so that a failure names the item that failed:

    @pytest.mark.parametrize("check", CHECKS)
    def test_my_layer(check):
        run_layer_contract(lambda **kwargs: MyLayer(3, **kwargs), (10, 6), only=[check])
"""

import dataclasses
import inspect
import json
import math
import re
import tempfile
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from sparse_keras.layers.mixtures.gated_layer import gated_layers
from tests.support.gradients import layer_gradients, to_numpy

# Weights that stay float32 under every dtype policy: routing must not depend on rounding.
FLOAT32_WEIGHTS = re.compile("router_|gate_logits|statistics|seed_generator")
CHECKS = {}


def run_layer_contract(make_layer, input_shape, only=None, **options):
    """Checks that a layer is what Keras users expect.

    Args:
        make_layer: Makes a new layer; takes the keyword arguments of `keras.layers.Layer`.
        input_shape: Shape of a batch of examples, `(batch, width)`.
        only: Names of the checks to run. `None` means all.
        **options: See `Subject`.
    """
    subject = Subject(make_layer, input_shape, **options)
    for name in CHECKS if only is None else only:
        CHECKS[name](subject)


@dataclasses.dataclass(frozen=True)
class Subject:
    """A layer under test.

    Args:
        make_layer: Makes a new layer.
        input_shape: `(batch, width)`.
        wrap: Turns it into a layer with one tensor in and one out.
        ranks: Ranks of input it takes.
        passes_mask: Whether it passes masks on.
        random: Whether training draws random numbers. XLA draws other ones than TensorFlow, so
            that compiled training cannot agree with eager training.
        constant: Whether nothing is random, initial weights included.
        independent: Whether an example's output does not depend on the others of its batch.
        weightless: Whether it has no weights, and outputs that do not depend on its inputs.
        losses: The most losses it may add: one for each time that it is wrapped to be called.
    """

    make_layer: Callable
    input_shape: tuple
    wrap: Callable = lambda layer: layer
    ranks: tuple = (2, 3, 4)
    passes_mask: bool = False
    random: bool = False
    constant: bool = False
    weightless: bool = False
    losses: int = 1
    independent: bool = True

    def make(self, **kwargs):
        return self.wrap(self.make_layer(**kwargs))

    def inputs(self, rank=2, batch=None, seed=0):
        batch = batch or self.input_shape[0]
        shape = (batch, *range(2, rank), self.input_shape[-1])
        return np.random.default_rng([seed, rank]).normal(size=shape).astype("float32")

    def model(self, rank=2, layer=None, **compile_arguments):
        """A model of this layer alone, with data to fit.

        It runs eagerly unless told otherwise, which saves tracing; two checks are about graphs.
        """
        compile_arguments = compile_arguments or {"run_eagerly": True}
        x = self.inputs(rank)
        model = keras.Sequential([keras.Input(x.shape[1:]), layer or self.make()])
        model.compile(keras.optimizers.SGD(0.1), "mse", **compile_arguments)
        y = np.random.default_rng(1).normal(size=(len(x), *model.output_shape[1:]))
        return model, x, y.astype("float32")


def item(function):
    """Registers a check under its name."""
    CHECKS[function.__name__] = function
    return function


def losses_of_fit(subject, batch_size=4, **compile_arguments):
    """Losses of two epochs whose last batch is partial; and the model."""
    keras.utils.set_random_seed(1)
    model, x, y = subject.model(**compile_arguments)
    history = model.fit(x, y, batch_size=batch_size, epochs=2, shuffle=False, verbose=0)
    return history.history["loss"], model


def regularizers(layer):
    """How many weights are regularized: the only losses there are outside training."""
    return sum(weight.regularizer is not None for weight in layer.trainable_weights)


def snapshot(weights):
    return [np.array(ops.convert_to_numpy(w)) for w in weights]


def assert_same(before, after):
    assert len(before) == len(after)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


@item
def is_registered(subject):
    cls = type(subject.make_layer())
    assert keras.saving.get_registered_name(cls) == f"sparse_keras>{cls.__name__}"


@item
def config_round_trip(subject):
    layer = subject.make_layer()
    config = layer.get_config()
    again = type(layer).from_config(json.loads(json.dumps(config)))
    assert json.dumps(again.get_config()) == json.dumps(config)
    for cls in type(layer).__mro__:
        if cls.__module__.startswith("keras."):
            break  # What Keras's own layers leave out is not ours.
        if "__init__" not in vars(cls):
            continue
        for name, parameter in inspect.signature(cls.__init__).parameters.items():
            if name != "self" and parameter.kind is not inspect.Parameter.VAR_KEYWORD:
                assert name in config, f"`{name}` is missing from get_config()"
                assert hasattr(layer, name), f"`{name}` is not an attribute"


@item
def layer_arguments(subject):
    layer = subject.make_layer(name="chosen", trainable=False, dtype="float32")
    assert (layer.name, layer.trainable, layer.dtype_policy.name) == ("chosen", False, "float32")
    again = type(layer).from_config(layer.get_config())
    assert (again.name, again.trainable, again.dtype_policy.name) == ("chosen", False, "float32")
    try:
        subject.make_layer(no_such_argument=1)
    except (TypeError, ValueError) as error:
        assert "no_such_argument" in str(error)
    else:
        raise AssertionError("an unknown argument was swallowed")


@item
def build_makes_every_weight(subject):
    layer = subject.make()
    layer.build((None, subject.input_shape[-1]))
    assert all(sublayer.built for sublayer in layer._flatten_layers())
    paths = [w.path for w in layer.weights]
    assert bool(paths) != subject.weightless
    layer(subject.inputs(), training=True)
    assert [w.path for w in layer.weights] == paths


@item
def shapes_agree(subject):
    for rank in subject.ranks:
        for batch in (1, 3):
            x = subject.inputs(rank, batch)
            layer = subject.make()
            y = layer(x)
            assert tuple(layer.compute_output_shape(x.shape)) == tuple(y.shape)
            assert tuple(y.shape[:-1]) == x.shape[:-1]


@item
def symbolic_shapes(subject):
    for rank in subject.ranks:
        x = subject.inputs(rank)
        # Batch and time unknown, as for sentences of any length.
        inputs = keras.Input((None, *x.shape[2:]) if rank > 2 else x.shape[1:])
        outputs = subject.make()(inputs)
        assert tuple(outputs.shape[:-1]) == tuple(inputs.shape[:-1])
        model = keras.Model(inputs, outputs)
        for batch in (1, 5):
            x = subject.inputs(rank, batch)
            # `predict` traces a graph with unknown axes; one rank of it will do.
            traced = (rank, batch) == (subject.ranks[-1], 5)
            y = model.predict(x, verbose=0) if traced else model(x)
            assert tuple(y.shape) == (*x.shape[:-1], outputs.shape[-1])


@keras.saving.register_keras_serializable(package="tests")
class Subclassed(keras.Model):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, inputs, training=None):
        return self.layer(inputs, training=training)


@item
def composes(subject):
    x = subject.inputs()
    layer = subject.make()
    expected = to_numpy(layer(x))
    inputs = keras.Input(x.shape[1:])
    models = {
        "functional": keras.Model(inputs, layer(inputs)),
        "subclassed": Subclassed(layer),
        "nested": keras.Sequential([inputs, keras.Sequential([layer])]),
    }
    for name, model in models.items():
        found = to_numpy(model(x))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=name)


@item
def time_distributed(subject):
    layer = subject.make()
    model, x, y = subject.model(rank=3, layer=keras.layers.TimeDistributed(layer))
    found = to_numpy(model(x))
    for t in range(x.shape[1]):
        np.testing.assert_allclose(found[:, t], to_numpy(layer(x[:, t])), rtol=1e-5, atol=1e-6)
    history = model.fit(x, y, verbose=0, batch_size=5)
    assert np.isfinite(history.history["loss"]).all()


@item
def passes_mask(subject):
    if not subject.passes_mask:
        return
    assert subject.make_layer().supports_masking
    tokens = keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(9, subject.input_shape[-1], mask_zero=True)(tokens)
    outputs = subject.make()(embedded)
    averages = keras.layers.GlobalAveragePooling1D()(outputs)
    model = keras.Model(tokens, [outputs, averages])
    sentences = np.array([[3, 4, 0, 0], [5, 6, 7, 8]])
    every, average = model.predict(sentences, verbose=0)
    # The pooling leaves padding out only if the mask reached it.
    np.testing.assert_allclose(average[0], every[0, :2].mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(average[1], every[1].mean(0), rtol=1e-5, atol=1e-6)


@item
def inference_changes_nothing(subject):
    layer = subject.make()
    x = subject.inputs()
    first = to_numpy(layer(x, training=False))
    before = snapshot(layer.variables)
    np.testing.assert_array_equal(to_numpy(layer(x, training=False)), first)
    np.testing.assert_array_equal(to_numpy(layer(x)), first)
    assert_same(before, snapshot(layer.variables))
    assert len(layer.losses) == regularizers(layer)


@item
def losses_are_scalars(subject):
    keras.config.set_dtype_policy("mixed_bfloat16")
    layer = subject.make()
    counts = []
    for _ in range(2):
        layer(subject.inputs(), training=True)
        counts.append(len(layer.losses))
        for loss in layer.losses:
            assert tuple(loss.shape) == ()
            assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert counts[0] == counts[1] <= subject.losses, f"losses after each call: {counts}"
    assert not layer.metrics, "metrics in layers crash `fit` on JAX"


@item
def dtype_policies(subject):
    for policy in ("mixed_float16", "mixed_bfloat16", "bfloat16"):  # float32 is all else's.
        keras.config.set_dtype_policy(policy)
        layer = subject.make_layer()
        wrapped = subject.wrap(layer)
        model, x, y = subject.model(layer=wrapped)
        assert keras.backend.standardize_dtype(wrapped(x).dtype) == layer.compute_dtype, policy
        for weight in layer.weights:
            if keras.backend.is_int_dtype(weight.dtype):
                continue  # A table of indices.
            name = weight.path
            expected = "float32" if FLOAT32_WEIGHTS.search(name) else layer.variable_dtype
            assert weight.dtype == expected, f"{name} under {policy}"
        for _ in range(2):
            assert np.isfinite(model.train_on_batch(x, y)), policy


@item
def seed_reproduces(subject):
    def train():
        model, x, y = subject.model()
        model.train_on_batch(x, y)
        return snapshot(model.trainable_weights)

    keras.utils.set_random_seed(5)
    first = train()
    keras.utils.set_random_seed(5)
    assert_same(first, train())
    keras.utils.set_random_seed(6)
    if subject.constant:
        return
    different = train()
    assert any(np.any(a != b) for a, b in zip(first, different, strict=True))


@item
def saves_and_loads(subject):
    model, x, y = subject.model()
    model.train_on_batch(x, y)
    expected = to_numpy(model(x))
    with tempfile.TemporaryDirectory() as folder:
        model.save(f"{folder}/model.keras")
        loaded = keras.models.load_model(f"{folder}/model.keras")  # Safe mode, nothing registered.
        np.testing.assert_array_equal(to_numpy(loaded(x)), expected)
        assert_same(snapshot(model.weights), snapshot(loaded.weights))
        assert_same(snapshot(model.optimizer.variables), snapshot(loaded.optimizer.variables))
        assert np.isfinite(loaded.train_on_batch(x, y))

        model.save_weights(f"{folder}/model.weights.h5")
        fresh, _, _ = subject.model()
        fresh.load_weights(f"{folder}/model.weights.h5")
        np.testing.assert_array_equal(to_numpy(fresh(x)), expected)


@item
def clones(subject):
    model, x, _ = subject.model()
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(to_numpy(clone(x)), to_numpy(model(x)))


@item
def fits_and_evaluates(subject):
    jit_compile = keras.backend.backend() == "jax"  # Where it is slow to do without.
    losses, model = losses_of_fit(subject, jit_compile=jit_compile)
    expected, _ = losses_of_fit(subject, run_eagerly=True)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    x = subject.inputs()
    size = 4 if subject.independent else len(x)
    predicted = model.predict(x, batch_size=size, verbose=0)
    np.testing.assert_allclose(predicted, to_numpy(model(x)), rtol=1e-5, atol=1e-6)
    # No auxiliary loss counts here: what is left is the error alone, but for regularizers.
    regularization = sum(float(to_numpy(loss)) for loss in model.losses)
    assert bool(regularization) == bool(regularizers(model))
    assert abs(model.evaluate(x, predicted, batch_size=len(x), verbose=0) - regularization) < 1e-6


@item
def compiled_training_agrees(subject):
    if keras.backend.backend() == "torch":
        return  # torch.compile is another compiler with other limits.
    # XLA compiles each shape anew, for many seconds: one batch, of a size that the graph, like
    # that of every last batch, does not know.
    expected, _ = losses_of_fit(subject, batch_size=16, run_eagerly=True)
    found, model = losses_of_fit(subject, batch_size=16, jit_compile=True)
    assert model.jit_compile is True
    assert np.isfinite(found).all()
    if not subject.random:
        np.testing.assert_allclose(found, expected, rtol=1e-4)


@item
def summary_counts(subject):
    model, _, _ = subject.model()
    lines = []
    model.summary(print_fn=lambda text, **_: lines.append(text))
    assert model.layers[0].name[:12] in "\n".join(lines)
    assert model.count_params() == sum(math.prod(w.shape) for w in model.weights)


@item
def freezes(subject):
    layer = subject.make()
    model, x, y = subject.model(layer=layer)
    weights = layer.trainable_weights
    before = snapshot(weights)
    layer.trainable = False
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    model.fit(x, y, verbose=0)
    assert layer.trainable_weights == []
    assert_same(before, snapshot(weights))


@item
def weight_paths_are_stable(subject):
    def paths():
        layer = subject.make(name="same")
        layer.build((None, subject.input_shape[-1]))
        # Keras numbers unnamed layers over the whole process.
        return [re.sub(r"_\d+(?=/)", "", w.path) for w in layer.weights]

    assert paths() == paths()
    assert len(set(paths())) == len(paths())


@item
def docstring_is_complete(subject):
    text = type(subject.make_layer()).__doc__
    for section in ("Args:", "Call arguments:", "Example:", ">>>"):
        assert section in text, section  # tests/test_docstrings.py runs the examples.
    assert "Output shape:" in text or "Returns:" in text


@item
def gradients_reach_every_weight(subject):
    if subject.weightless:
        return
    layer = subject.make()
    x = subject.inputs(batch=40)
    layer.build(x.shape)
    if not layer.trainable_weights:
        return
    shape = layer.compute_output_shape(x.shape)
    upstream = np.random.default_rng(3).normal(size=shape).astype("float32")
    dx, found = layer_gradients(
        layer, x, lambda y: ops.sum(ops.multiply(y, upstream)), training=True
    )
    assert np.any(dx != 0)
    for name, gradient in found.items():
        assert gradient is not None, f"no gradient reaches {name}"
        assert np.isfinite(gradient).all() and np.any(gradient != 0), name


@item
def examples_are_independent(subject):
    if not subject.independent:
        return
    for rank in subject.ranks:
        x, layer = subject.inputs(rank), subject.make()
        together = to_numpy(layer(x))
        for i in (0, len(x) - 1):
            alone = to_numpy(layer(x[i : i + 1]))[0]
            np.testing.assert_allclose(together[i], alone, rtol=1e-5, atol=1e-6)


@item
def takes_no_rows(subject):
    """An empty batch, such as one of which a filter left nothing."""
    if keras.backend.backend() == "jax":
        return  # Indexing an empty tensor fails there.
    for rank in subject.ranks:
        x, layer = subject.inputs(rank)[:0], subject.make()
        layer.build((None, *x.shape[1:]))
        for training in (False, True):
            y = layer(x, training=training)
            assert tuple(y.shape) == tuple(layer.compute_output_shape(x.shape))
    values = []
    if not subject.weightless and layer.trainable_weights:
        dx, found = layer_gradients(layer, x, ops.sum, training=True)
        values += [dx, *(g for g in found.values() if g is not None)]
    values += [to_numpy(loss) for loss in layer.losses]
    values += [to_numpy(variable) for variable in layer.variables]
    assert all(np.isfinite(value).all() for value in values)
    for inner in gated_layers(layer):
        for _, _, summary in inner.recorded():
            assert summary["assigned"] == summary["dead"] == 0


@item
def graphs_take_no_rows(subject):
    """The same in a graph of unknown sizes, and compiled with XLA."""
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    x, layer = subject.inputs(subject.ranks[0]), subject.make()
    layer.build((None, *x.shape[1:]))
    variables = [variable.value for variable in layer.trainable_variables]
    signature = [tf.TensorSpec([None] * (x.ndim - 1) + [x.shape[-1]])]
    for jit_compile in (False, True):

        @tf.function(jit_compile=jit_compile, input_signature=signature)
        def step(x):
            with tf.GradientTape() as tape:
                y = layer(x, training=True)
                value = tf.reduce_sum(y) + sum(layer.losses)
            return y, value, tape.gradient(value, variables)

        for rows in (0, len(x)):
            y, value, gradients = step(x[:rows])
            assert tuple(y.shape) == tuple(layer.compute_output_shape((rows, *x.shape[1:])))
            found = [g for g in tf.nest.flatten(gradients) if g is not None]
            assert all(np.isfinite(to_numpy(tensor)).all() for tensor in (y, value, *found))
