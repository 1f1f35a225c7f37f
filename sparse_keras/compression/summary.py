"""Shrinking: experts, parameters and bytes of a model before and after."""

from __future__ import annotations

import dataclasses
import math

import keras

from sparse_keras.models.cost import total_params


@dataclasses.dataclass(frozen=True)
class MixtureChange:
    """What became of one mixture.

    Args:
        path: Its path.
        before: Number of experts before.
        after: Number of experts after; 0 for a dense layer.
        experts: What each expert, or the dense layer, is made from: lists of numbers of experts.
        assignments: The share of the assignments that went to these experts.
    """

    path: str
    before: int
    after: int
    experts: list[list[int]]
    assignments: float


@dataclasses.dataclass(frozen=True)
class Shrinking:
    """What became of a model.

    Args:
        mixtures: A `MixtureChange` for each mixture.
        params: Parameters before and after, without statistics of the routing.
        bytes: Bytes of the weights before and after.

    Its representation is a table.
    """

    mixtures: list[MixtureChange]
    params: tuple[int, int]
    bytes: tuple[int, int]

    def __repr__(self) -> str:
        rows = [("", "before", "after", "")]
        for change in self.mixtures:
            note = f"{change.assignments:.1%} of the assignments"
            after = str(change.after) if change.after else "dense"
            rows.append((f"experts of {change.path}", str(change.before), after, note))
        for name, (before, after) in (("parameters", self.params), ("bytes", self.bytes)):
            rows.append((name, f"{before:,}", f"{after:,}", f"{after / before - 1:+.1%}"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            f"{name:<{widths[0]}}  {before:>{widths[1]}}  {after:>{widths[2]}}  {note}".rstrip()
            for name, before, after, note in rows
        )


def shrinking(old: keras.Model, new: keras.Model, changes: list[MixtureChange]) -> Shrinking:
    """Compares a model with what it was."""
    return Shrinking(
        changes,
        params=(total_params(old), total_params(new)),
        bytes=(weight_bytes(old), weight_bytes(new)),
    )


def weight_bytes(model: keras.Model) -> int:
    """The bytes of the weights of a model."""
    return sum(
        math.prod(weight.shape) * _size(keras.backend.standardize_dtype(weight.dtype))
        for weight in model.weights
    )


def _size(dtype: str) -> int:
    """Bytes of a number."""
    bits = "".join(character for character in dtype.partition("_")[0] if character.isdigit())
    return max(int(bits or 8) // 8, 1)  # "bool" has none.
