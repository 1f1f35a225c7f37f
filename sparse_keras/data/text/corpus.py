"""What readers of texts return: documents without labels, or texts with labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Documents that a language model learns to continue. They need not fit into memory.

    Args:
        name: Name of the data set, for people.
        documents: Function that returns an iterator over all documents, each a string, always in
            the same order.
        digest: SHA-256 of everything that the documents depend on, such as the files they are read
            from and how they are read. Tokens are cached by it.
        held_out: How validation and test texts are set apart by default: `"documents"`, whole ones,
            or `"endings"`, the end of each document. `None`: documents if there are many.
        notes: What was left out or converted while reading, with counts: sentences for people.
            A function, since it may be known only after the documents were read: it is about the
            last pass over them.
        sources: Function that returns an iterator over where each document is from, such as
            `"sympy"`, in the order of the documents. `None` if all are from one source.
    """

    name: str
    documents: Callable[[], Iterator[str]]
    digest: str
    held_out: str | None = None
    notes: Callable[[], Sequence[str]] = tuple
    sources: Callable[[], Iterator[str]] | None = None


@dataclasses.dataclass(frozen=True)
class LabelledTexts:
    """Texts with their labels, in memory.

    Args:
        name: Name of the data set, for people.
        target: Name of what is predicted, such as `"topic"`.
        train: `(texts, labels)`: lists of strings, of the same length.
        test: The same for test texts; `None` if they are drawn from the training texts.
        validation: The same for validation texts; `None` if they are drawn.
        classes: The classes in the order in which the model has them, of all parts.
        notes: What was left out or converted while reading, with counts: sentences for people.
    """

    name: str
    target: str
    train: tuple[Sequence[str], Sequence[str]]
    test: tuple[Sequence[str], Sequence[str]] | None
    classes: tuple[str, ...]
    validation: tuple[Sequence[str], Sequence[str]] | None = None
    notes: Sequence[str] = ()
