"""LanguagePreprocessor: texts to the inputs of a language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from sparse_keras.data.preprocessor import Preprocessor
from sparse_keras.data.text.raw_texts import as_texts, is_texts, padded
from sparse_keras.data.text.tokenizer import Tokenizer
from sparse_keras.tasks.next_token import IGNORED, NextToken


@keras.saving.register_keras_serializable(package="sparse_keras")
class LanguagePreprocessor(Preprocessor):
    """Encodes texts for a language model, with its `Tokenizer`.

    A text becomes the ids that begin each text, and the ids of its tokens. Texts of a batch are
    padded on the right, and `"mask"` says where.

    Args:
        tokenizer: The `Tokenizer`.
        context_length: Number of tokens of the longest text that the model reads.
        begin_ids: The ids before each text. `None`: the id that separates documents, by which the
            models of this library learn where a text begins. Published models often have none.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        context_length: int,
        begin_ids: Sequence[int] | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.context_length = context_length
        self.begin_ids = [tokenizer.end_id] if begin_ids is None else list(begin_ids)

    @property
    def task(self) -> NextToken:
        return next_token_of(self.tokenizer)

    def is_raw(self, x: Any) -> bool:
        return is_texts(x)

    def encode(self, x: Any) -> dict[str, np.ndarray]:
        """Encodes texts.

        Args:
            x: A string, or a list, an array or a Series of strings.

        Returns:
            Dict with `"token_ids"`, int32 `[N, T]`, and `"mask"`, bool `[N, T]`.

        Raises:
            ValueError: If a text is no string, or longer than the context.
        """
        return self._padded(as_texts(x))

    def encode_examples(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Encodes texts with their labels, the next tokens; the last is that which ends a text."""
        if y is not None:
            raise ValueError(
                "The labels of a language model are the next tokens of its texts. Leave `y` out."
            )
        inputs = self._padded(as_texts(x))
        tokens, mask = inputs["token_ids"], inputs["mask"]
        labels = np.full_like(tokens, self.tokenizer.end_id)
        labels[:, :-1] = np.where(mask[:, 1:], tokens[:, 1:], self.tokenizer.end_id)
        labels[~mask] = IGNORED
        return inputs, labels, sample_weight

    def prompt(self, text: str) -> list[int]:
        """Returns the token ids from which a text is continued: those of `encode`.

        An empty text without ids at its beginning is continued from the id that separates
        documents.
        """
        row = [*self.begin_ids, *self.tokenizer.encode(text)]
        return row or [self.tokenizer.end_id]

    def _padded(self, texts):
        rows = [[*self.begin_ids, *ids] for ids in self.tokenizer.encode_batch(texts)]
        for number, row in enumerate(rows):
            if len(row) > self.context_length:
                raise ValueError(
                    f"The model reads texts of up to {self.context_length} tokens, ids at their "
                    f"beginning included. Received: one of {len(row)} tokens at index {number}. "
                    "Cut it into parts."
                )
        return padded(rows)

    def get_config(self) -> dict[str, Any]:
        return {
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
            "context_length": self.context_length,
            "begin_ids": self.begin_ids,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LanguagePreprocessor:
        tokenizer = keras.saving.deserialize_keras_object(config["tokenizer"])
        return cls(tokenizer, config["context_length"], config.get("begin_ids"))


def next_token_of(tokenizer: Tokenizer) -> NextToken:
    """Returns the task of a language model with a tokenizer."""
    return NextToken(
        vocabulary_size=tokenizer.vocabulary_size,
        token_bytes=tuple(map(len, tokenizer.token_bytes)),
    )
