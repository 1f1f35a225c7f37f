"""Warns of mixtures in causal models whose routing depends on later tokens."""

import warnings
from typing import Any

import keras

from sparse_keras._internal import keras_private
from sparse_keras.layers.mixtures.routing_warnings import RoutingWarning

# Layers of KerasHub that are always causal.
_ALWAYS_CAUSAL = ("TransformerDecoder", "CachedMultiHeadAttention")


def causal_layers(layers: list[Any]) -> list[Any]:
    """Returns the layers that are recognized as causal, layers inside layers included.

    A layer is recognized by `use_causal_mask=True` where it is called in a functional model, by
    `padding="causal"`, by an attribute `causal` that is True, or as one of KerasHub's decoders. A
    causal mask inside the `call` of a layer is not recognized.
    """
    causal = {}
    for layer in layers:
        inner = [layer]
        if isinstance(layer, keras.layers.Layer):
            inner = keras_private.all_layers(layer)
        causal |= {id(part): part for part in inner if _is_causal(part)}
    return list(causal.values())


def _is_causal(layer: Any) -> bool:
    return (
        any(
            call.arguments.kwargs.get("use_causal_mask") is True
            for call in keras_private.calls_of(layer)
        )
        or getattr(layer, "padding", None) == "causal"
        or getattr(layer, "causal", None) is True
        or type(layer).__name__ in _ALWAYS_CAUSAL
    )


def warn_of_leak(mixture: Any, layers: list[Any], stacklevel: int = 2) -> None:
    """Warns, once for each mixture, if it mixes tokens of a sequence and a layer is causal."""
    if not mixture.sees_other_tokens or getattr(mixture, "_warned_of_leak", False):
        return
    causal = causal_layers(layers)
    if causal:
        mixture._warned_of_leak = True
        remedy = "Use a router that looks at one token at a time, such as TopKRouter"
        if not any(router.sees_other_tokens for router in mixture.gates.values()):
            remedy = "Experts that are full drop tokens because of others. Have no capacity factor"
        when, elsewhere = "", "Generation has no later tokens, and gives other results"
        if mixture.predicts_alone:
            when = " in training"
            elsewhere = "Validation and generation route each token by itself, and are worse"
        warnings.warn(
            f"The routing of {mixture.name!r} depends on all tokens of a sequence{when}, and "
            f"{causal[0].name!r} is causal: the model sees the future. What a token gets"
            f"{when} depends on later tokens, so that the loss looks better than it is. "
            f"{elsewhere}. {remedy}.",
            RoutingWarning,
            stacklevel=stacklevel + 1,
        )


def layers_before(tensor: keras.KerasTensor) -> list[Any]:
    """Lists the operations of a functional model that a symbolic tensor depends on."""
    operations, left = {}, [tensor]
    while left:
        call = keras_private.call_that_made(left.pop())
        if call is None or id(call.operation) in operations:
            continue
        operations[id(call.operation)] = call.operation
        calls = keras_private.calls_of(call.operation)
        left += [tensor for call in calls for tensor in call.input_tensors]
    return list(operations.values())
