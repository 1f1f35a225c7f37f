"""TextBatches: texts of similar length together, for a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparse_keras.data.batches import EpochBatches
from sparse_keras.data.text.raw_texts import padded

# In training, so many batches of texts that were drawn at random are sorted by length together.
_SORTED_TOGETHER = 16
_SHORTEST = 16


def padded_length(length: int, longest: int) -> int:
    """Returns the number of tokens to which texts of a length are padded.

    It is 16, 24, 32, 48, 64, 96 and so on, so that there are few, with little padding; at most the
    next even number to `longest`.

    Args:
        length: Number of tokens of the longest of the texts.
        longest: Number of tokens of the longest text of all.
    """
    size = _SHORTEST
    while size < length:
        # To the next power of two, by way of one and a half times this one.
        size = size * 4 // 3 if size % 3 == 0 else size * 3 // 2
    return min(size, longest + longest % 2)


class TextBatches(EpochBatches):
    """Serves token ids of texts with their labels, padded, in batches of similar length.

    Batches are `(x, y)`: x a dict of `"token_ids"`, int32 `[B, T]`, and `"mask"`, bool `[B, T]`,
    False for padding. T differs between batches, see `padded_length`. With `shuffle`, a batch is a
    pure function of `(seed, epoch)` and its index.

    Args:
        rows: The token ids of each text.
        labels: Array `[N]` of encoded labels.
        batch_size: Texts in a batch.
        longest: Number of tokens of the longest text of all.
        shuffle: Whether to draw new batches in each epoch.
        seed: Non-negative integer, the shuffling's seed.

    Attributes:
        num_examples: Number of texts.
        epoch: Number of epochs served so far. May be set, to resume.
    """

    def __init__(
        self,
        rows: Sequence[Sequence[int]],
        labels: np.ndarray,
        *,
        batch_size: int = 32,
        longest: int,
        shuffle: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rows = rows
        self.labels = labels
        self.batch_size = batch_size
        self.longest = longest
        self.shuffle = shuffle
        self.seed = seed
        self.num_examples = len(rows)
        self._lengths = np.array([len(row) for row in rows], "int64")
        self._plan: tuple[int | None, list[np.ndarray]] = (None, [])

    def __len__(self) -> int:
        return -(-self.num_examples // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, np.ndarray]:
        self._check_index(index)
        chosen = self._plan_of_epoch()[index]
        length = padded_length(int(self._lengths[chosen].max()), self.longest)
        # On TensorFlow, Keras takes the axes in which the first two batches agree for the shape of
        # all batches. So no two batches in a row have the same length: one is even, one odd.
        length += index % 2
        return padded([self.rows[row] for row in chosen], length), self.labels[chosen]

    def arrays(self) -> tuple[Any, np.ndarray, None]:
        """Returns all inputs, labels and no weights, in the order of the texts."""
        return padded(self.rows, self.longest), self.labels, None

    def _plan_of_epoch(self):
        """The texts of each batch."""
        epoch, plan = self._plan
        if not plan or (self.shuffle and epoch != self.epoch):
            plan = self._shuffled() if self.shuffle else self._cut(np.arange(self.num_examples))
            self._plan = (self.epoch, plan)
        return plan

    def _shuffled(self):
        random = np.random.default_rng([self.seed, self.epoch])
        order = random.permutation(self.num_examples)
        size = _SORTED_TOGETHER * self.batch_size
        parts = [order[start : start + size] for start in range(0, len(order), size)]
        order = np.concatenate([part[np.argsort(self._lengths[part])] for part in parts])
        batches = self._cut(order)
        return [batches[number] for number in random.permutation(len(batches))]

    def _cut(self, order):
        size = self.batch_size
        return [order[start : start + size] for start in range(0, len(order), size)]
