"""Which layers can be the template of experts, and which need whole examples."""

import re
from typing import Any

import keras

from sparse_keras._internal import keras_private

SELF_ATTENTION = (keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention)
# Layers that need whole examples although their `input_spec` does not say so. (Tokens are flat, so
# that a Flatten would do nothing to them.)
_OF_EXAMPLES = (
    *SELF_ATTENTION,
    keras.layers.RNN,
    keras.layers.Bidirectional,
    keras.layers.TimeDistributed,
    keras.layers.Flatten,
)


def check_template(layer: Any) -> None:
    """Raises a ValueError if a layer, as its user made it, cannot be a template."""
    if not isinstance(layer, keras.layers.Layer):
        raise ValueError(f"A template must be a Keras layer. Received: {layer!r}.")
    # Layers without weights may be built when they are made.
    if layer.built and layer.weights and not isinstance(layer, keras.Model):
        raise ValueError(
            f"The template {layer.name!r} is built already; every expert starts from weights of "
            "its own. Pass a new layer."
        )
    inputs = getattr(layer, "inputs", None) or ()
    if len(inputs) > 1:
        raise ValueError(f"An expert has one input. The template {layer.name!r} has {len(inputs)}.")
    for part in keras_private.all_layers(layer):
        name = describe(part)
        if getattr(part, "activity_regularizer", None) is not None:
            raise ValueError(
                f"The template's layer {name} has an `activity_regularizer`, which would count "
                "padding rows. Regularize the output of the layer around the experts instead."
            )
        if getattr(part, "lora_rank", None) or part.dtype_policy.quantization_mode is not None:
            raise ValueError(
                f"The template's layer {name} is quantized or has a `lora_rank`. Experts made from "
                "a template have neither."
            )
        if getattr(part, "stateful", False):
            raise ValueError(
                f"The template's layer {name} has stateful=True: it continues from the batch "
                "before. An expert gets other examples in each batch."
            )
        if getattr(part, "data_format", None) == "channels_first":
            raise ValueError(
                f"The template's layer {name} has its channels first. A mixture routes by the last "
                "axis: use data_format='channels_last'."
            )


def check_state(layer: keras.layers.Layer) -> None:
    """Raises a ValueError if a built layer has state besides its weights, or metrics."""
    for part in keras_private.all_layers(layer):
        name = describe(part)
        if state := keras_private.own_state(part):
            weights = ", ".join(weight.name for weight in state)
            raise ValueError(
                f"The template's layer {name} keeps a state from call to call ({weights}). An "
                "expert gets the few rows that the router sends it, in blocks with padding rows, "
                f"so that its state would not describe any batch.{_instead_of(part)}"
            )
        if keras_private.own_metrics(part):
            raise ValueError(
                f"The template's layer {name} has metrics. An expert cannot have any: put them "
                "into the layer around the experts."
            )


def _instead_of(layer: keras.layers.Layer) -> str:
    """Returns what to use in place of a layer that keeps a state, as a further sentence."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return " Use LayerNormalization or GroupNormalization in its place."
    if isinstance(layer, keras.layers.Normalization):
        return " Normalise the inputs before the mixture."
    return ""


def needs_examples(layer: keras.layers.Layer) -> bool:
    """Returns whether a layer needs whole examples, as convolutions and attention do."""
    if isinstance(layer, _OF_EXAMPLES):
        return True
    if isinstance(layer, keras.layers.EinsumDense):
        inputs = layer.equation.partition(",")[0]
        return "..." not in inputs and len(inputs.strip()) > 2
    if isinstance(layer, keras.Model):
        if getattr(layer, "inputs", None):  # A Functional model, or one whose input is known.
            return len(layer.inputs[0].shape) > 2
        return bool(layer.layers) and needs_examples(layer.layers[0])
    specs = [spec for spec in keras.tree.flatten(layer.input_spec) if spec is not None]
    return any(max(spec.ndim or 0, spec.min_ndim or 0) > 2 for spec in specs)


def describe(layer: keras.layers.Layer) -> str:
    """Returns a layer's name and class, for a sentence."""
    return f"{layer.name!r} ({type(layer).__name__})"


def reason_of(error: Exception) -> str:
    """Returns the message of a layer's error, in one line, without what Keras adds to it."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    for before in ("Exception encountered when calling ", "Arguments received by "):
        head, separator, rest = text.partition(before)
        if separator:
            text = rest.partition("\n")[2] if not head.strip() else head
    for before in ("Error encountered:", "Exception encountered:"):
        text = text.rpartition(before)[2]
    line = text.strip().partition("\n")[0].strip() or type(error).__name__
    return line if line.endswith((".", "!", "?")) else f"{line}."
