"""LanguageData: a corpus, ready for a language model."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from sparse_keras.data.text.inputs import TextInputs
from sparse_keras.data.text.language_preprocessor import LanguagePreprocessor, next_token_of
from sparse_keras.data.text.readers import CORPORA
from sparse_keras.data.text.splits import TextSplit
from sparse_keras.data.text.token_batches import TokenBatches
from sparse_keras.data.text.token_files import TokenFiles, token_files
from sparse_keras.data.text.tokenizer import Tokenizer, tokenizers_library
from sparse_keras.tasks.next_token import NextToken


@dataclasses.dataclass(frozen=True, repr=False)
class LanguageData:
    """A corpus as token ids, memory-mapped, in parts for training, validation and testing.

    Args:
        name: Name of the data set.
        files: The `TokenFiles`.
        split: The `TextSplit` by which validation and test texts were set apart.
        train: `TokenBatches` of the training texts.
        validation: The same for the validation texts; `None` if there are none.
        test: The same for the test texts; `None` if there are none.
    """

    name: str
    files: TokenFiles
    split: TextSplit
    train: TokenBatches
    validation: TokenBatches | None
    test: TokenBatches | None
    weighted: bool = False

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer."""
        return self.files.tokenizer

    @property
    def inputs(self) -> TextInputs:
        return TextInputs(self.tokenizer.vocabulary_size, self.train.length, self.tokenizer)

    @property
    def task(self) -> NextToken:
        return next_token_of(self.tokenizer)

    @property
    def preprocessor(self) -> LanguagePreprocessor:
        return LanguagePreprocessor(self.tokenizer, self.train.length)

    @property
    def raw_test(self) -> Sequence[str]:
        """The test texts, read from the token files when they are asked for."""
        tokens = self.files.parts.get("test", np.zeros(0, "int32"))
        return Documents(tokens, self.tokenizer)

    def digest(self) -> str:
        """SHA-256 of all tokens, and of how they are cut into rows."""
        rows = f"{self.train.length} {self.train.separate}"
        return hashlib.sha256(f"{self.files.digest} {rows}".encode()).hexdigest()

    def __repr__(self):
        parts = ", ".join(
            f"{len(tokens):,} {part} tokens ({self.files.documents[part]:,} texts)"
            for part, tokens in self.files.parts.items()
        )
        size = sum(len(self.tokenizer.bytes_of(int(token))) for token in self._some_tokens())
        per_token = size / max(len(self._some_tokens()), 1)
        notes = "".join(f"; {note.rstrip('.')}" for note in self.files.notes)
        return (
            f"{self.name}: {parts}; {self.split}; {self.tokenizer.vocabulary_size:,} tokens in the "
            f"vocabulary, about {per_token:.2f} bytes each; rows of {self.train.length} tokens"
            f"{notes}"
        )

    def _some_tokens(self):
        return self.files.parts["train"][:10_000]


class Documents(Sequence[str]):
    """The texts in an array of token ids, decoded one by one when they are asked for.

    Args:
        tokens: Integer array; each text begins with the id that separates documents.
        tokenizer: The `Tokenizer`.
    """

    def __init__(self, tokens: np.ndarray, tokenizer: Tokenizer) -> None:
        self.tokens, self.tokenizer = tokens, tokenizer
        self.starts = np.flatnonzero(np.asarray(tokens) == tokenizer.end_id)

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        number = range(len(self))[index]
        stop = self.starts[number + 1] if number + 1 < len(self) else len(self.tokens)
        return self.tokenizer.decode(self.tokens[self.starts[number] + 1 : stop])


def load_corpus(options: Any, batch_size: int, seed: int) -> LanguageData:
    """Reads a corpus, splits it, and makes its tokens, or takes them from the cache.

    A tokenizer is trained on the training texts only.

    Args:
        options: The validated `data` section of a config, of one of the corpora.
        batch_size: Rows in a batch.
        seed: Seed of the order of the training rows.

    Returns:
        A `LanguageData`.

    Raises:
        ValueError: If the texts cannot be read, or too few are left for a part.
    """
    tokenizers_library()  # Before anything is downloaded.
    corpus = CORPORA[options.type](options)
    split = TextSplit.of(
        corpus,
        options.held_out,
        options.validation_fraction,
        options.test_fraction,
        options.split_seed,
    )
    files = token_files(corpus, split, options.tokenizer, options.vocabulary_size)
    batches = {
        part: TokenBatches(
            tokens,
            options.context_length,
            files.tokenizer.end_id,
            separate=options.separate_documents,
            batch_size=batch_size,
            shuffle=part == "train",
            seed=seed,
            sources=files.sources.get(part),
        )
        for part, tokens in files.parts.items()
    }
    return LanguageData(
        corpus.name,
        files,
        split,
        batches["train"],
        batches.get("validation"),
        batches.get("test"),
    )
