"""Learns `Features` from training rows: statistics, vocabularies and bins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from sparse_keras._internal.autologging import without_autologging
from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.data.tabular.column_kinds import ColumnKinds, apply_kinds
from sparse_keras.data.tabular.columns import (
    all_errors,
    as_frame,
    category_keys,
    is_categorical,
    numeric_values,
)
from sparse_keras.data.tabular.csr import TextColumn
from sparse_keras.data.tabular.date_column import DateColumn, fit_dates
from sparse_keras.data.tabular.encoded_columns import CategoricalColumn, NumericColumn
from sparse_keras.data.tabular.features import Features
from sparse_keras.data.tabular.misreadings import misreading
from sparse_keras.data.tabular.missing import MissingValues
from sparse_keras.data.tabular.multi_target import MultiTarget, as_matrix
from sparse_keras.schema.sections.tabular.columns import column_kinds

if TYPE_CHECKING:
    import pandas as pd

    from sparse_keras.data.tabular.targets import Target

BINS = ("tree", "quantile", "none")
# Beyond this the squares of a standard deviation would leave float64.
MAX_MAGNITUDE = 1e100


@without_autologging()
def fit_features(
    frame: pd.DataFrame,
    target: Target | MultiTarget,
    bins: str = "tree",
    max_bins: int = 32,
    weight: str | None = None,
    missing: MissingValues | None = None,
    columns: Mapping[str, Any] | ColumnKinds | None = None,
) -> Features:
    """Learns how to encode a table from its training rows.

    Columns of numbers are numeric, columns of datetimes are dates; text, bool and category columns
    are categorical. Dates of text, free text, identifiers, and text that looks like numbers raise
    an error, unless `columns` says what they are, or the column has the dtype "category".

    Args:
        frame: The training rows, a DataFrame of any library or a dict of columns; columns other
            than the target's and the weight are inputs.
        target: A `Target`, or a `MultiTarget`: a label may then be missing in some rows.
        bins: Where the bins of numeric columns end: "tree" (where a decision tree on this
            column alone splits to predict the target, or all targets alike), "quantile", or "none"
            for no bins.
        max_bins: Most bins of a column; at least 2.
        weight: The column of weights, which is not an input; None if rows are not weighted. Weights
            count in losses and metrics, not in what is learned here.
        missing: Words and numbers that mean "missing" beside the usual words, to be recognised in
            rows to predict. They are missing in `frame` already.
        columns: Dict from a column to its kind, like `data.columns` of a config: such as `"date"`,
            `"text"`, or `{"type": "numeric", "unit": "$", "thousands": ","}`.

    Returns:
        A `Features`.

    Raises:
        ValueError: If columns are empty, infinite or hold what is neither numbers nor categories,
            of which all are listed; if one of several targets is missing in every row.

    Example:

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"price": ["$5", "$1,200", "$7"], "sold": ["no", "yes", "no"]})
    >>> sparse_keras.data.fit_features(
    ...     frame,
    ...     sparse_keras.data.infer_target(frame["sold"]),
    ...     columns={"price": {"type": "numeric", "unit": "$", "thousands": ","}},
    ... )
    1 numeric and 0 categorical columns; target sold (binary)
    """
    if bins not in BINS:
        raise ValueError(
            f"bins must be one of {listing(BINS)}. Received: {bins!r}.{did_you_mean(bins, BINS)}"
        )
    if max_bins < 2:
        raise ValueError(f"max_bins must be at least 2. Received: {max_bins}.")
    is_dict = isinstance(frame, Mapping)
    frame = as_frame(frame)
    frame = frame.infer_objects() if is_dict else frame
    inputs = [name for name in frame.columns if name not in (*target.columns, weight)]
    if not inputs:
        raise ValueError(
            f"Expected at least one column beside the target {target.name!r}. Received none."
        )
    if isinstance(target, MultiTarget):
        target = target.fitted(frame)
        y = as_matrix(target, frame)
    else:
        y = target.encode(frame)
        target = target.with_statistics(y)

    missing = missing or MissingValues()
    kinds = _declared(columns, inputs)
    frame, kinds, errors = apply_kinds(frame, kinds, missing, inputs)
    fit_numeric = partial(_fit_numeric, y=y, task=target.task, bins=bins, max_bins=max_bins)
    fitted = {NumericColumn: [], DateColumn: [], CategoricalColumn: [], TextColumn: []}
    for name in inputs if not errors else ():
        if name not in frame:  # Ignored.
            continue
        try:
            for column in _fitted(frame[name], kinds, missing.declared(name), fit_numeric):
                fitted[type(column)].append(column)
        except ValueError as error:
            errors[name] = str(error)
    if errors:
        raise ValueError(all_errors(list(errors.values())))
    return Features(
        target,
        tuple(fitted[NumericColumn]),
        tuple(fitted[CategoricalColumn]),
        weight,
        dates=tuple(fitted[DateColumn]),
        texts=tuple(fitted[TextColumn]),
    )


def _declared(columns, inputs):
    """The `ColumnKinds` of an argument `columns`."""
    if isinstance(columns, ColumnKinds):
        return columns
    if not isinstance(columns or {}, Mapping):
        raise ValueError(
            "`columns` must be a dict from columns to their kinds, such as {'notes': 'text'}. "
            f"Received: {columns!r}."
        )
    try:
        kinds = column_kinds(columns or {})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"] if not str(part).startswith("<"))
        raise ValueError(
            f"`columns`: {place}: {first['msg']}. Received: {first['input']!r}."
        ) from None
    for name in kinds:
        if name not in inputs:
            raise ValueError(
                f"`columns` names {name!r}, which is no input.{did_you_mean(name, inputs)} Inputs: "
                f"{listing(inputs)}."
            )
    return ColumnKinds(kinds)


def _fitted(series, kinds, missing_values, fit_numeric):
    """Yields what is learned of a column: one column of a model, or two of a text."""
    name = series.name
    if texts := kinds.text_columns(name):
        yield from _fit_texts(series, missing_values, texts)
    elif (formats := kinds.date_formats(name)) is not None:
        _refuse_empty(name, series.notna().any())
        yield fit_dates(series, formats, fit_numeric, missing_values)
    elif is_categorical(series):
        ignore_case, min_count = kinds.ignores_case(name), kinds.min_count(name)
        yield _fit_categorical(series, missing_values, ignore_case, min_count)
    else:
        number_format = kinds.number_format(name)
        column = fit_numeric(series)
        yield replace(column, missing_values=missing_values, number_format=number_format)


def _fit_texts(series, missing_values, texts):
    """The words and the characters of a text, of which one may be missing."""
    columns, errors = [], []
    for options in texts:
        try:
            columns.append(TextColumn.fit(series, missing_values=missing_values, **options))
        except ValueError as error:
            errors.append(error)
    if not columns:
        raise errors[0]
    return columns


def _fit_numeric(series, y, task, bins, max_bins):
    values = numeric_values(series)
    present = ~np.isnan(values)
    _refuse_empty(series.name, present.any())
    x = values[present]
    beyond = ~(np.abs(x) < MAX_MAGNITUDE)
    if beyond.any():
        raise ValueError(
            f"Column {series.name!r} must hold finite numbers below {MAX_MAGNITUDE:g}. "
            f"Received {int(beyond.sum())} infinite or larger values."
        )
    has_missing = not present.all()
    if x.min() == x.max():
        return NumericColumn(series.name, float(x[0]), 0.0, (), has_missing)
    if bins == "tree":
        boundaries = _tree_boundaries(x, y[present], task, max_bins)
    elif bins == "quantile":
        boundaries = np.unique(np.quantile(x, np.linspace(0.0, 1.0, max_bins + 1)))
    else:
        boundaries = np.empty(0)
    return NumericColumn(
        series.name, float(x.mean()), float(x.std()), tuple(boundaries.tolist()), has_missing
    )


def _tree_boundaries(x, y, task, max_bins):
    """Splits of a decision tree on one column, between its lowest and its highest value."""
    # Imported here: loading a saved model imports this module but needs no tree.
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    # scikit-learn casts to float32, which would merge large neighbouring values (timestamps):
    # the tree sees ranks, exact in float32, and a split between two ranks is their midpoint.
    distinct, ranks = np.unique(x, return_inverse=True)
    kind = DecisionTreeClassifier if task in ("binary", "multiclass") else DecisionTreeRegressor
    tree = kind(max_leaf_nodes=max_bins, min_samples_leaf=_leaf_size(len(x)), random_state=0)
    tree.fit(ranks[:, None], y)
    thresholds = tree.tree_.threshold[tree.tree_.feature >= 0]
    below = distinct[np.floor(thresholds).astype(int)]
    above = distinct[np.ceil(thresholds).astype(int)]
    inner = (below + above) / 2.0
    return np.unique(np.concatenate([distinct[:1], inner, distinct[-1:]]))


def _leaf_size(num_rows):
    """Fewest rows of a bin: 1 % of all, but 16 are always enough."""
    return int(np.clip(num_rows // 100, 1, 16))


def _fit_categorical(series, missing_values, ignore_case, min_count):
    keys = [key for key in category_keys(series) if key is not None]
    counts = Counter(key.lower() for key in keys) if ignore_case else Counter(keys)
    _refuse_empty(series.name, counts)
    vocabulary = sorted(key for key, count in counts.items() if count >= min_count)
    if wrong := misreading(series):
        raise ValueError(
            f"Column {series.name!r} must hold numbers or categories. Received {wrong.what}. "
            f"{wrong.remedy(series.name)} Otherwise leave the column out, or give it the dtype "
            "'category' if each value is a category."
        )
    return CategoricalColumn(series.name, tuple(vocabulary), missing_values, ignore_case, min_count)


def _refuse_empty(name, anything):
    if not anything:
        raise ValueError(
            f"Column {name!r} is missing in every training row: nothing can be learned from it. "
            "Remove the column."
        )
