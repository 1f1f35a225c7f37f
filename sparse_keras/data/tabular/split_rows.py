"""Which rows of a table are for training, validation and testing: by a column, by group, by time.

`splits.py` holds out rows at random.
"""

import numpy as np
import pandas as pd

from sparse_keras._internal.suggest import listing
from sparse_keras.data.tabular.columns import (
    category_key,
    category_keys,
    numeric_values,
    row_number,
)
from sparse_keras.data.tabular.dates import guess_formats, is_date_dtype, seconds_of
from sparse_keras.data.tabular.split import PARTS, Split
from sparse_keras.data.tabular.splits import strata_of

# Draws of groups, of which the one is used that comes nearest to the fraction of each class. Of
# many groups each draw comes near, so that fewer are enough.
_FEWEST_DRAWS, _MOST_DRAWS, _DRAWN = 100, 1000, 10**7
_SHOWN = 5


def split_rows(split, values, frame, target, fractions, seed):
    """Assigns each row of a table to a part.

    Args:
        split: The section `data.split`: a `ColumnSplit`, a `GroupSplit` or a `TimeSplit`.
        values: The column that decides, as it was read: a Series of N values.
        frame: DataFrame of the N rows, with the target.
        target: The `Target` or `MultiTarget`.
        fractions: Dict with the fractions of the rows that are held out: "test", and "validation"
            of the others. A part that is not in it gets no rows.
        seed: Seed of the draw of groups.

    Returns:
        `(parts, split)`: an array `[N]` of the names of parts, and the `Split`.

    Raises:
        ValueError: If a part would be empty, or a value of the column does not say which part.
    """
    if split.type == "column":
        return _by_column(split, values)
    if split.type == "group":
        strata = strata_of(frame, target, min(fractions.values()))
        return _by_group(split, values, strata, fractions, seed)
    return _by_time(split, values, fractions)


def _by_column(split, values):
    named = {part: getattr(split, part) for part in PARTS}
    part_of = {category_key(value): part for part in PARTS for value in named[part]}
    keys = category_keys(values)
    parts = np.array([part_of.get(key, "") for key in keys], dtype=object)
    lists = ", ".join(f"{part}: [{', '.join(map(str, named[part]))}]" for part in PARTS)
    if (parts == "").any():
        unknown = pd.Series(keys[parts == ""], dtype=object)
        counts = unknown.fillna("\0missing").value_counts()
        shown = [
            f"{'a missing value' if key == chr(0) + 'missing' else repr(key)} in {rows:,}"
            for key, rows in counts.iloc[:_SHOWN].items()
        ]
        more = f" and {len(counts) - _SHOWN} more values" if len(counts) > _SHOWN else ""
        raise ValueError(
            f"data.split: {len(unknown):,} of {len(keys):,} rows hold a value of {split.column!r} "
            f"that is in no part: {', '.join(shown)}{more} rows. The values are set by data.split: "
            f"{{{lists}}}."
        )
    for part in PARTS:
        if named[part] and not (parts == part).any():
            instead = (
                " data.split.validation: [] draws validation rows from the training rows."
                if part == "validation"
                else ""
            )
            present = pd.Series(keys).value_counts().index[:_SHOWN]
            raise ValueError(
                f"data.split: no row is for {_PURPOSE[part]}, since {split.column!r} holds none of "
                f"{listing(named[part])}. It holds {listing(present)}.{instead}"
            )
    described = {
        part: {"values": [str(value) for value in named[part] if category_key(value) in set(keys)]}
        for part in PARTS
        if named[part]
    }
    return parts, Split("column", split.column, parts=described)


_PURPOSE = {"train": "training", "validation": "validation", "test": "testing"}


def _by_group(split, values, strata, fractions, seed):
    groups, unnamed = group_codes(values)
    parts = np.full(len(groups), "train", dtype=object)
    for part in ("test", "validation"):
        if part in fractions:
            rows = np.flatnonzero(parts == "train")
            held = _held_out_groups(groups[rows], strata[rows], fractions[part], seed, split, part)
            parts[rows[held]] = part
    counts = {part: {"groups": len(np.unique(groups[parts == part]))} for part in PARTS}
    notes = ()
    if unnamed:
        rows = "row" if unnamed == 1 else "rows"
        notes = (f"{unnamed:,} {rows} without a value, each a group of its own",)
    return parts, Split(
        "group",
        split.column,
        drawn=tuple(fractions),
        seed=seed,
        parts={part: counts[part] for part in PARTS if part == "train" or part in fractions},
        notes=notes,
    )


def group_codes(values):
    """Returns the number of the group of each row, int `[N]`, and how many rows have no group.

    Each row without one is a group of its own.
    """
    codes, names = pd.factorize(category_keys(values))
    unnamed = codes < 0
    codes[unnamed] = len(names) + np.arange(unnamed.sum())
    return codes, int(unnamed.sum())


def _held_out_groups(groups, strata, fraction, seed, split, part):
    """Marks the rows of the groups that are held out, bool `[N]`.

    scikit-learn's `ShuffleSplit` draws a fraction of the groups, many times, and the best draw is
    used: a single draw (`GroupShuffleSplit`) may hold out far more or fewer rows than wanted, or of
    one class. `StratifiedGroupKFold` can hold out 1/k of the rows only, and where groups differ in
    size it comes less close.
    """
    # Imported here: loading a saved model imports this package but splits nothing.
    from sklearn.model_selection import ShuffleSplit

    _, groups = np.unique(groups, return_inverse=True)
    _, strata = np.unique(strata, return_inverse=True)
    number = groups.max() + 1 if len(groups) else 0
    if number < 2:
        raise ValueError(
            f"data.split: rows for {_PURPOSE[part]} need groups of their own. Number of groups of "
            f"{split.column!r} that are left for them and for training: {number}."
        )
    rows = np.zeros((number, strata.max() + 1))
    np.add.at(rows, (groups, strata), 1)
    wanted = fraction * rows.sum(axis=0)
    share = min(max(round(fraction * number), 1), number - 1)
    draws = int(np.clip(_DRAWN // number, _FEWEST_DRAWS, _MOST_DRAWS))
    best, least = None, np.inf
    for _, drawn in ShuffleSplit(draws, test_size=share, random_state=seed).split(rows):
        off = np.abs(rows[drawn].sum(axis=0) - wanted)
        # Of all rows, and of the class that is off most.
        error = off.sum() / wanted.sum() + (off / np.maximum(wanted, 1.0)).max()
        if error < least:
            best, least = drawn, error
    return np.isin(groups, best)


def _by_time(split, values, fractions):
    times = time_values(split, values)
    distinct, order, rows = np.unique(times, return_inverse=True, return_counts=True)
    needed = 1 + len(fractions)
    if len(distinct) < needed:
        raise ValueError(
            f"data.split: rows of equal time are in one part, so that {needed} parts need at least "
            f"{needed} distinct times. {split.column!r} has {len(distinct)}."
        )
    before = np.concatenate([[0], np.cumsum(rows)])  # Number of rows before each time.
    part_of_time = np.full(len(distinct), "train", dtype=object)
    end = len(distinct)
    for earlier, part in ((needed - 1, "test"), (1, "validation")):
        if part in fractions:
            wanted = before[end] * (1.0 - fractions[part])
            starts = np.arange(earlier, end)
            start = int(starts[np.abs(before[starts] - wanted).argmin()])
            part_of_time[start:end] = part
            end = start
    parts = part_of_time[order]
    described = {
        part: time_range(times[parts == part], split, values) for part in ("train", *fractions)
    }
    return parts, Split("time", split.column, parts=described)


def time_values(split, values):
    """Returns the times of rows as float64 `[N]`: numbers, or seconds since 1970.

    Raises:
        ValueError: If some are missing, or neither numbers nor dates.
    """
    if split.format is None and _holds_numbers(values):
        times = numeric_values(values)
    else:
        try:
            times = seconds_of(values, split.format or ())
        except ValueError as error:
            raise ValueError(f"data.split: {error}{_format_hint(split, values)}") from None
    missing = np.isnan(times)
    if missing.any():
        raise ValueError(
            f"data.split: the time {split.column!r} is missing in {int(missing.sum()):,} of "
            f"{len(times):,} rows, first in row {row_number(values, missing.argmax())} (the first "
            "row of data is 1). Fill in these cells, or remove the rows."
        )
    return times


def _holds_numbers(values):
    numeric = pd.api.types.is_numeric_dtype(values.dtype)
    return numeric and not pd.api.types.is_bool_dtype(values.dtype)


def _format_hint(split, values):
    found = None if split.format is not None or is_date_dtype(values) else guess_formats(values)
    if found is None:
        return " Set data.split.format, such as '%d/%m/%Y'."
    formats = ", ".join(f"'{one}'" for one in found.formats)
    formats = formats if len(found.formats) == 1 else f"[{formats}]"
    doubt = f" (or '{found.ambiguous}': no day is above 12)" if found.ambiguous else ""
    return f" Set data.split.format: {formats}{doubt}."


def time_range(times, split, values):
    """The `first` and the `last` of times in words, for `Split.parts`."""
    dates = split.format is not None or not _holds_numbers(values)
    first, last = times.min(), times.max()
    if not dates:
        return {"first": f"{first:.15g}", "last": f"{last:.15g}"}
    # A time of day is shown if any row has one.
    whole = not (times % 86_400).any()
    return {"first": _date(first, whole), "last": _date(last, whole)}


def _date(seconds, whole):
    text = np.datetime64(int(seconds), "s")
    return str(text.astype("datetime64[D]") if whole else text)
