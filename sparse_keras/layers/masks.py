"""Masks: passed to layers of which some take one, and combined."""

import inspect
from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from sparse_keras._internal.typing import Tensor


def call_with_mask(layer: keras.layers.Layer, inputs: Any, mask: Any, **arguments: Any) -> Any:
    """Calls a layer with these arguments, and with the mask if it takes one."""
    takes_mask = "mask" in inspect.signature(layer.call).parameters
    return layer(inputs, **({"mask": mask} if takes_mask else {}), **arguments)


def all_of(masks: Iterable[Tensor]) -> Tensor:
    """Returns where all of some bool tensors are True; `None` if there are none."""
    combined = None
    for mask in masks:
        combined = mask if combined is None else ops.logical_and(combined, mask)
    return combined
