"""TextInputs: what a model has to know of the texts that it reads."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparse_keras.data.text.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True)
class TextInputs:
    """The inputs of a model of texts: token ids, as a `Tokenizer` makes them.

    Args:
        vocabulary_size: V, the number of tokens.
        length: Number of tokens of the longest text in training.
        tokenizer: Optional `Tokenizer` that made the token ids.
        added: How many of `length` are no tokens of the text, but begin or end each text.
    """

    vocabulary_size: int
    length: int
    tokenizer: Tokenizer | None = None
    added: int = 0
