"""TextInputs: what a model has to know of the texts that it reads."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class TextInputs:
    """The inputs of a model of texts: token ids, as a `Tokenizer` makes them.

    Args:
        vocabulary_size: V, the number of tokens.
        length: Number of tokens of the longest text in training.
    """

    vocabulary_size: int
    length: int
