"""Rows of tokens for `inspect`: some of a text, spread evenly over it, each token once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from sparse_keras.data import TokenBatches, Tokenizer
from sparse_keras.tasks.next_token import IGNORED

# A batch has at most so many tokens, and so many logits.
_BATCH_TOKENS, _BATCH_LOGITS = 8192, 2**25


@dataclasses.dataclass(frozen=True, eq=False)
class TokenRows:
    """A batch of B rows of T tokens.

    Attributes:
        inputs: What the model reads.
        token_ids: Integer `[B, T]`.
        counted: Bool `[B, T]`: False for padding, and for a token that another row has, too.
        row: Integer `[B]`, the numbers of the rows.
        document: Integer `[B, T]`, the number of the document of each token.
        labels: The labels of rows, `[B]`, or of tokens, `[B, T]`; or `None`.
    """

    inputs: Any
    token_ids: np.ndarray
    counted: np.ndarray
    row: np.ndarray
    document: np.ndarray
    labels: Any


@dataclasses.dataclass(frozen=True, eq=False)
class TokenSample:
    """Which tokens of a text are read.

    Attributes:
        batches: Iterator over `TokenRows`.
        labelled: Whether rows have labels.
        total: Number of tokens of the whole text; `None` if it is not known.
    """

    batches: Iterator[TokenRows]
    labelled: bool
    total: int | None


def tokenizer_of(model: keras.Model) -> Tokenizer | None:
    """Returns the tokenizer of a model that reads texts; `None` for others."""
    tokenizer = getattr(getattr(model, "preprocessor", None), "tokenizer", None)
    return tokenizer if isinstance(tokenizer, Tokenizer) else None


def sample_of(
    model: keras.Model, x: Any, labels: Any, max_tokens: int, batch_size: int
) -> TokenSample:
    """Selects rows of tokens.

    Args:
        model: A model that reads texts.
        x: Texts, their token ids as `model.preprocessor.encode` returns them, or a dataset.
        labels: `None`, an array with a label for each row or token, or "targets" of a dataset.
            `TokenBatches` have those of their sources by default.
        max_tokens: The most tokens to read, but at least one row; of a dataset, one batch.
        batch_size: The most rows in a batch.

    Raises:
        ValueError: If `x` has no token ids, or if `labels` do not fit it.
    """
    if isinstance(x, TokenBatches):
        return _of_stream(x, labels, max_tokens, _rows_at_once(model, x.length, batch_size))
    if isinstance(x, keras.utils.PyDataset) or _is_iterable(x):
        return _of_batches(model, x, labels, max_tokens)
    if model.preprocessor.is_raw(x):
        x = model.preprocessor.encode(x)
    token_ids, mask = _ids_and_mask(x)
    at_once = _rows_at_once(model, token_ids.shape[1], batch_size)
    return _of_arrays(x, token_ids, mask, labels, max_tokens, at_once)


def _rows_at_once(model, length, batch_size):
    tokens = min(_BATCH_TOKENS, _BATCH_LOGITS // tokenizer_of(model).vocabulary_size)
    return max(min(tokens // max(length, 1), batch_size), 1)


def _spread(total, most):
    """Numbers of at most `most` of `total` rows, at least one of them, spread evenly."""
    count = min(max(most, 1), total)
    return np.arange(count) * total // max(count, 1)


def _of_stream(x, labels, max_tokens, at_once):
    starts = np.flatnonzero(np.asarray(x.tokens) == x.end_id)
    if isinstance(labels, str):
        raise ValueError(
            "The targets of TokenBatches are the next tokens. Pass an array with a label for each "
            f"row or token, or None for the sources of documents. Received: labels={labels!r}."
        )
    sources = x.sources if labels is None else None
    if sources is not None and len(sources) != len(starts):
        raise ValueError(
            f"Expected a source for each of {len(starts):,} documents. Received: {len(sources):,} "
            "sources of the TokenBatches."
        )
    labels = _array_of_labels(labels, x.num_examples, (x.num_examples, x.length))
    numbers = _spread(x.num_examples, max_tokens // x.length)

    def batches():
        for start in range(0, len(numbers), at_once):
            row = numbers[start : start + at_once]
            inputs, y, places = x.rows_in_order(row)
            document = np.searchsorted(starts, places, side="right") - 1
            some = None if labels is None else labels[row]
            if sources is not None:
                some = np.array([sources[int(d)] for d in document.ravel()], "O")
                some = some.reshape(document.shape)
            token_ids, _ = _ids_and_mask(inputs)
            yield TokenRows(inputs, token_ids, y != IGNORED, row, document, some)

    return TokenSample(batches(), labels is not None or sources is not None, len(x.tokens))


def _of_arrays(x, token_ids, mask, labels, max_tokens, at_once):
    rows, total = len(token_ids), int(mask.sum())
    labels = _array_of_labels(labels, rows, token_ids.shape)
    numbers = _spread(rows, max_tokens * rows // max(total, 1))

    def batches():
        for start in range(0, len(numbers), at_once):
            row = numbers[start : start + at_once]
            inputs = keras.tree.map_structure(lambda array, row=row: np.asarray(array)[row], x)
            some = None if labels is None else labels[row]
            document = _documents_of(inputs, row, token_ids.shape[1])
            yield TokenRows(inputs, token_ids[row], mask[row], row, document, some)

    return TokenSample(batches(), labels is not None, total)


def _of_batches(model, x, labels, max_tokens):
    """Whole batches: spread evenly if they have numbers and labels of their own, else the first."""
    by_targets = isinstance(labels, str)
    if not by_targets and labels is not None:
        raise ValueError(
            "The labels of a dataset of tokens are its targets: labels='targets'. Received: "
            f"`labels` of type {type(labels).__name__}."
        )
    if isinstance(x, keras.utils.PyDataset):
        tokens = int(_unpacked(x[0])[2].sum()) if len(x) else 1
        numbers = _spread(len(x), max_tokens // max(tokens, 1))
        chosen = map(x.__getitem__, numbers.tolist())
    else:
        chosen = x
    classes = getattr(getattr(model.preprocessor, "task", None), "classes", None)

    def batches():
        first, read = 0, 0
        for batch in chosen:
            inputs, token_ids, counted, y = _unpacked(batch)
            row = first + np.arange(len(token_ids))
            document = _documents_of(inputs, row, token_ids.shape[1])
            some = _targets(y, counted, classes) if by_targets else None
            yield TokenRows(inputs, token_ids, counted, row, document, some)
            first += len(token_ids)
            read += int(counted.sum())
            if read >= max_tokens:
                return

    return TokenSample(batches(), by_targets, None)


def _unpacked(batch):
    """The inputs, token ids, which of them count, and the targets of a batch."""
    batch = batch if isinstance(batch, tuple) else (batch,)
    inputs, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
    inputs = keras.tree.map_structure(lambda x: x.numpy() if hasattr(x, "numpy") else x, inputs)
    token_ids, counted = _ids_and_mask(inputs)
    y = None if y is None else np.asarray(y)
    if y is not None and y.shape == token_ids.shape:
        counted = counted & (y != IGNORED)
    return inputs, token_ids, counted, y


def _targets(y, counted, classes):
    if y is None:
        raise ValueError(
            "labels='targets' needs a dataset that yields pairs (inputs, targets). Received: one "
            "without targets."
        )
    y = y[..., 0] if y.ndim > 1 and y.shape[-1] == 1 and y.shape != counted.shape else y
    if classes and y.ndim == 1:
        return np.array([classes[int(number)] for number in y], "O")
    return np.where(counted, y, None) if y.shape == counted.shape else y


def _documents_of(inputs, row, length):
    """A row is a document, unless its segments are."""
    segments = inputs.get("segment_ids") if isinstance(inputs, dict) else None
    rows = np.repeat(row[:, None], length, axis=1)
    return rows if segments is None else rows * (length + 1) + np.asarray(segments)


def _array_of_labels(labels, rows, shape):
    if labels is None:
        return None
    if isinstance(labels, str):
        raise ValueError(
            "labels='targets' is for a dataset. Pass an array with a label for each text. "
            f"Received: {labels!r}."
        )
    labels = labels.to_numpy(dtype=object) if hasattr(labels, "to_numpy") else np.asarray(labels)
    if labels.shape not in ((rows,), (rows, 1), tuple(shape)):
        raise ValueError(
            f"Expected a label for each of {rows} texts, or for each token, {tuple(shape)}. "
            f"Received: `labels` of shape {labels.shape}."
        )
    return labels


def _is_iterable(x):
    """Whether `x` is an iterable of batches, and neither an array nor texts."""
    array = hasattr(x, "shape") or hasattr(x, "iloc")
    return hasattr(x, "__iter__") and not array and not isinstance(x, (dict, list, tuple, str))


def _ids_and_mask(inputs):
    ids = inputs.get("token_ids") if isinstance(inputs, dict) else inputs
    ids = None if ids is None else np.asarray(ids)
    if ids is None or ids.ndim != 2 or ids.dtype.kind not in "iu":
        received = f"a dict of {sorted(inputs)}" if isinstance(inputs, dict) else f"{inputs!r:.60}"
        raise ValueError(
            "Expected texts, or their token ids: integers [B, T], or a dict that has them as "
            f"'token_ids'. Received: {received}."
        )
    mask = inputs.get("mask") if isinstance(inputs, dict) else None
    return ids, np.ones(ids.shape, "bool") if mask is None else np.asarray(mask, "bool")
