"""TextPreprocessor: texts to the inputs of a classifier."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd

from sparse_keras._internal.suggest import listing
from sparse_keras.data.preprocessor import Preprocessor
from sparse_keras.data.text.label_codes import encode_labels
from sparse_keras.data.text.raw_texts import as_texts, is_texts, padded
from sparse_keras.data.text.text_batches import padded_length
from sparse_keras.data.text.tokenizer import Tokenizer
from sparse_keras.tasks import SingleTask


@keras.saving.register_keras_serializable(package="sparse_keras")
class TextPreprocessor(Preprocessor):
    """Encodes texts for a classifier, with its `Tokenizer`.

    A text becomes the ids that begin each text, the ids of its first `max_length` tokens, and those
    that end each text; an empty text is at least one token. A warning says how many texts were
    longer. Texts are padded on the right, and `"mask"` says where.

    Args:
        tokenizer: The `Tokenizer`.
        max_length: The most tokens of a text that the model reads.
        task: What is predicted, a `Binary` or a `Multiclass`.
        column: The column of a table that holds the texts.
        begin_ids: The ids before each text. `None`: the id that separates documents. Published
            encoders have others: `tokenizer.begin_ids`.
        final_ids: The ids after each text: of published encoders `tokenizer.final_ids`.

    Raises:
        ValueError: If there is no id before each text and none after it.

    Example:

    >>> tokenizer = sparse_keras.data.Tokenizer.train(["good", "bad"], 300)
    >>> task = sparse_keras.tasks.Binary("opinion", ("bad", "good"))
    >>> preprocessor = sparse_keras.data.TextPreprocessor(tokenizer, max_length=20, task=task)
    >>> preprocessor.encode(["good", ""])["mask"].sum(axis=1).tolist()
    [2, 1]
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_length: int,
        task: SingleTask,
        column: str = "text",
        begin_ids: Sequence[int] | None = None,
        final_ids: Sequence[int] = (),
    ) -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length
        self._task = task
        self.column = column
        self.begin_ids = [tokenizer.end_id] if begin_ids is None else list(begin_ids)
        self.final_ids = list(final_ids)
        if not self.begin_ids + self.final_ids:
            raise ValueError(
                "An empty text would have no token. Received: begin_ids=[] and final_ids=[]."
            )

    @property
    def task(self) -> SingleTask:
        return self._task

    @property
    def longest(self) -> int:
        """Number of tokens of the longest text, those that begin and end each text included."""
        return len(self.begin_ids) + self.max_length + len(self.final_ids)

    def is_raw(self, x: Any) -> bool:
        if isinstance(x, Mapping):
            return "token_ids" not in x
        # `encode` says best what is wrong with None, or with a list that begins with it.
        return x is None or isinstance(x, (list, tuple, pd.DataFrame)) or is_texts(x)

    def check_encoded(self, x: Any) -> None:
        if isinstance(x, np.ndarray):
            raise ValueError(
                "Expected texts, or a dict of 'token_ids' and 'mask', as `encode` returns it. "
                f"Received: an array of {x.dtype} of shape {x.shape}."
            )

    def encode(self, x: Any) -> dict[str, np.ndarray]:
        """Encodes texts.

        Args:
            x: A string; a list, an array or a Series of strings; or a DataFrame or a dict with the
                column of texts, which a table with a single column need not name.

        Returns:
            Dict with `"token_ids"`, int32 `[N, T]`, and `"mask"`, bool `[N, T]`. T is one of few
            numbers; see `padded_length`.

        Raises:
            ValueError: If a text is no string, such as a missing value, or the column is not there.
        """
        rows, cut = self.token_rows(self._texts(x))
        if cut:
            warnings.warn(
                f"{cut:,} of {len(rows):,} texts are longer than {self.max_length:,} tokens. The "
                "model reads their beginning only.",
                stacklevel=2,
            )
        return self.inputs_of(rows)

    def inputs_of(self, rows: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
        """Returns token ids of texts, as of `token_rows`, as `encode` does."""
        longest = max(map(len, rows), default=1)
        return padded(rows, padded_length(longest, self.longest))

    def token_rows(self, texts: Any) -> tuple[list[list[int]], int]:
        """Returns the token ids of each text, and the number of texts that were cut."""
        encoded = self.tokenizer.encode_batch(texts)
        rows = [[*self.begin_ids, *ids[: self.max_length], *self.final_ids] for ids in encoded]
        return rows, sum(len(ids) > self.max_length for ids in encoded)

    def encode_examples(
        self, x: Any, y: Any = None, sample_weight: Any = None
    ) -> tuple[Any, Any, Any]:
        """Encodes texts with their labels.

        Args:
            x: As for `encode`.
            y: The class of each text, as strings. `None` if `x` is a table with a column named as
                the task.
            sample_weight: The weight of each text, or `None`.

        Raises:
            ValueError: If a label is none of the classes, or labels are missing.
        """
        if y is None:
            if not isinstance(x, (Mapping, pd.DataFrame)) or self.task.name not in x:
                raise ValueError(
                    "Expected `y`, the class of each text; or a table with the columns "
                    f"{self.column!r} and {self.task.name!r}. Received: {type(x).__name__} without "
                    "`y`."
                )
            y = x[self.task.name]
        inputs, labels = self.encode(x), encode_labels(y, self.task)
        if len(labels) != len(inputs["mask"]):
            raise ValueError(
                "Expected a label for each text. Received: "
                f"{len(inputs['mask']):,} texts and {len(labels):,} labels."
            )
        return inputs, labels, sample_weight

    def _texts(self, x):
        if isinstance(x, (Mapping, pd.DataFrame)):
            columns = list(x)
            if self.column in columns:
                return as_texts(x[self.column])
            if len(columns) == 1:
                return as_texts(x[columns[0]])
            raise ValueError(
                f"Expected a table with the column {self.column!r}, which has the texts. Received: "
                f"columns {listing(columns) or '(none)'}."
            )
        if x is None:
            raise ValueError("Expected texts: a string or a list of strings. Received: None.")
        return as_texts(x)

    def get_config(self) -> dict[str, Any]:
        return {
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
            "max_length": self.max_length,
            "task": keras.saving.serialize_keras_object(self._task),
            "column": self.column,
            "begin_ids": self.begin_ids,
            "final_ids": self.final_ids,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TextPreprocessor:
        parts = ("tokenizer", "task")
        objects = {name: keras.saving.deserialize_keras_object(config[name]) for name in parts}
        return cls(**{**config, **objects})
