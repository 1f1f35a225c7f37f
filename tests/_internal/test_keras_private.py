"""Private names of Keras: what breaks when one of them moves.

The docstring of each test says what would go wrong in this package. If one fails with a new release
of Keras, mend `sparse_keras/_internal/keras_private.py`.
"""

import ast
import inspect
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

import sparse_keras
from sparse_keras._internal import keras_private

PACKAGE = Path(sparse_keras.__file__).parent


@pytest.fixture(scope="module")
def model():
    """Two calls of a shared layer, and one of a nested model with dropout."""
    inputs = keras.Input((3,), name="inputs")
    shared = keras.layers.Dense(3, name="shared")
    inner = keras.Sequential(
        [keras.layers.Dense(2), keras.layers.Dropout(0.1, seed=5), keras.layers.Dense(1)],
        name="inner",
    )
    model = keras.Model(inputs, inner(shared(shared(inputs))))
    model.compile("sgd", "mse")
    return model


def test_mask_of():
    """`MixtureOfExperts` would route padding where `token_ids` are given."""
    ids = np.array([[4, 0]])
    embedded = keras.layers.Embedding(5, 2, mask_zero=True)(ids)
    assert ops.convert_to_numpy(keras_private.mask_of(embedded)).tolist() == [[True, False]]
    assert keras_private.mask_of(ops.ones((1, 2))) is None


def test_set_mask():
    """On JAX, padding would count in the loss of a language model."""
    tensor, mask = ops.ones((1, 2, 3)), ops.convert_to_tensor([[True, False]])
    keras_private.set_mask(tensor, mask)
    assert ops.convert_to_numpy(keras_private.mask_of(tensor)).tolist() == [[True, False]]


def test_set_loss_list():
    """With several replicas, the logged loss would count auxiliary losses more than once."""

    class Losses:
        def __init__(self):
            self.values, self.used = [], set()

        def extend(self, losses):
            self.used.add("extend")
            self.values.extend(losses)

        def clear(self):
            self.used.add("clear")
            self.values.clear()

        def __getitem__(self, place):
            self.used.add("copy")
            return self.values[place]

    losses = Losses()

    class Adding(keras.layers.Layer):
        def call(self, inputs):
            self.add_loss(ops.sum(inputs))
            return inputs

    layer = Adding()
    keras_private.set_loss_list(layer, losses)
    model = keras.Sequential([layer])
    for _ in range(2):  # The second call clears the loss of the first.
        model(np.ones((1, 3), "float32"))
    assert [float(value) for value in model.losses] == [3.0]
    assert losses.used == {"extend", "clear", "copy"}


def test_infers_shapes():
    """Routing hooks, such as those of `inspect`, would be shown tensors without values."""
    seen = []

    class Asking(keras.layers.Layer):
        def call(self, inputs):
            seen.append(keras_private.infers_shapes())
            return inputs

    layer = Asking()
    layer(keras.Input((2,)))
    layer(np.ones((1, 2), "float32"))
    assert seen == [True, False]


def test_is_first_call_of_step():
    """The warm-up of `DSelectKRouter` would count a layer twice that a model calls twice."""
    answers = []

    class Asking(keras.layers.Layer):
        def call(self, inputs):
            answers.append(keras_private.is_first_call_of_step(self))
            return inputs

    class CallsTwice(keras.Model):
        def __init__(self):
            super().__init__()
            self.asking = Asking()

        def call(self, inputs):
            return self.asking(self.asking(inputs))

    x = np.ones((1, 2), "float32")
    model = CallsTwice()
    model(x)  # Built, which takes a call of its own.
    answers.clear()
    model(x)
    model(x)
    assert answers == [True, False, True, False]
    answers.clear()
    layer = Asking()
    layer(x)
    layer(x)
    assert answers == [True, True]
    answers.clear()
    model.stateless_call([], [], x)  # On JAX, a training step is one stateless scope.
    assert answers == [True, False]


def test_sublayers(model):
    """`layers.mixtures.mixture.mixtures` would miss mixtures, or name them in another order."""
    inner = model.get_layer("inner")
    names = [layer.name for layer in keras_private.sublayers(inner) if layer in inner.layers]
    assert names == [layer.name for layer in inner.layers]


def test_all_layers(model):
    """Templates of experts and costs would not look into nested layers."""
    layers = keras_private.all_layers(model)
    inner = model.get_layer("inner")
    assert all(layer in layers for layer in (model, inner, *model.layers, *inner.layers))


def test_layers_in_order(model):
    """`upcycle` would count the feed-forward layers of a model in another order."""
    names = [layer.name for layer in keras_private.layers_in_order(model)]
    assert names.index("inputs") < names.index("shared") < names.index("inner")
    dense = [name for name in names[names.index("inner") :] if name.startswith("dense")]
    assert dense == [layer.name for layer in model.get_layer("inner").layers[::2]]


def test_replace_sublayer():
    """`upcycle` could not put mixtures into the blocks of KerasHub, or would keep both."""

    class Block(keras.layers.Layer):
        def build(self, input_shape):
            self.dense = keras.layers.Dense(2)
            self.dense.build(input_shape)

        def call(self, inputs):
            return self.dense(inputs)

    block = Block()
    block.build((None, 3))
    new = keras.layers.Dense(4, use_bias=False)
    new.build((None, 3))
    keras_private.replace_sublayer(block, "dense", new)
    assert block(np.ones((1, 3))).shape == (1, 4)
    assert [weight.shape for weight in block.weights] == [(3, 4)]
    with pytest.raises(ValueError, match="cannot add new elements"):
        block.other = keras.layers.Dense(2)


def test_variables_of_a_layer_that_is_built():
    """`ExpertLoad` could not count what a sparsified block of KerasHub routes."""
    layer, variable = keras.layers.Dense(2), keras.Variable(np.zeros(3), trainable=False)
    layer.build((None, 1))
    with pytest.raises(ValueError, match="cannot add new elements"):
        layer.more = variable
    keras_private.track_variable(layer, variable)
    assert len(layer.weights) == 3 and layer.weights[2] is variable
    with keras_private.hidden_variables(layer, [variable]):
        assert len(layer.weights) == 2
    assert layer.weights[2] is variable
    with pytest.raises(ValueError, match="cannot add new elements"):
        layer.more = keras.Variable(np.zeros(3))
    keras_private.untrack_variable(layer, variable)
    assert len(layer.weights) == 2


def test_training_of_call():
    """Sparsified blocks of GPT-OSS and Gemma 4 would not count, nor balance, in training."""

    class Layer(keras.layers.Layer):
        def call(self, inputs):
            seen.append(keras_private.training_of_call(self))
            return inputs

    seen = []
    model = keras.Sequential([keras.Input((1,)), Layer()])
    seen.clear()  # The call that made the model.
    for training in (True, False, None):
        model(np.ones((1, 1)), training=training)
    assert seen == [True, False, None]


def test_compiled_functions():
    """`sparsify` and `routing.record` would run what was compiled before."""
    model = keras.Sequential([keras.layers.Dense(1)])
    *of_keras, _ = keras_private.COMPILED_FUNCTIONS
    assert all(getattr(model, name) is None for name in of_keras)


def test_own_weights_and_state():
    """Templates of experts would get other names of weights, or keep a state unseen."""
    normalization = keras.layers.BatchNormalization()
    wrapper = keras.layers.TimeDistributed(normalization)
    wrapper.build((None, 2, 3))
    normalization.trainable = False
    names = [weight.name for weight in keras_private.own_weights(normalization)]
    assert names == ["gamma", "beta", "moving_mean", "moving_variance"]
    names = [weight.name for weight in keras_private.own_state(normalization)]
    assert names == ["moving_mean", "moving_variance"]
    assert keras_private.own_weights(wrapper) == keras_private.own_state(wrapper) == []


def test_own_metrics():
    """A template of experts with metrics would be taken, and its metrics would never be right."""

    class Measuring(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.mean = keras.metrics.Mean()

    layer = Measuring()
    assert keras_private.own_metrics(layer) == [layer.mean]
    assert keras_private.own_metrics(keras.layers.Dense(1)) == []


def test_own_seed_generators(model):
    """Experts made from a template with dropout would all drop the same units."""
    dropout = model.get_layer("inner").layers[1]
    (generator,) = keras_private.own_seed_generators(dropout)
    assert generator is dropout.seed_generator and generator.get_config()["seed"] == 5
    assert keras_private.own_seed_generators(model) == []


def test_is_functional(model):
    """`upcycle` would find no `Dense` in Functional models."""
    assert keras_private.is_functional(model)
    assert not keras_private.is_functional(model.get_layer("shared"))


def test_calls(model):
    """Costs would count a shared layer once, and causal layers before a mixture go unseen."""
    shared = model.get_layer("shared")
    first, second = keras_private.calls_of(shared)
    assert first.input_tensors[0] is model.inputs[0]
    assert second.input_tensors[0] is first.output_tensors[0]
    assert first.arguments.args and not first.arguments.kwargs
    assert keras_private.calls_of(object()) == []

    other = keras.Model(model.inputs, first.output_tensors[0])
    in_model = {id(call) for call in keras_private.calls_in(model) if call.operation is shared}
    in_other = {id(call) for call in keras_private.calls_in(other) if call.operation is shared}
    assert in_model == {id(first), id(second)} and in_other == {id(first)}
    inner = model.get_layer("inner")  # A Sequential keeps its graph elsewhere.
    assert {call.operation for call in keras_private.calls_in(inner)} >= {*inner.layers}


def test_call_that_made(model):
    """GradNorm would not find the last shared layer, nor a mixture the causal layers before it."""
    shared, inner = model.get_layer("shared"), model.get_layer("inner")
    call = keras_private.call_that_made(model.outputs[0])
    assert call.operation is inner
    call = keras_private.call_that_made(call.input_tensors[0])
    assert call is keras_private.calls_of(shared)[1]
    assert keras_private.call_that_made(ops.ones(2)) is None


def test_compile_loss():
    """Models of several targets would not log each task's loss."""

    class Loss:
        built = True

        def __init__(self):
            self.mean = keras.metrics.Mean(name="own")
            self.metrics = [self.mean]

    class Model(keras.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            loss = keras_private.compile_loss(self)
            loss.mean.update_state(7.0)
            return ops.mean(y_pred)

    model = Model([keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    loss = Loss()
    keras_private.set_compile_loss(model, loss)
    assert keras_private.compile_loss(model) is loss
    logs = model.train_on_batch(np.ones((2, 3)), np.ones((2, 1)), return_dict=True)
    assert logs["own"] == 7.0


def test_track_loss():
    """A step of GradNorm would log no loss."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    keras_private.track_loss(model, 1.0, 1)
    keras_private.track_loss(model, 4.0, 2)
    assert float(model.get_metrics_result()["loss"]) == 3.0


def test_update_methods():
    """`FusedOptimizer` would not compile the update, or leave out weight decay."""
    optimizer = keras.optimizers.SGD(1.0, weight_decay=0.5, clipnorm=1.0)
    weight = keras.Variable([1.0, 1.0])
    optimizer.build([weight])
    called = []
    for name in (keras_private.APPLY_WEIGHT_DECAY, keras_private.UPDATE_ALL):
        method = getattr(optimizer, name)

        def recorded(*args, name=name, method=method):
            called.append((name, args))
            method(*args)

        setattr(optimizer, name, recorded)
    optimizer.apply([ops.convert_to_tensor([3.0, 4.0])], [weight])
    (decay, (variables,)), (update, (grads, _, _)) = called
    assert (decay, update) == (keras_private.APPLY_WEIGHT_DECAY, keras_private.UPDATE_ALL)
    assert variables == [weight]
    np.testing.assert_allclose(ops.convert_to_numpy(grads[0]), [0.6, 0.8], rtol=1e-6)
    # 1 - 0.5 * 1 - 1 * clipped gradient
    np.testing.assert_allclose(ops.convert_to_numpy(weight), [-0.1, -0.3], rtol=1e-5)


def test_moving_averages_of_inner():
    """`keras.callbacks.SwapEMAWeights` would refuse a `FusedOptimizer`."""

    class Wrapper(keras_private.MovingAveragesOfInner):
        inner_optimizer = keras.optimizers.SGD(use_ema=True)

    callback = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    Wrapper.inner_optimizer.build(model.trainable_variables)
    averages = Wrapper()._model_variables_moving_average
    assert [average.shape for average in averages] == [(1, 1), (1,)]
    source = inspect.getsource(type(callback))
    assert "_model_variables_moving_average" in source


@keras.saving.register_keras_serializable(package="tests")
class Asks(keras.layers.Layer):
    answers = []

    def call(self, inputs):
        self.answers.append(keras_private.export_format())
        return inputs

    def compute_output_shape(self, input_shape):
        return input_shape


@pytest.fixture
def asking_model():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, Asks()(inputs))
    Asks.answers.clear()
    model.predict(np.ones((1, 2)), verbose=0)
    assert set(Asks.answers) == {None}
    Asks.answers.clear()
    return model


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("format", "file", "needed"),
    [
        ("tf_saved_model", "model", "tensorflow"),
        ("onnx", "model.onnx", "tf2onnx"),
        ("litert", "model.tflite", "tensorflow"),
        ("openvino", "model.xml", "openvino"),
    ],
)
# tf2onnx asks NumPy for a name that it no longer has.
@pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")
def test_export_format(asking_model, format, file, needed, tmp_path):
    """Without it, mixtures are exported with operations that only TensorFlow has."""
    pytest.importorskip(needed)
    asking_model.export(str(tmp_path / file), format=format, verbose=False)
    assert set(Asks.answers) == {format}


@pytest.mark.tensorflow
def test_export_format_of_an_archive(asking_model, tmp_path):
    archive = keras.export.ExportArchive()
    archive.track(asking_model)
    archive.add_endpoint(
        "serve", asking_model.call, [keras.InputSpec(shape=(None, 2), dtype="float32")]
    )
    archive.write_out(str(tmp_path / "model"), verbose=False)
    assert set(Asks.answers) == {"tf_saved_model"}
    assert keras_private.export_format() is None


def test_no_other_file_uses_a_private_name_of_keras(model):
    """Where this fails: use a public name, or move the access to `_internal/keras_private.py`."""
    examples = (
        *(model, *model.layers, model.get_layer("inner")),
        *(model.optimizer, model.inputs[0], keras.Variable(1.0), keras.random.SeedGenerator(1)),
        *(keras.metrics.Mean(), keras.callbacks.Callback(), keras_private.calls_in(model)[0]),
    )
    private = {name for example in examples for name in dir(example) if _is_private(name)}
    assert {"_layers", "_inbound_nodes", "_compile_loss", "_keras_history"} < private
    used = [
        f"{path.relative_to(PACKAGE)}:{line}: {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        # The schema may not import Keras. (Its configs have a `_name`, as Keras's layers.)
        if path.name != "keras_private.py" and path.parts[len(PACKAGE.parts)] != "schema"
        for line, name in _names_of_others(ast.parse(path.read_text("utf-8")))
        if name in private or name.startswith("keras.src")
    ]
    assert not used, "\n".join(used)


def test_no_class_overrides_a_private_name_of_keras():
    """An attribute of ours with the name of one of Keras's would change what Keras does."""
    layers = [getattr(sparse_keras.layers, name) for name in sparse_keras.layers.__all__]
    for cls in (*layers, sparse_keras.optimizers.FusedOptimizer):
        own = [part for part in cls.__mro__ if part.__module__.startswith("sparse_keras.")]
        theirs = {
            name
            for part in cls.__mro__
            if part.__module__.startswith("keras.")
            for name in vars(part)
            if _is_private(name)
        }
        for part in own:
            if part is not keras_private.MovingAveragesOfInner:
                assert not theirs & {*vars(part)}, part


def _is_private(name):
    return name.startswith("_") and not name.startswith("__")


def _names_of_others(tree):
    """Modules and attributes that a file uses, without what it defines itself."""
    defined, used = set(), []
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                defined.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                defined.add(name)
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                defined.add(name)
            case ast.ImportFrom(module=str(name)) | ast.alias(name=name):
                used.append((node.lineno, name))
        match node:
            case ast.Attribute(attr=name) | ast.keyword(arg=name):
                used.append((node.lineno, name))
            case ast.Call(func=ast.Name(id="getattr" | "hasattr" | "setattr"), args=arguments):
                names = (part.value for part in arguments if isinstance(part, ast.Constant))
                used += [(node.lineno, name) for name in names if isinstance(name, str)]
    return [(line, name) for line, name in used if name and name not in defined]


def test_own_trainable_and_unlocked():
    """Freezing would miss weights that are frozen already; LoRA could add none to a built layer."""
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    layer.trainable = False
    assert keras_private.own_trainable(layer) == [layer.kernel, layer.bias]
    with keras_private.unlocked(layer):
        layer.extra = layer.add_weight(name="extra", shape=())
    assert keras_private.own_weights(layer)[-1] is layer.extra
    with pytest.raises(ValueError, match="cannot add new elements"):
        layer.more = layer.add_weight(name="more", shape=())


def test_hidden_variables():
    """Files of layers with LoRA would hold its matrices among the numbered weights."""
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    with keras_private.hidden_variables(layer, [layer.kernel]):
        assert keras_private.own_weights(layer) == [layer.bias]
    assert keras_private.own_weights(layer) == [layer.kernel, layer.bias]


@pytest.mark.parametrize("mode", [None, "int8", "int4"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.layers.Dense(4),
        lambda: keras.layers.EinsumDense("ab,bcd->acd", (2, 4)),
        lambda: keras.layers.Embedding(6, 4),
    ],
    ids=["Dense", "EinsumDense", "Embedding"],
)
def test_merge_lora(make, mode):
    """`sparse_keras.merge_lora` would fail on Keras's own layers."""
    layer = make()
    ids = isinstance(layer, keras.layers.Embedding)
    x = np.array([1, 4]) if ids else np.random.default_rng(0).normal(size=(3, 6))
    layer(x)
    if mode is not None:
        layer.quantize(mode)
    layer.enable_lora(2)
    half = layer.lora_embeddings_b if ids else layer.lora_kernel_b
    half.assign(np.random.default_rng(1).normal(size=half.shape))
    tuned = ops.convert_to_numpy(layer(x))
    keras_private.merge_lora(layer)
    assert not layer.lora_enabled
    assert not any("lora" in v.name for v in layer.weights)
    scale = np.abs(tuned).max()
    tolerance = {None: 1e-5, "int8": 0.03, "int4": 0.3}[mode]
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(x)) / scale, tuned / scale, atol=tolerance
    )


def test_quantized_policies():
    """Expert banks would quantize their integers once more when they get the policy."""
    layer = keras.layers.Layer()
    layer.build((None, 3))
    keras_private.set_quantized(layer, "int8_from_float32")
    assert layer.quantization_mode == "int8"
    other = keras.layers.Layer(dtype="int8_from_float32")
    other.build((None, 3))
    keras_private.mark_quantized(other)
    with pytest.raises(ValueError, match="already quantized"):
        other.quantize("int8")
