"""The width of a dense model, by which a dense twin is fitted to a cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparse_keras.schema import ModelSection


def twin_has_widths(model: ModelSection) -> bool:
    """Returns whether a dense twin can have several widths, one of which is fitted to a cost.

    That of an upcycled model is the dense model that its experts start from, whose width is given.

    Args:
        model: The section of a model that has a dense twin.
    """
    return model.dense_twin(1) != model.dense_twin(2)


def hidden_width(model: ModelSection) -> int | None:
    """Returns the width of a model's dense hidden layers, of the first if they differ.

    Args:
        model: The section of the model. One without `hidden_dim` and `hidden_dims` gives None.
    """
    widths = getattr(model, "hidden_dims", None)
    return widths[0] if widths else getattr(model, "hidden_dim", None)
