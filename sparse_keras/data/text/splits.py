"""Which parts of a corpus are for training, validation and testing."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator

import numpy as np

from sparse_keras.data.text.corpus import Corpus

PARTS = ("train", "validation", "test")
# From this number of documents on, whole ones are held out.
_MANY = 100


@dataclasses.dataclass(frozen=True)
class TextSplit:
    """How validation and test texts are set apart.

    Args:
        by: `"documents"`: each document belongs to one part, drawn at random. `"endings"`: of each
            document, the end is for testing, what comes before it for validation.
        validation: Fraction for validation.
        test: Fraction for testing.
        seed: Seed of the random draw.
    """

    by: str
    validation: float
    test: float
    seed: int

    @property
    def fixed(self) -> tuple[str, ...]:
        """The parts that are the same for each seed of a comparison: all."""
        return PARTS[1:]

    @classmethod
    def of(cls, corpus: Corpus, by: str | None, validation: float, test: float, seed: int):
        """Makes a split; `by` as in a config, where `None` leaves the choice to the corpus."""
        by = by or corpus.held_out
        if by is None:
            some = sum(1 for _ in itertools.islice(corpus.documents(), _MANY))
            by = "documents" if some == _MANY else "endings"
        return cls(by, validation, test, seed)

    def __call__(self, documents: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yields `(part, text)` for each document, or for each part of one."""
        for _, part, text in self.numbered(documents):
            yield part, text

    def numbered(self, documents: Iterable[str]) -> Iterator[tuple[int, str, str]]:
        """Yields `(number, part, text)`, where the number is that of the document, from 0 on."""
        random = np.random.default_rng(self.seed)
        for number, document in enumerate(documents):
            if self.by == "endings":
                for part, text in self._parts_of(document):
                    yield number, part, text
            else:
                yield number, self._part_of(random.random()), document

    def _part_of(self, draw):
        if draw < self.test:
            return "test"
        return "validation" if draw < self.test + self.validation else "train"

    def _parts_of(self, document):
        first = _line_start(document, round(len(document) * (1 - self.validation - self.test)))
        second = _line_start(document, round(len(document) * (1 - self.test)))
        cuts = (0, first, second, len(document))
        for part, start, end in zip(PARTS, cuts[:-1], cuts[1:], strict=True):
            if end > start:
                yield part, document[start:end]

    def __str__(self):
        parts = [
            f"{fraction:.0%} for {part}"
            for part, fraction in (("validation", self.validation), ("testing", self.test))
            if fraction
        ]
        if not parts:
            return "nothing held out"
        what = "whole documents" if self.by == "documents" else "the ending of each document"
        return f"{' and '.join(parts)} ({what})"


def _line_start(text, position):
    """The start of the line after a position, if it is near; else the position."""
    if position >= len(text):
        return len(text)
    found = text.find("\n", max(position - 1, 0), position + 200)
    return position if found < 0 else found + 1
