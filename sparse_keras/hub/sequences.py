"""What a decoder layer of KerasHub knows and its mixture block does not: which tokens are padding.

KerasHub's blocks get no mask, or one that takes padding for tokens (a query of padding may attend
to earlier tokens). So the decoder around a sparse block says which of its tokens are padding, while
it runs.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import functools
import inspect
from collections.abc import Iterator
from typing import Any

from keras import ops

from sparse_keras._internal import keras_private


@dataclasses.dataclass(frozen=True)
class Sequences:
    """The sequences that a block computes.

    Args:
        count: Their number, the size of the batch.
        mask: Bool `[N]`, False for padding, in the order of the flattened tokens; or `None`.
        training: Whether the call is part of training.
    """

    count: Any
    mask: Any = None
    training: bool | None = None


_CURRENT: contextvars.ContextVar[Sequences | None] = contextvars.ContextVar(
    "sequences", default=None
)


def current_sequences() -> Sequences | None:
    """Returns the sequences of the decoder layer that is running, or `None` outside of one."""
    return _CURRENT.get()


@contextlib.contextmanager
def running(sequences: Sequences | None) -> Iterator[None]:
    """Says which sequences are computed inside a `with` block."""
    token = _CURRENT.set(sequences)
    try:
        yield
    finally:
        _CURRENT.reset(token)


class SparseDecoder:
    """Mixed into a decoder layer of KerasHub: tells the block inside which tokens are padding."""

    padding_argument = "decoder_padding_mask"

    def connect(self) -> None:
        """Shows the block what it needs of the decoder; `sparsify` calls it."""

    def call(self, *args, **kwargs):
        given = _signature_of_call(type(self).dense_class).bind(self, *args, **kwargs).arguments
        _, inputs, *_ = given.values()
        mask = given.get(self.padding_argument)
        # With a cache, the mask may be that of all tokens so far.
        if mask is not None and tuple(mask.shape) == tuple(inputs.shape[:2]):
            mask = ops.cast(ops.reshape(mask, (-1,)), "bool")
        else:
            mask = None
        training = keras_private.training_of_call(self)
        with running(Sequences(ops.shape(inputs)[0], mask, training)):
            return super().call(*args, **kwargs)


class SparseGemma4Decoder(SparseDecoder):
    padding_argument = "padding_mask"

    def connect(self):
        self.moe_expert_bank.set_router(self.moe_router)


@functools.cache
def _signature_of_call(cls):
    return inspect.signature(cls.call)
