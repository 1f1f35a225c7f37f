"""check_plain_weights: for functions that read the weights of layers and nothing else of them."""

from __future__ import annotations

from typing import Any

from sparse_keras._internal import keras_private
from sparse_keras._internal.suggest import listing


def check_plain_weights(model: Any, function: str) -> None:
    """Checks that a model computes with the weights of its layers as they are.

    Args:
        model: The model.
        function: Name of the function that reads the weights.

    Raises:
        ValueError: If layers have LoRA, whose updates would be lost, or are quantized, whose
            integers would be read as values.
    """
    layers = keras_private.all_layers(model)
    if tuned := [layer.name for layer in layers if getattr(layer, "lora_enabled", False)]:
        raise ValueError(
            f"`{function}` reads the weights of layers, to which the updates of LoRA in "
            f"{listing(tuned, 4)} are not added. Call `sparse_keras.merge_lora(model)` before."
        )
    if found := [layer.name for layer in layers if getattr(layer, "quantization_mode", None)]:
        raise ValueError(
            f"`{function}` reads the weights of layers, and those of {listing(found, 4)} are "
            f"quantized. Call `{function}` first, and `quantize` its result."
        )
