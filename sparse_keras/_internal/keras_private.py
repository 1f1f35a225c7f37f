"""Every private name of Keras that this package needs.

A name that starts with an underscore, or lives in `keras.src`, may move with any release of Keras.
So the package uses such names in this file only; `tests/_internal/test_keras_private.py` finds
others, and has a test for each function here that says what breaks when its name moves. Prefer a
public name where there is one. Written for Keras 3.15.
"""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import keras
from keras.src.backend import (
    get_keras_mask,
    get_stateless_scope,
    in_symbolic_scope,
    set_keras_mask,
)
from keras.src.models.functional import Functional

# Calls.


def mask_of(tensor: Any) -> Any:
    """Returns the mask that Keras attached to a tensor, or `None`.

    `tensor._keras_mask` is not enough: on JAX, where a tensor takes no attributes, Keras keeps the
    masks elsewhere.
    """
    return get_keras_mask(tensor)


def set_mask(tensor: Any, mask: Any) -> None:
    """Attaches a mask to a tensor.

    Keras attaches what `compute_mask` returns, but on JAX not to the outputs of a model that trains
    or is evaluated, of which it runs `call` alone.
    """
    set_keras_mask(tensor, mask)


def infers_shapes() -> bool:
    """Whether Keras calls layers only to learn the shapes of their outputs."""
    return in_symbolic_scope()


def training_of_call(layer: keras.layers.Layer) -> bool | None:
    """Returns the `training` of the call that runs, for a layer whose `call` does not take it."""
    return layer._get_call_context().get_value("training")


def is_first_call_of_step(layer: keras.layers.Layer) -> bool:
    """Whether this is the layer's first call within the outermost call of a model or layer.

    A layer that a model calls several times in one step counts that step once. Outside of a model,
    every call of the layer is a step. Ask only once in a call: the answer is remembered.
    """
    # Keras makes one object for each outermost call, and drops it afterwards. On JAX, a training
    # step is one stateless scope instead. A compiled function runs this while it is traced, which
    # is right: there, a call is part of the step.
    context = get_stateless_scope() or layer._get_call_context()
    counted = context.__dict__.setdefault("_sparse_keras_counted", [])
    if any(other is layer for other in counted):
        return False
    counted.append(layer)
    return True


# What a layer holds.


def sublayers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Returns the layers that a layer holds itself, in the order in which it got them."""
    return list(layer._layers)


def all_layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Returns a layer and the layers inside it, however deep.

    The order of nested layers is not that in which they were made.
    """
    return list(layer._flatten_layers(include_self=True, recursive=True))


def layers_in_order(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Returns a layer and the layers inside it, however deep, in the order in which they were made.

    A layer comes before those inside it.
    """
    found, waiting = {}, [layer]
    while waiting:
        one = waiting.pop()
        if id(one) not in found:
            found[id(one)] = one
            waiting.extend(reversed(sublayers(one)))
    return list(found.values())


@contextlib.contextmanager
def unlocked(layer: keras.layers.Layer) -> Iterator[None]:
    """Lets a layer that is built already get weights and sublayers inside a `with` block."""
    locked = layer._tracker.locked
    layer._tracker.unlock()
    try:
        yield
    finally:
        if locked:
            layer._tracker.lock()


def replace_sublayer(layer: keras.layers.Layer, name: str, new: keras.layers.Layer) -> None:
    """Puts another layer in the place of an attribute of a layer that is built already."""
    with unlocked(layer):
        old = getattr(layer, name)
        position = next(n for n, one in enumerate(layer._layers) if one is old)
        del layer._layers[position]
        setattr(layer, name, new)


def track_variable(layer: keras.layers.Layer, variable: keras.Variable) -> None:
    """Makes a variable one of a layer that is built already, which Keras forbids otherwise."""
    with unlocked(layer):
        layer._track_variable(variable)


def untrack_variable(layer: keras.layers.Layer, variable: keras.Variable) -> None:
    """Makes a variable no longer one of a layer."""
    layer._untrack_variable(variable)


@contextlib.contextmanager
def hidden_variables(layer: keras.layers.Layer, variables: list[keras.Variable]) -> Iterator[None]:
    """Hides variables from a layer inside a `with` block."""
    lists = layer._trainable_variables, layer._non_trainable_variables
    before = [list(tracked) for tracked in lists]
    for tracked, all_of_them in zip(lists, before, strict=True):
        if any(v is hidden for v in all_of_them for hidden in variables):
            tracked[:] = [v for v in all_of_them if not any(v is hidden for hidden in variables)]
    try:
        yield
    finally:
        for tracked, all_of_them in zip(lists, before, strict=True):
            if len(tracked) != len(all_of_them):
                tracked[:] = all_of_them


def own_weights(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Returns the weights of a layer without those of its sublayers."""
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def own_trainable(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Returns the weights of a layer, without those of its sublayers, that were made to be trained.

    Unlike `trainable_weights`, it has those that were frozen since.
    """
    return list(layer._trainable_variables)


def own_state(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Returns the weights of a layer that were made with `trainable=False`, such as moving means.

    Unlike `non_trainable_weights`, it leaves out the weights of sublayers, and those that
    `layer.trainable = False` froze.
    """
    return list(layer._non_trainable_variables)


def own_metrics(layer: keras.layers.Layer) -> list[keras.metrics.Metric]:
    """Returns the metrics that are attributes of a layer."""
    return list(layer._metrics)


def set_loss_list(layer: keras.layers.Layer, losses: Any) -> None:
    """Replaces the list in which a layer keeps what its `add_loss` gets.

    Args:
        layer: The layer.
        losses: What stands in for the list. Keras extends, copies (`losses[:]`) and clears it.
    """
    layer._losses = losses


def own_seed_generators(layer: keras.layers.Layer) -> list[keras.random.SeedGenerator]:
    """Returns the seed generators that are attributes of a layer."""
    return list(layer._seed_generators)


# Functional models as graphs. Their nodes are the calls of layers and operations: objects with
# `operation`, `arguments`, `input_tensors` and `output_tensors`.


def is_functional(layer: Any) -> bool:
    """Returns whether a layer is a Functional model, or of a subclass that is built as one."""
    return isinstance(layer, Functional)


def calls_of(operation: Any) -> list[Any]:
    """Returns all symbolic calls of a layer or operation, in any model."""
    return list(getattr(operation, "_inbound_nodes", ()))


def calls_in(model: keras.Model) -> list[Any]:
    """Returns the symbolic calls that a Functional or Sequential model consists of."""
    functional = getattr(model, "_functional", None) or model
    return [call for calls in functional._nodes_by_depth.values() for call in calls]


def call_that_made(tensor: Any) -> Any:
    """Returns the symbolic call that a `KerasTensor` comes from; `None` if no layer made it."""
    history = getattr(tensor, "_keras_history", None)
    if history is None:
        return None
    return history.operation._inbound_nodes[history.node_index]


# Training.

# The attributes in which a model keeps what it compiled; the last one is KerasHub's.
COMPILED_FUNCTIONS = ("train_function", "test_function", "predict_function", "generate_function")


def forget_compiled(model: keras.Model) -> None:
    """Forgets what Keras and KerasHub have compiled of a model, whose layers have changed."""
    for name in COMPILED_FUNCTIONS:
        if getattr(model, name, None) is not None:
            setattr(model, name, None)


def merge_lora(layer: keras.layers.Layer) -> None:
    """Adds the update of LoRA to the kernel of a layer of Keras, and removes its matrices.

    Args:
        layer: A built `Dense`, `EinsumDense` or `Embedding` with LoRA.
    """
    kind = "embeddings" if isinstance(layer, keras.layers.Embedding) else "kernel"
    variable = getattr(layer, f"_{kind}")
    matrices = [getattr(layer, f"lora_{kind}_{half}") for half in "ab"]
    if layer.quantization_mode is None:
        a, b = map(keras.ops.convert_to_numpy, matrices)
        update = layer.lora_alpha / layer.lora_rank * (a @ b)
        variable.assign(variable + keras.ops.cast(update, variable.dtype))
    else:  # Quantized again.
        value, *more = getattr(layer, f"_get_{kind}_with_merged_lora")()
        for name, new in zip(("scale", "zero"), more, strict=False):
            if new is not None:
                getattr(layer, f"{kind}_{name}").assign(new)
        variable.assign(value)
    for half, matrix in zip("ab", matrices, strict=True):
        layer._untrack_variable(matrix)
        setattr(layer, f"lora_{kind}_{half}", None)
    layer.lora_enabled = False
    layer.lora_rank = layer.lora_alpha = None
    variable.trainable = layer.trainable and layer.quantization_mode is None


def set_quantized(layer: keras.layers.Layer, policy: str) -> None:
    """Gives the dtype policy of a quantized layer to a layer whose weights are quantized already.

    Args:
        layer: The layer.
        policy: Name of the policy, such as `"int8_from_float32"`.
    """
    layer._is_quantized = True  # Else the layer would quantize itself when it gets the policy.
    layer.dtype_policy = keras.dtype_policies.get(policy)


def mark_quantized(layer: keras.layers.Layer) -> None:
    """Tells Keras that a layer made its weights as its quantized dtype policy says."""
    layer._is_quantized = True


def compile_loss(model: keras.Model) -> Any:
    """Returns the object by which a compiled model computes its loss."""
    return model._compile_loss


def set_compile_loss(model: keras.Model, loss: Any) -> None:
    """Replaces the object by which a compiled model computes its loss.

    Args:
        model: A compiled model.
        loss: What stands in for Keras's `CompileLoss`. `fit` logs and resets its `metrics`, and
            asks whether it is `built`. It is called by the model's own `compute_loss`.
    """
    model._compile_loss = loss


def track_loss(model: keras.Model, value: Any, sample_weight: Any) -> None:
    """Adds the loss of a batch to the mean that `fit` logs as `loss`."""
    model._loss_tracker.update_state(value, sample_weight=sample_weight)


# Optimizers. `Optimizer.apply` clips gradients, calls these two methods, and then does what comes
# after the update: constraints, and moving averages of weights.

APPLY_WEIGHT_DECAY = "_apply_weight_decay"  # (variables)
UPDATE_ALL = "_backend_update_step"  # (gradients, variables, learning_rate)


class MovingAveragesOfInner:
    """Mixin of an optimizer that wraps another: it has the moving averages of `inner_optimizer`.

    `keras.callbacks.SwapEMAWeights` swaps the weights of a model with these.
    """

    @property
    def _model_variables_moving_average(self):
        return self.inner_optimizer._model_variables_moving_average


# Exports.

# The modules of Keras that trace a model, and the `format` of `Model.export` that each one writes.
# LiteRT and OpenVINO go through an ExportArchive, so that the first one above it on the stack says
# less than the others.
_EXPORTERS = {
    "keras.src.export.onnx": "onnx",
    "keras.src.export.litert": "litert",
    "keras.src.export.openvino": "openvino",
    "keras.src.export.torch": "torch",
}
_ARCHIVE = "keras.src.export.saved_model_export_archive"


def export_format() -> str | None:
    """Returns the format of the export that called this, as `Model.export` names it.

    Keras does not say that it traces a model for an export, so this looks for Keras's exporters
    among the callers. Ask only while a function is traced: it takes microseconds.

    Returns:
        `"onnx"`, `"litert"`, `"openvino"`, `"torch"` or `"tf_saved_model"`; `None` if the caller is
        not part of an export. A `keras.export.ExportArchive` writes `"tf_saved_model"`.
    """
    archive = None
    frame = sys._getframe()
    while frame is not None:
        module = frame.f_globals.get("__name__")
        if module in _EXPORTERS:
            return _EXPORTERS[module]
        if module == _ARCHIVE:
            archive = "tf_saved_model"
        frame = frame.f_back
    return archive
