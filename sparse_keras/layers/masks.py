"""Calls of layers of which some take a mask."""

import inspect
from typing import Any

import keras


def call_with_mask(layer: keras.layers.Layer, inputs: Any, mask: Any, **arguments: Any) -> Any:
    """Calls a layer with these arguments, and with the mask if it takes one."""
    takes_mask = "mask" in inspect.signature(layer.call).parameters
    return layer(inputs, **({"mask": mask} if takes_mask else {}), **arguments)
