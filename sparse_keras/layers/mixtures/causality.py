"""Finds causal layers around a mixture whose routing depends on later tokens, and warns of that."""

import warnings

import keras

from sparse_keras._internal import keras_private
from sparse_keras.layers.mixtures.routing_warnings import RoutingWarning

# Layers of KerasHub that are causal without being told so.
_ALWAYS_CAUSAL = ("TransformerDecoder", "CachedMultiHeadAttention")


def causal_layers(layers):
    """Those layers, and layers inside them, that are seen to be causal.

    Seen are `use_causal_mask=True` where a layer is called in a functional model,
    `padding="causal"`, an attribute `causal` that is True, and KerasHub's decoders. What a layer
    does inside its own `call` is not seen.
    """
    found = {}
    for layer in layers:
        inner = [layer]
        if isinstance(layer, keras.layers.Layer):
            inner = keras_private.all_layers(layer)
        found |= {id(one): one for one in inner if _is_causal(one)}
    return list(found.values())


def _is_causal(layer):
    return (
        any(
            call.arguments.kwargs.get("use_causal_mask") is True
            for call in keras_private.calls_of(layer)
        )
        or getattr(layer, "padding", None) == "causal"
        or getattr(layer, "causal", None) is True
        or type(layer).__name__ in _ALWAYS_CAUSAL
    )


def warn_of_leak(mixture, layers, stacklevel=2):
    """Warns once of a mixture that mixes tokens of a sequence, if any of the layers is causal."""
    if not mixture.sees_other_tokens or getattr(mixture, "_warned_of_leak", False):
        return
    causal = causal_layers(layers)
    if causal:
        mixture._warned_of_leak = True
        when, elsewhere = "", "Generation, which has no later tokens, does something else"
        if mixture.predicts_alone:
            when = " in training"
            elsewhere = "Validation and generation route each token by itself, and are worse"
        warnings.warn(
            f"The routing of {mixture.name!r} depends on all tokens of a sequence{when}, and "
            f"{causal[0].name!r} is causal: the model sees the future. What a token gets in "
            "training depends on later tokens, so that the loss looks better than it is. "
            f"{elsewhere}. Use a router that looks at one token at a time, such as TopKRouter.",
            RoutingWarning,
            stacklevel=stacklevel + 1,
        )


def layers_before(tensor):
    """All operations of a functional model that a symbolic tensor was made by."""
    found, left = {}, [tensor]
    while left:
        call = keras_private.call_that_made(left.pop())
        if call is None or id(call.operation) in found:
            continue
        found[id(call.operation)] = call.operation
        calls = keras_private.calls_of(call.operation)
        left += [tensor for call in calls for tensor in call.input_tensors]
    return list(found.values())
