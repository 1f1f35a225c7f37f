"""What models of texts take: ids of tokens, and what says which of them belong together."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from keras import ops

from sparse_keras._internal.suggest import did_you_mean
from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.masks import all_of
from sparse_keras.layers.validation import integer_tensor

# Of a language model, in which several documents may be in one row; and of an encoder.
DECODER_KEYS = ("token_ids", "segment_ids", "mask")
ENCODER_KEYS = ("token_ids", "token_type_ids", "mask")


class TokenInputs(NamedTuple):
    """The inputs of a model of texts.

    Args:
        token_ids: Int `[B, T]`.
        segment_ids: Int `[B, T]`, or `None`.
        mask: Bool `[B, T]`, False for padding, or `None`.
        token_type_ids: Int `[B, T]`, or `None`.
    """

    token_ids: Tensor
    segment_ids: Tensor
    mask: Tensor
    token_type_ids: Tensor

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


def unpacked(
    inputs: Any, mask: Any, padding_id: int | None, keys: Sequence[str] = DECODER_KEYS
) -> TokenInputs:
    """Returns the parts of what a model was called with.

    Args:
        inputs: Int `[B, T]`, or a dict of `"token_ids"` and optional others.
        mask: Optional bool `[B, T]` beside it.
        padding_id: The id of padding, or `None`.
        keys: The keys that such a dict may have, `"token_ids"` first.

    Raises:
        ValueError: If a key is unknown or missing, or if ids are no integers or not `[B, T]`.
    """
    given: dict[str, Any] = {}
    masks = [] if mask is None or isinstance(mask, dict) else [mask]  # Keras fills in a dict.
    if isinstance(inputs, dict):
        unknown = sorted(set(inputs) - set(keys))
        if unknown or inputs.get("token_ids") is None:
            hint = did_you_mean(unknown[0], keys) if unknown else ""
            kind = "a language model" if keys is DECODER_KEYS else "an encoder"
            first, second = keys[1:]
            raise ValueError(
                f"The inputs of {kind} are token ids, or a dict with 'token_ids' and optionally "
                f"{first!r} and {second!r}.{hint} Received: keys {sorted(inputs)}."
            )
        given = {key: value for key, value in inputs.items() if value is not None}
        masks += [given["mask"]] if "mask" in given else []
        inputs = given["token_ids"]
    token_ids = ops.cast(integer_tensor("token_ids", inputs), "int32")
    if len(token_ids.shape) != 2:
        raise ValueError(
            "Token ids are [B, T], a row for each text. Received: an array of the shape "
            f"{tuple(token_ids.shape)}."
        )
    segment_ids, types = given.get("segment_ids"), given.get("token_type_ids")
    integer_tensor("segment_ids", segment_ids)
    integer_tensor("token_type_ids", types)
    if padding_id is not None:
        masks += [token_ids != padding_id]
    combined = all_of(ops.cast(one, "bool") for one in masks)
    return TokenInputs(token_ids, segment_ids, combined, types)


def positions_of(mask: Tensor) -> Tensor:
    """Returns the number of earlier tokens that are no padding, int `[B, T]`."""
    return ops.maximum(ops.cumsum(ops.cast(mask, "int32"), axis=1) - 1, 0)
