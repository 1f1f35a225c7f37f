"""Chooses which raw columns of a table are used: `data.features`, done by `feature_selection`.

The selectors see numbers. A numeric column is standardised, with 0, its mean, where a value is
missing. A categorical column becomes a block of indicators, one for each of its most frequent
categories (missing values are one of them, and rare categories share one). They are selected
together: a column's score is that of its best indicator. So every method selects raw columns, and
the number of columns to keep counts raw columns.

Axis letters: N rows, D positions of the encoding.
"""

from dataclasses import replace

import numpy as np

from sparse_keras._internal.autologging import without_autologging
from sparse_keras.data.tabular.fitting import fit_features
from sparse_keras.data.tabular.multi_target import MultiTarget
from sparse_keras.data.tabular.selection import Selection

# Categories of a column that get an indicator of their own.
MAX_CATEGORIES = 20
# Scores are stored as JSON, which has no infinity.
MAX_SCORE = 1e300


@without_autologging()
def select_columns(frame, target, options, seed=0, weight=None, kinds=None):
    """Chooses columns by the training rows.

    Args:
        frame: DataFrame of the training rows, target columns included.
        target: A `Target` or a `MultiTarget`. Several targets, and the labels of a "multilabel"
            one, count alike; a row without a label says nothing of that label's target.
        options: A section of `schema.features`.
        seed: Seed of the rows that are drawn, and of methods that draw.
        weight: The column of weights, which is not an input. The choice ignores it.
        kinds: The `ColumnKinds` of the columns. Columns of text are not chosen among: all are used.

    Returns:
        A `Selection`.

    Raises:
        ValueError: If more columns are asked for than there are, or the data cannot be used.
    """
    columns = fit_features(frame, target, bins="none", weight=weight, columns=kinds)
    columns = replace(columns, texts=())
    if not columns.columns:
        raise ValueError(
            "data.features: all columns are text, among which nothing is chosen. Leave the key out."
        )
    _refuse_too_many(getattr(options, "count", None), len(columns.columns))
    if options.max_rows is not None and len(frame) > options.max_rows:
        rows = np.random.default_rng(seed).choice(len(frame), options.max_rows, replace=False)
        frame = frame.iloc[np.sort(rows)].reset_index(drop=True)
    x, groups = _encoded(columns, frame)
    selector = selector_of(options, groups, seed)
    selector.fit_targets(x, target_columns(target, frame))
    return _selection(columns.columns, groups, selector, options.type)


def selector_of(options, groups, seed):
    """The unfitted selector that a section of `schema.features` describes."""
    # Imported here: loading a saved model imports this module but needs no selectors.
    from sparse_keras.feature_selection import METHODS, AutoSelector

    arguments = options.kwargs()
    arguments.pop("max_rows")
    if "count" in arguments:
        arguments["n_features_to_select"] = arguments.pop("count")
    kind = AutoSelector if options.type == "auto" else METHODS[options.type]
    selector = kind(**arguments, groups=groups)
    if "random_state" in selector.get_params():
        selector.set_params(random_state=seed)
    return selector


def target_columns(target, frame):
    """The `feature_selection.TargetColumn`s of a target: one for each of several, for each label.

    Args:
        target: A `Target` or a `MultiTarget`.
        frame: A table with its columns.
    """
    from sparse_keras.feature_selection import TargetColumn

    if isinstance(target, MultiTarget):
        return [column for one in target.targets for column in target_columns(one, frame)]
    y, known = target.encode_present(frame)
    known = None if known.all() else known
    if target.task == "regression":
        return [TargetColumn(y.astype("float64"), known=known)]
    columns = y.astype("int64").reshape(len(y), -1).T
    classes = len(target.classes) if target.task == "multiclass" else 2
    return [TargetColumn(column, classes, known) for column in columns]


def _encoded(columns, frame):
    """`(x [N, D], the number of the raw column behind each position [D])`."""
    encoded = columns.encode(frame)
    # A date has several numbers.
    groups = list(range(len(columns.numeric)))
    for number, date in enumerate(columns.dates, len(groups)):
        groups += [number] * len(date.parts)
    blocks = [encoded["numeric"][:, : len(groups)].astype("float64")] if groups else []
    first = len(columns.numeric) + len(columns.dates)
    for number in range(len(columns.categorical)):
        block = _indicators(encoded["categorical"][:, number])
        blocks.append(block)
        groups += [first + number] * block.shape[1]
    return np.concatenate(blocks, axis=1), np.array(groups)


def _indicators(codes):
    """Indicators `[N, categories]` of the most frequent codes, and one for all others."""
    distinct, numbers, sizes = np.unique(codes, return_inverse=True, return_counts=True)
    places = np.empty(len(distinct), int)
    places[np.argsort(-sizes, kind="stable")] = np.arange(len(distinct))
    places = np.minimum(places, MAX_CATEGORIES)
    block = np.eye(places.max() + 1)[places[numbers]]
    # Of two complementary columns, one has all the information.
    return block[:, :1] if block.shape[1] == 2 else block


def _refuse_too_many(count, available):
    if isinstance(count, int) and count > available:
        raise ValueError(
            f"data.features.count: {count} columns are to be kept, but there are {available}."
        )


def _selection(names, groups, selector, kind):
    best = np.full(len(names), np.nan)  # A selector may leave columns without a score.
    np.fmax.at(best, groups, np.clip(selector.scores_, None, MAX_SCORE))
    ranks = np.empty(len(names), int)
    ranks[groups] = selector.ranking_
    order = np.argsort(ranks, kind="stable")[: selector.n_features_to_select_]
    searched = ()
    if kind == "auto":
        found = selector.results_
        # Without the seconds, which differ each time: the result is part of the data's digest.
        keys = ("method", "count", "mean_score", "std_score", "chosen")
        rows = zip(*(found[key].tolist() for key in keys), strict=True)
        searched = tuple(dict(zip(keys, row, strict=True)) for row in rows)
    return Selection(
        selector.best_method_ if kind == "auto" else kind,
        tuple(names[number] for number in order),
        dict(zip(names, best.tolist(), strict=True)),
        searched,
    )
