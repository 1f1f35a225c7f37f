"""What a language model takes: ids of tokens, and what says which of them belong together."""

from typing import Any, NamedTuple

from keras import ops

from sparse_keras._internal.suggest import did_you_mean
from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.masks import all_of
from sparse_keras.layers.validation import integer_tensor

_KEYS = ("token_ids", "segment_ids", "mask")


class TokenInputs(NamedTuple):
    """The inputs of a language model.

    Args:
        token_ids: Int `[B, T]`.
        segment_ids: Int `[B, T]`, or `None`.
        mask: Bool `[B, T]`, False for padding, or `None`.
    """

    token_ids: Tensor
    segment_ids: Tensor
    mask: Tensor

    @property
    def positions(self) -> Tensor:
        """The number of earlier tokens of the same document, padding left out: int `[B, T]`.

        `None` if that is 0, 1, 2, ... in all rows.
        """
        if self.segment_ids is None:
            if self.mask is None:
                return None
            return positions_of(self.mask)
        order = ops.arange(ops.shape(self.token_ids)[1], dtype="int32")
        counts = ops.logical_and(
            self.segment_ids[:, :, None] == self.segment_ids[:, None, :],
            order[None, :, None] > order[None, None, :],
        )
        if self.mask is not None:
            counts = ops.logical_and(counts, self.mask[:, None, :])
        return ops.sum(ops.cast(counts, "int32"), axis=-1)


def unpacked(inputs: Any, mask: Any, padding_id: int | None) -> TokenInputs:
    """Returns the parts of what a model was called with.

    Args:
        inputs: Int `[B, T]`, or a dict of `"token_ids"` and optional `"segment_ids"`, `"mask"`.
        mask: Optional bool `[B, T]` beside it.
        padding_id: The id of padding, or `None`.

    Raises:
        ValueError: If a key is unknown or missing, or if ids are no integers.
    """
    segment_ids = None
    masks = [] if mask is None or isinstance(mask, dict) else [mask]  # Keras fills in a dict.
    if isinstance(inputs, dict):
        unknown = sorted(set(inputs) - set(_KEYS))
        if unknown or "token_ids" not in inputs:
            hint = did_you_mean(unknown[0], _KEYS) if unknown else ""
            raise ValueError(
                "The inputs of a language model are token ids, or a dict with 'token_ids' and "
                f"optionally 'segment_ids' and 'mask'.{hint} Received: keys {sorted(inputs)}."
            )
        segment_ids = inputs.get("segment_ids")
        if inputs.get("mask") is not None:
            masks += [inputs["mask"]]
        inputs = inputs["token_ids"]
    token_ids = ops.cast(integer_tensor("token_ids", inputs), "int32")
    integer_tensor("segment_ids", segment_ids)
    if padding_id is not None:
        masks += [token_ids != padding_id]
    combined = all_of(ops.cast(one, "bool") for one in masks)
    return TokenInputs(token_ids, segment_ids, combined)


def positions_of(mask: Tensor) -> Tensor:
    """Returns the number of earlier tokens that are no padding, int `[B, T]`."""
    return ops.maximum(ops.cumsum(ops.cast(mask, "int32"), axis=1) - 1, 0)
