"""split_texts: which labelled texts are for training, validation and testing."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from sparse_keras.data.held_out import held_out_rows
from sparse_keras.data.text.corpus import LabelledTexts

PARTS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class LabelledSplit:
    """How labelled texts were split.

    Args:
        drawn: The parts that were drawn at random.
        given: The parts, other than for training, that the data set has set apart.
        seed: `data.split_seed`.
    """

    drawn: tuple[str, ...]
    given: tuple[str, ...]
    seed: int

    @property
    def fixed(self) -> tuple[str, ...]:
        """Which of the parts are the same for each seed: a tuple of names."""
        # The training texts are what the drawn parts leave.
        return self.given if self.drawn else ("train", *self.given)

    def __str__(self) -> str:
        words = []
        if self.given:
            words.append(f"{' and '.join(self.given)} texts of the data set")
        if self.drawn:
            drawn = " and ".join(self.drawn)
            words.append(f"{drawn} texts drawn at random by class, seed {self.seed}")
        return ", ".join(words) or "all texts for training"


def split_texts(
    found: LabelledTexts, test_fraction: float, validation_fraction: float, seed: int
) -> tuple[dict[str, Any], LabelledSplit]:
    """Splits texts; the same fraction of each class is drawn, and at least one text of it stays.

    Args:
        found: The texts. Of a part that it has, none are drawn.
        test_fraction: Fraction of the training texts for testing. 0: none.
        validation_fraction: Fraction of those that are left for validation. 0: none.
        seed: Seed of the random draw.

    Returns:
        A dict from the name of a part to its `(texts, labels)`, and the `LabelledSplit`.

    Raises:
        ValueError: If no text would be left for a part.
    """
    wanted = {
        "test": (found.test, test_fraction),
        "validation": (found.validation, validation_fraction),
    }
    parts: dict[str, Any] = {"train": found.train}
    for part, (given, fraction) in wanted.items():
        if given is not None:
            parts[part] = given
        elif fraction:
            parts["train"], parts[part] = _hold_out(parts["train"], fraction, seed, part)
    given = tuple(part for part, (texts, _) in wanted.items() if texts is not None)
    drawn = tuple(part for part in wanted if part in parts and part not in given)
    return {part: parts[part] for part in PARTS if part in parts}, LabelledSplit(drawn, given, seed)


def _hold_out(examples, fraction, seed, part):
    labels: Sequence[str] = examples[1]
    held = held_out_rows(labels, fraction, seed)
    if not held.any() or held.all():
        raise ValueError(
            f"data.{part}_fraction: {fraction} of {len(labels)} texts leaves {int(held.sum())} for "
            f"{part} and {int((~held).sum())} for training. Both need at least one."
        )
    return [
        tuple([of[n] for n in np.flatnonzero(chosen)] for of in examples)
        for chosen in (~held, held)
    ]
