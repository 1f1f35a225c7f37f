"""LabelledTextData: texts with labels, ready for a classifier."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from sparse_keras.data.dataset import digest_of
from sparse_keras.data.text.counted_tokens import CountedTokens
from sparse_keras.data.text.inputs import TextInputs
from sparse_keras.data.text.label_codes import encode_labels, task_of_classes
from sparse_keras.data.text.labelled_split import LabelledSplit, split_texts
from sparse_keras.data.text.readers import LABELLED_TEXTS
from sparse_keras.data.text.text_batches import TextBatches
from sparse_keras.data.text.text_preprocessor import TextPreprocessor
from sparse_keras.data.text.tokenizer import Tokenizer, tokenizers_library
from sparse_keras.tasks import SingleTask


@dataclasses.dataclass(frozen=True, repr=False)
class LabelledTextData:
    """Texts with labels as token ids, in parts for training, validation and testing.

    Texts of validation and testing are ordered by their number of tokens, the longest first, so
    that those of a batch are of similar length.

    Args:
        name: Name of the data set.
        texts: Dict from the name of a part to its texts, in the order of the batches.
        labels: Dict from the name of a part to the labels of its texts.
        split: The `LabelledSplit` by which texts were set apart.
        preprocessor: The `TextPreprocessor`.
        train: `TextBatches` of the training texts.
        validation: The same for the validation texts; `None` if there are none.
        test: The same for the test texts.
        notes: What was left out, cut or converted, with counts: sentences.
    """

    name: str
    texts: dict[str, Sequence[str]]
    labels: dict[str, Sequence[str]]
    split: LabelledSplit
    preprocessor: TextPreprocessor
    train: TextBatches
    validation: TextBatches | None
    test: TextBatches | None
    notes: Sequence[str] = ()
    weighted: bool = False

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer."""
        return self.preprocessor.tokenizer

    @property
    def inputs(self) -> TextInputs:
        length = self.preprocessor.longest
        added = length - self.preprocessor.max_length
        return TextInputs(self.tokenizer.vocabulary_size, length, self.tokenizer, added)

    @property
    def task(self) -> SingleTask:
        return self.preprocessor.task

    @property
    def raw_test(self) -> Sequence[str]:
        """The test texts, in the order of the batches."""
        return self.texts.get("test", ())

    def digest(self) -> str:
        """SHA-256 of all token ids and labels, and of how texts are encoded."""
        arrays = []
        for batches in (self.train, self.validation, self.test):
            if batches is not None:
                lengths = np.array([len(row) for row in batches.rows])
                arrays += [np.concatenate(batches.rows), lengths, batches.labels]
        content = hashlib.sha256(self.tokenizer.content.encode()).hexdigest()
        return digest_of(arrays, f"{content} {self.preprocessor.max_length} {self.task!r}")

    def __repr__(self):
        parts = ", ".join(f"{len(texts):,} {part}" for part, texts in self.texts.items())
        mean = np.mean([len(row) for row in self.train.rows])
        notes = "".join(f"; {note.rstrip('.')}" for note in self.notes)
        return (
            f"{self.name}: {parts} texts; {self.split}; {len(self.task.classes)} classes of "
            f"{self.task.name!r}; {self.tokenizer.vocabulary_size:,} tokens in the vocabulary, on "
            f"average {mean:.0f} in a text, at most {self.preprocessor.max_length}{notes}"
        )


def load_labelled_texts(options: Any, batch_size: int, seed: int) -> LabelledTextData:
    """Reads texts with labels, splits them, and makes their tokens.

    Test texts are drawn if the data set has none, then validation texts; both are stratified by
    class. A tokenizer is trained on the training texts only.

    Args:
        options: The validated `data` section of a config, of one of the data sets of labelled
            texts.
        batch_size: Texts in a batch.
        seed: Seed of the order of the training texts.

    Returns:
        A `LabelledTextData`.

    Raises:
        ValueError: If the texts cannot be read, or too few are left for a part.
    """
    tokenizers_library()  # Before anything is downloaded.
    found = LABELLED_TEXTS[options.type](options)
    parts, split = split_texts(
        found,
        getattr(options, "test_fraction", 0.0),
        options.validation_fraction,
        options.split_seed,
    )
    if options.tokenizer is None:
        tokenizer = Tokenizer.train(parts["train"][0], options.vocabulary_size)
    else:
        tokenizer = Tokenizer.load(options.tokenizer)
    task = task_of_classes(found.target, found.classes)
    column = getattr(options, "text", "text")
    begin, final = tokenizer.begin_ids, tokenizer.final_ids
    preprocessor = TextPreprocessor(
        tokenizer,
        options.max_length,
        task,
        column,
        begin_ids=begin if begin or final else None,
        final_ids=final,
    )
    batches, notes = {}, [*found.notes]
    for part, (texts, labels) in parts.items():
        tokens = CountedTokens(preprocessor)
        rows = tokens.rows(texts)
        if part != "train":
            order = sorted(range(len(rows)), key=lambda number: -len(rows[number]))
            texts, labels, rows = ([of[n] for n in order] for of in (texts, labels, rows))
        parts[part] = texts, labels
        batches[part] = TextBatches(
            rows,
            encode_labels(labels, task),
            batch_size=batch_size,
            longest=preprocessor.longest,
            shuffle=part == "train",
            seed=seed,
        )
        notes += tokens.notes(f"{part} texts")
    return LabelledTextData(
        found.name,
        {part: texts for part, (texts, _) in parts.items()},
        {part: labels for part, (_, labels) in parts.items()},
        split,
        preprocessor,
        batches["train"],
        batches.get("validation"),
        batches.get("test"),
        tuple(notes),
    )
