"""CountedTokens: the token ids of texts, and how much of the texts a model does not read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparse_keras.data.text.text_preprocessor import TextPreprocessor


class CountedTokens:
    """Makes token ids of texts, part by part, and counts texts that are cut and unknown tokens.

    Args:
        preprocessor: The `TextPreprocessor`.
    """

    def __init__(self, preprocessor: TextPreprocessor) -> None:
        self._preprocessor = preprocessor
        self._texts = self._cut = self._unknown = 0

    def rows(self, texts: Any) -> list[list[int]]:
        """Returns the token ids of each text, as of `TextPreprocessor.token_rows`."""
        rows, cut = self._preprocessor.token_rows(texts)
        unknown = self._preprocessor.tokenizer.unknown_id
        self._texts += len(rows)
        self._cut += cut
        if unknown is not None:
            self._unknown += sum(row.count(unknown) for row in rows)
        return rows

    def notes(self, what: str = "texts") -> list[str]:
        """Returns a sentence for each kind of loss that there was in the texts so far."""
        notes = []
        if self._cut:
            length = self._preprocessor.max_length
            notes.append(f"{self._cut:,} of {self._texts:,} {what} cut after {length:,} tokens")
        if self._unknown:
            notes.append(f"{self._unknown:,} tokens of the {what} are unknown to the tokenizer")
        return notes
