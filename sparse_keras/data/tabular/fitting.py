"""Learns `Features` from training rows: statistics, vocabularies and bins."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sparse_keras._internal.autologging import without_autologging
from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.data.tabular.columns import category_keys, is_categorical, numeric_values
from sparse_keras.data.tabular.encoded_columns import CategoricalColumn, NumericColumn
from sparse_keras.data.tabular.features import Features
from sparse_keras.data.tabular.misreadings import misreading
from sparse_keras.data.tabular.missing import MissingValues
from sparse_keras.data.tabular.multi_target import MultiTarget, as_matrix

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
) -> Features:
    """Learns how to encode a table from its training rows.

    Columns of numbers are numeric; text, bool and category columns are categorical. Dates, free
    text, identifiers and text that looks like misspelt numbers raise an error, unless the column
    has the dtype "category".

    Args:
        frame: DataFrame of the training rows; columns other than the target's and the weight are
            inputs.
        target: A `Target`, or a `MultiTarget`: a label may then be missing in some rows.
        bins: Where the bins of numeric columns end: "tree" (where a decision tree on this
            column alone splits to predict the target, or all targets alike), "quantile", or "none"
            for no bins.
        max_bins: Most bins of a column; at least 2.
        weight: The column of weights, which is not an input; None if rows are not weighted. Weights
            count in losses and metrics, not in what is learned here.
        missing: Words and numbers that mean "missing" beside the usual words, to be recognised in
            rows to predict. They are missing in `frame` already.

    Returns:
        A `Features`.

    Raises:
        ValueError: If a column is empty, infinite or holds what is neither numbers nor categories;
            if one of several targets is missing in every row.
    """
    if bins not in BINS:
        raise ValueError(
            f"bins must be one of {listing(BINS)}. Received: {bins!r}.{did_you_mean(bins, BINS)}"
        )
    if max_bins < 2:
        raise ValueError(f"max_bins must be at least 2. Received: {max_bins}.")
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
    numeric, categorical = [], []
    for name in inputs:
        declared = missing.declared(name)
        if is_categorical(frame[name]):
            categorical.append(_fit_categorical(frame[name], declared))
        else:
            column = _fit_numeric(frame[name], y, target.task, bins, max_bins)
            numeric.append(replace(column, missing_values=declared))
    return Features(target, tuple(numeric), tuple(categorical), weight)


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


def _fit_categorical(series, missing_values):
    vocabulary = sorted({key for key in category_keys(series) if key is not None})
    _refuse_empty(series.name, vocabulary)
    if wrong := misreading(series):
        raise ValueError(
            f"Column {series.name!r} must hold numbers or categories. Received {wrong.what}. "
            f"{wrong.remedy} Otherwise leave the column out, or give it the dtype 'category' if "
            "each value is a category."
        )
    return CategoricalColumn(series.name, tuple(vocabulary), missing_values)


def _refuse_empty(name, anything):
    if not anything:
        raise ValueError(
            f"Column {name!r} is missing in every training row: nothing can be learned from it. "
            "Remove the column."
        )
