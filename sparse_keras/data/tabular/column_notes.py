"""Notes on the values of a column, in words; "" where there is nothing to note."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sparse_keras._internal.suggest import listing
from sparse_keras.data.tabular.columns import category_keys, is_categorical
from sparse_keras.data.tabular.missing import MISSING_AMONG_NUMBERS

FEW_ROWS = 50
FEW_VALUES = 5  # With fewer, the training rows may have none.
# Words, in any case, and numbers that often mean "missing".
_LIKE_MISSING = {word.casefold() for word in MISSING_AMONG_NUMBERS} | {
    "-", "--", ".", "unknown", "missing", "not available", "undefined",
}  # fmt: skip
_SENTINELS = (-9, -99, -999, -9999, -99999, 999, 9999, 99999)
MANY_CATEGORIES = 100
# With fewer on average, most embeddings are noise; larger models need less, as was measured on
# tables of 5,000 and of 28,000 rows.
_ROWS_OF_CATEGORY, _ROWS_OF_CATEGORY_OF_MANY, _MANY_ROWS = 20, 5, 20_000


def note_on_shares(target, shares):
    """A note on the positive or the most frequent class, or "" for numbers."""
    if target.task == "binary":
        return f"positive class {target.classes[1]!r}, {shares[1]:.1%} of the rows"
    if target.task == "multiclass":
        largest = int(np.argmax(shares))
        return f"{target.classes[largest]!r} is most frequent, {shares[largest]:.1%} of the rows"
    return ""


def note_on_rare_classes(values, target):
    """A note on classes that have hardly any rows, or ""."""
    if target.task not in ("binary", "multiclass"):
        return ""
    sizes = np.bincount(target.encode(values).astype(int), minlength=len(target.classes))
    rare = np.flatnonzero(sizes < FEW_VALUES)
    if not len(rare):
        return ""
    shown = ", ".join(f"{target.classes[code]!r} ({rows_text(sizes[code])})" for code in rare[:4])
    more = f" and {len(rare) - 4} more" if len(rare) > 4 else ""
    return f"too few rows to learn and to test: {shown}{more}"


def note_on_words(series, kind):
    """A note on words such as "None" or "-" that are values of a column of text, or ""."""
    if not is_categorical(series):
        return ""
    keys = pd.Series(category_keys(series))
    counts = keys[keys.str.casefold().isin(_LIKE_MISSING)].value_counts()
    if counts.empty:
        return ""
    shown = ", ".join(f"{word!r} ({rows_text(rows)})" for word, rows in counts.items())
    return f"taken for a {kind}: {shown}; list it in data.missing if it means missing"


def note_on_case(series):
    """A note on categories that differ in case only, or ""."""
    keys = [key for key in set(category_keys(series)) if key is not None]
    spellings = {}
    for key in sorted(keys):
        spellings.setdefault(key.lower(), []).append(key)
    several = [keys for keys in spellings.values() if len(keys) > 1]
    if not several:
        return ""
    shown = listing(several[0], limit=3)
    return f"{len(spellings):,} categories, of which {len(several):,} differ in case, as {shown}"


def rows_of_category(series):
    """Least number of rows that a category should have."""
    return _ROWS_OF_CATEGORY if len(series) <= _MANY_ROWS else _ROWS_OF_CATEGORY_OF_MANY


def note_on_categories(series):
    """A note on very many categories, or ""."""
    keys = pd.Series(category_keys(series)).dropna()
    count, least = keys.nunique(), rows_of_category(series)
    if count > MANY_CATEGORIES and count * least > len(keys):
        rare = int((keys.value_counts() < least).sum())
        return (
            f"{count:,} categories in {rows_text(len(keys))}; {rare:,} of them in fewer than "
            f"{least} rows, too few to learn from, share one"
        )
    return ""


def note_on_numbers(series):
    """A note on numbers that say nothing, or identify rows, or on one that seems to mean "missing";
    or ""."""
    values = series.dropna()
    if values.nunique() == 1:
        return "the same value in all rows"
    if len(values) > FEW_ROWS and values.nunique() == len(values) and (values % 1 == 0).all():
        return "a different whole number in each row; set data.columns to ignore if it identifies"
    for sentinel in _SENTINELS:
        others = values[values != sentinel]
        beyond = others.min() >= 0 if sentinel < 0 else others.max() < sentinel / 4
        if len(values) - len(others) > 1 and len(others) and beyond:
            rows = rows_text(len(values) - len(others))
            return (
                f"{sentinel} in {rows}, far from the other values; list it in data.missing if it "
                "means missing"
            )
    return ""


def rows_text(count):
    """A number of rows in words."""
    return f"{count:,} row{'' if count == 1 else 's'}"
