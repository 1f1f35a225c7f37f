"""TokenBatches: rows of equal length from a stream of tokens, for a language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparse_keras.data.batches import EpochBatches
from sparse_keras.tasks.next_token import IGNORED


class TokenBatches(EpochBatches):
    """Cuts a stream of tokens into rows; the labels of each are the tokens one further on.

    Documents are packed: a row may hold several, or a part of one. In each epoch every token is a
    label once. The last row begins earlier to be full, and its labels that another row has are
    ignored. With `shuffle`, rows are cut at other places in each epoch and come in another order,
    both a pure function of `(seed, epoch)`.

    Batches are `(x, y)`: x a dict of `"token_ids"` and `"segment_ids"`, int32 `[B, T]`, or the
    token ids alone; y int32 `[B, T]`.

    Args:
        tokens: Integer array `[N]`, which may be memory-mapped. Each document begins with `end_id`.
            After the last token comes the first one.
        length: T, the number of tokens of a row; N if there are fewer.
        end_id: The id that separates documents.
        separate: Whether `x` says which document each token belongs to.
        batch_size: Rows in a batch.
        shuffle: Whether to draw new rows and a new order each epoch.
        seed: Non-negative integer, the shuffling's seed.
        sources: Optional names of where each document is from, in the order of the documents, such
            as `["sympy", "shakespeare"]`. Models do not read them; `inspect` does.

    Attributes:
        num_examples: Number of rows.
        epoch: Number of epochs served so far. May be set, to resume.
    """

    def __init__(
        self,
        tokens: Any,
        length: int,
        end_id: int,
        *,
        separate: bool = True,
        batch_size: int = 16,
        shuffle: bool = False,
        seed: int = 0,
        sources: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.tokens = tokens
        self.length = min(length, len(tokens))
        self.end_id = end_id
        self.separate = separate
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.sources = sources
        self.num_examples = -(-len(tokens) // self.length)
        self._plan: tuple[int | None, Any, int] = (None, None, 0)

    def __len__(self) -> int:
        return -(-self.num_examples // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, np.ndarray]:
        self._check_index(index)
        order, shift = self._plan_of_epoch()
        rows = order[index * self.batch_size : (index + 1) * self.batch_size]
        return self._cut(rows, shift)[:2]

    def rows_in_order(self, rows: Sequence[int]) -> tuple[Any, np.ndarray, np.ndarray]:
        """Returns rows as they are without shuffling.

        Args:
            rows: Numbers of rows, of `num_examples`.

        Returns:
            A tuple `(x, y, places)`: a batch of these rows, and the place in the stream of each
            token of `x`, int64 `[B, T]`.
        """
        x, y, starts = self._cut(np.asarray(rows, "int64"), 0)
        return x, y, starts[:, None] + np.arange(self.length)

    def _cut(self, rows, shift):
        last = len(self.tokens) - self.length
        starts = np.minimum(rows * self.length, last)
        tokens = np.stack([self._row(start + shift) for start in starts])
        x, y = tokens[:, :-1], tokens[:, 1:].copy()
        # What the last row repeats.
        repeated = np.arange(self.length) < (rows * self.length - starts)[:, None]
        y[repeated] = IGNORED
        if not self.separate:
            return x, y, starts
        segments = np.cumsum(x == self.end_id, axis=1, dtype="int32")
        return {"token_ids": x, "segment_ids": segments}, y, starts

    def _row(self, start):
        start %= len(self.tokens)
        row = np.asarray(self.tokens[start : start + self.length + 1], "int32")
        missing = self.length + 1 - len(row)
        return row if not missing else np.append(row, self.tokens[:missing]).astype("int32")

    def _plan_of_epoch(self):
        """The order of the rows of this epoch, and by how much all are shifted."""
        epoch, order, shift = self._plan
        if not self.shuffle:
            return np.arange(self.num_examples), 0
        if epoch != self.epoch:
            epoch = self.epoch
            random = np.random.default_rng([self.seed, epoch])
            order = random.permutation(self.num_examples)
            shift = int(random.integers(self.length))
            self._plan = (epoch, order, shift)
        return order, shift
