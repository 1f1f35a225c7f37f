"""The width of a dense model, by which a dense twin is fitted to a cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparse_keras.schema import ModelSection


def hidden_width(model: ModelSection) -> int | None:
    """Returns the width of a model's dense hidden layers, of the first if they differ.

    Args:
        model: The section of the model. One without `hidden_dim` and `hidden_dims` gives None.
    """
    widths = getattr(model, "hidden_dims", None)
    return widths[0] if widths else getattr(model, "hidden_dim", None)
