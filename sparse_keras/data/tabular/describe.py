"""What a table seems to hold: its task, and what becomes of each column.

For suggestions: what would make a reader refuse an input is here an entry in `data.columns` or
`data.missing`, and what would be guessed silently is a reason that is shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.data.tabular.column_kinds import ColumnKinds
from sparse_keras.data.tabular.columns import category_keys, is_categorical, numeric_values
from sparse_keras.data.tabular.csr import SparseTable, TextColumn
from sparse_keras.data.tabular.dates import is_date_dtype
from sparse_keras.data.tabular.fitting import MAX_MAGNITUDE
from sparse_keras.data.tabular.formats.base import is_unnamed
from sparse_keras.data.tabular.misreadings import (
    MISREAD_TARGETS,
    is_unspaced,
    misreading,
    target_advice,
    words_per_text,
)
from sparse_keras.data.tabular.missing import MISSING_AMONG_NUMBERS
from sparse_keras.data.tabular.target_inference import MAX_INTEGER_CLASSES, infer_target
from sparse_keras.data.tabular.targets import Target
from sparse_keras.schema.sections.tabular.columns import column_kinds

if TYPE_CHECKING:
    from sparse_keras.data.tabular.table import TabularData

_FEW_ROWS = 50
_RARE = 0.2  # Part of the rows of a class below which accuracy says little.
_FEW_VALUES = 5  # With fewer, the training rows may have none.
_ID_NAME = re.compile(r"(?:.*[^a-z])?(?:id|uuid|guid|index|rownum|rowid)", re.A)
# Least share of distinct values in a column with the name of an identifier, and least share of rows
# that are one more than the row before in a column that counts rows.
_DISTINCT, _COUNTED = 0.9, 0.99
# Words, in any case, and numbers that often mean "missing".
_LIKE_MISSING = {word.casefold() for word in MISSING_AMONG_NUMBERS} | {
    "-", "--", ".", "unknown", "missing", "not available", "undefined",
}  # fmt: skip
_SENTINELS = (-9, -99, -999, -9999, -99999, 999, 9999, 99999)
_MANY_CATEGORIES = 100
_ROWS_OF_CATEGORY = 20  # With fewer on average, most embeddings are noise.
# More words among numbers, in more rows, are hardly ways to write "missing".
_MOST_WORDS, _FEW_IN_ROWS = 5, 0.05
# A column is one of free text if its values have so many words and are mostly different.
_TEXT_WORDS, _TEXT_DISTINCT = 4, 0.2
_FEW_TEXTS, _MIN_DF = 20_000, 5


@dataclass(frozen=True)
class ColumnDescription:
    """What becomes of a column, and why.

    Args:
        name: The column.
        kind: "numeric", "categorical", "date", "text", "ignore" or "target".
        distinct: Number of distinct values, None if they were not counted.
        missing: Number of rows without a value, those with a word of `words` among them; None as
            above.
        example: A value as it is written, "" if there is none.
        why: What was decided, "" if the values leave no doubt.
        setting: The entry in `data.columns` that the kind needs, None if it needs none.
        words: Words that seem to mean "missing", for `data.missing`.
    """

    name: str
    kind: str
    distinct: int | None
    missing: int | None
    example: str
    why: str = ""
    setting: str | dict | None = None
    words: tuple = ()

    @property
    def rank(self) -> int:
        """The place of the column in a list that starts with the most surprising ones."""
        if self.kind == "ignore":
            return 0
        return 1 if self.words else 2 if self.setting is not None else 3 if self.why else 4


@dataclass(frozen=True)
class TableDescription:
    """What `describe_table` returns.

    Args:
        target: The `Target`.
        why: Why it has this task, and which other one it could have.
        columns: A tuple with the `ColumnDescription` of each column, the target first, then the
            most surprising ones.
        without_target: Number of rows whose target is missing.
        ignore_case: Whether classes differ in case only; they are taken for one.
        positive: The entry for `data.positive`: the rare one of two classes, if it is not the last
            one in alphabetical order. None otherwise.
        shares: Tuple with the part of the rows of each class, in the order of the target's.
    """

    target: Target
    why: str
    columns: tuple = ()
    without_target: int = 0
    ignore_case: bool = False
    positive: Any = None
    shares: tuple = ()

    @property
    def has_rare_class(self) -> bool:
        """Whether one of two classes has so few rows that accuracy says little."""
        return self.target.task == "binary" and min(self.shares) < _RARE

    @property
    def settings(self) -> dict:
        """The entries for `data.columns`, `{name: setting}`."""
        return {one.name: one.setting for one in self.columns if one.setting is not None}

    @property
    def missing(self) -> dict:
        """The entries for `data.missing`, `{name: words}`."""
        return {one.name: one.words for one in self.columns if one.words}

    @property
    def notes(self) -> dict:
        """Why each column is used as it is, `{name: sentence}`, where its values leave a doubt."""
        return {one.name: one.why for one in self.columns if one.why}


def describe_table(frame, target):
    """Describes a table of which only the target's name is known.

    Args:
        frame: DataFrame of all rows, or of a sample.
        target: The column to predict.

    Returns:
        A `TableDescription`.

    Raises:
        ValueError: If there is no such column, or it cannot be a target. Inputs never raise.
    """
    if target not in frame:
        raise ValueError(
            f"The table has no column {target!r}.{did_you_mean(target, frame.columns)} "
            f"Columns: {listing(frame.columns)}."
        )
    if len(frame.columns) == 1:
        raise ValueError(f"The table has no column beside the target {target!r} to learn from.")
    words, setting, note = (), None, ""
    found = misreading(frame[target]) if is_categorical(frame[target]) else None
    if found and found.kind in ("stray words", "numbers") and len(found.words) <= _MOST_WORDS:
        words, setting, note = found.words, found.setting, found.reason or found.what
        if words:
            note += "; data.missing makes them missing values"
        number_format = None
        if setting:
            number_format = ColumnKinds(column_kinds({target: setting})).number_format(target)
        numbers = numeric_values(frame[target], words, number_format)
        frame = frame.assign(**{target: pd.Series(numbers, frame.index)})
    has_target = np.not_equal(category_keys(frame[target]), None)
    if not has_target.any():
        raise ValueError(f"Target {target!r} is missing in every row.")
    without = int((~has_target).sum())
    frame = frame[has_target]
    inferred, ignore_case = _target(frame[target])
    shares = _shares(frame[target], inferred)
    rare = inferred.task == "binary" and shares[0] < _RARE
    if rare:
        inferred = replace(inferred, classes=inferred.classes[::-1])
        shares = shares[::-1]
    notes = [
        note,
        _note_on_shares(inferred, shares),
        _note_on_words(frame[target], "class"),
        _rare_classes(frame[target], inferred),
    ]
    described = [
        _described(frame[target], "target", "; ".join(filter(None, notes)), setting, words, without)
    ]
    inputs = [_described_input(frame[name]) for name in frame.columns.drop(target)]
    inputs.sort(key=lambda column: column.rank)
    return TableDescription(
        inferred,
        _why(frame[target], inferred),
        (*described, *inputs),
        without,
        ignore_case,
        inferred.classes[1] if rare else None,
        tuple(shares),
    )


def _shares(values, target):
    """The part of the rows of each class; none for numbers."""
    if not target.classes:
        return []
    sizes = np.bincount(target.encode(values).astype(int), minlength=len(target.classes))
    return (sizes / len(values)).tolist()


def _note_on_shares(target, shares):
    if target.task == "binary":
        return f"positive class {target.classes[1]!r}, {shares[1]:.1%} of the rows"
    if target.task == "multiclass":
        largest = int(np.argmax(shares))
        return f"{target.classes[largest]!r} is most frequent, {shares[largest]:.1%} of the rows"
    return ""


def used_columns(data: TabularData) -> list[ColumnDescription]:
    """Describes how each column of a table that was loaded is used, by its training rows.

    Args:
        data: The `TabularData`.
    """
    frame = data.frames["train"]
    described = []
    for name, kind, detail in data.features.kinds(
        None if isinstance(frame, SparseTable) else frame
    ):
        if isinstance(frame, SparseTable) or name not in frame:
            described.append(ColumnDescription(name, kind, None, None, "", detail))
        else:
            described.append(_described(frame[name], kind, detail))
    return described + [
        ColumnDescription(name, "ignore", None, None, "", "data.columns") for name in data.ignored
    ]


def _described(series, kind, why="", setting=None, words=(), missing=0):
    present = series.dropna()
    text = present.astype(str).str.strip()
    gone = text.isin(words)
    example = text[~gone].iloc[0] if not gone.all() else ""
    return ColumnDescription(
        series.name,
        kind,
        int(present[~gone].nunique()),
        int(series.isna().sum() + gone.sum()) + missing,
        example,
        why,
        setting,
        tuple(words),
    )


def _described_input(series):
    if is_unnamed(series.name):
        why = "it has no name in the file, as the numbers or names of rows have none"
        return _described(series, "ignore", why, "ignore")
    found = misreading(series) if is_categorical(series) else None
    if found and found.kind == "stray words" and _are_few(found.words, series):
        why = f"{found.what}; data.missing makes them missing values"
        return _described(series, "numeric", why, words=found.words)
    if not is_categorical(series) and (infinite := _infinite(series)):
        shown = " and ".join(map(str, infinite))
        rows = _rows(int(series.isin(infinite).sum()))
        described = _described_input(series.mask(series.isin(infinite)))
        why = f"{shown} in {rows}; data.missing makes them missing values"
        return replace(described, why="; ".join(filter(None, [why, described.why])), words=infinite)
    if reason := _useless(series, found):
        return _described(series, "ignore", reason, "ignore")
    if found:
        if found.setting == "text":
            return _described_text(series, found.reason)
        setting = found.setting
        kind = setting if isinstance(setting, str) else setting["type"]
        if is_date_dtype(series):
            return _described(series, "date")
        return _described(series, kind, found.reason, setting, found.words)
    if is_categorical(series):
        if _is_free_text(series):
            why = "free text: most values are several words, and different"
            return _described_text(series, why)
        setting = {}
        if spellings := _note_on_case(series):
            setting["ignore_case"] = True
        if rare := _note_on_categories(series):
            setting["min_count"] = _ROWS_OF_CATEGORY
        same = "the same value in all rows" if series.nunique() == 1 else ""
        notes = [_note_on_words(series, "category"), spellings, rare, same]
        why = "; ".join(filter(None, notes))
        return _described(
            series, "categorical", why, {"type": "categorical", **setting} if setting else None
        )
    return _described(series, "numeric", _note_on_sentinel(series))


def _infinite(series):
    """The infinite numbers of a column, if there are few; a tuple of floats."""
    values = numeric_values(series)
    infinite = np.isinf(values)
    if not 0 < infinite.sum() <= _FEW_IN_ROWS * len(values):
        return ()
    return tuple(np.unique(values[infinite]).tolist())


def _described_text(series, why):
    """A column of free text: by its words, otherwise by its characters."""
    characters = {"type": "text", "ngram_max": 0, "char_ngram_max": 4}
    settings = [characters]
    if not is_unspaced(series.dropna().astype(str)):
        settings.insert(0, _text_setting(len(series)))
    for setting in settings:
        kinds = ColumnKinds({series.name: column_kinds({"text": setting})["text"]})
        try:
            for options in kinds.text_columns(series.name):
                TextColumn.fit(series, **options)
        except ValueError:
            continue
        return _described(series, "text", why, setting)
    return _described(series, "ignore", f"{why}, but too few words occur in several rows", "ignore")


def _text_setting(rows):
    """The entry in `data.columns` for free text: of few texts, single words that are not rare."""
    return "text" if rows > _FEW_TEXTS else {"type": "text", "ngram_max": 1, "min_df": _MIN_DF}


def _are_few(words, series):
    """Whether words among numbers are few, or stand in few rows: ways to write "missing"."""
    in_rows = series.astype(str).str.strip().isin(words).mean()
    return len(words) <= _MOST_WORDS or in_rows <= _FEW_IN_ROWS


def _is_free_text(series):
    """Whether many different values are several words each."""
    if pd.api.types.is_bool_dtype(series.dtype):
        return False
    values = pd.Series(series.dropna().unique()).astype(str)
    if len(values) <= max(_MANY_CATEGORIES, _TEXT_DISTINCT * len(series)):
        return False
    return words_per_text(values) >= _TEXT_WORDS


def _target(values):
    """The `Target`, and whether it has classes that differ in case only."""
    found = misreading(values) if is_categorical(values) else None
    if found and found.kind in MISREAD_TARGETS:
        raise ValueError(
            f"Target {values.name!r} holds {found.what}. {target_advice(found, values.name)}"
        )
    if _is_identifier(values):
        raise ValueError(
            f"Target {values.name!r} holds a different number in each row, as identifiers and "
            "numbers of rows do, which cannot be predicted. If they are amounts, write a config by "
            "hand, with data.task: regression."
        )
    merged = infer_target(values, ignore_case=True)
    as_written = infer_target(values, ignore_case=False)
    return merged, merged.classes != as_written.classes


def _why(values, target):
    if target.task == "binary":
        return "it has two values"
    count = values.nunique()
    if is_categorical(values):
        return f"it has {count} distinct texts"
    whole = (numeric_values(values) % 1 == 0).all()
    if target.task == "multiclass":
        return (
            f"it has {count} distinct whole numbers (up to {MAX_INTEGER_CLASSES} are classes); set "
            "task: regression if they are counts or amounts"
        )
    if count <= MAX_INTEGER_CLASSES and whole:
        return f"it has {count} numbers with decimals; set task: multiclass if they are classes"
    return f"it has {count} distinct numbers"


def _rare_classes(values, target):
    """A note on classes that have hardly any rows, or ""."""
    if target.task not in ("binary", "multiclass"):
        return ""
    sizes = np.bincount(target.encode(values).astype(int), minlength=len(target.classes))
    rare = np.flatnonzero(sizes < _FEW_VALUES)
    if not len(rare):
        return ""
    shown = ", ".join(f"{target.classes[code]!r} ({_rows(sizes[code])})" for code in rare[:4])
    more = f" and {len(rare) - 4} more" if len(rare) > 4 else ""
    return f"too few rows to learn and to test: {shown}{more}"


def _note_on_words(series, kind):
    """A note on words such as "None" or "-" that are values of a column of text, or ""."""
    if not is_categorical(series):
        return ""
    keys = pd.Series(category_keys(series))
    counts = keys[keys.str.casefold().isin(_LIKE_MISSING)].value_counts()
    if counts.empty:
        return ""
    shown = ", ".join(f"{word!r} ({_rows(rows)})" for word, rows in counts.items())
    return f"taken for a {kind}: {shown}; list it in data.missing if it means missing"


def _note_on_case(series):
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


def _note_on_categories(series):
    """A note on very many categories, or ""."""
    keys = pd.Series(category_keys(series)).dropna()
    count = keys.nunique()
    if count > _MANY_CATEGORIES and count * _ROWS_OF_CATEGORY > len(keys):
        rare = int((keys.value_counts() < _ROWS_OF_CATEGORY).sum())
        return (
            f"{count:,} categories in {_rows(len(keys))}; {rare:,} of them in fewer than "
            f"{_ROWS_OF_CATEGORY} rows, too few to learn from, share one"
        )
    return ""


def _note_on_sentinel(series):
    """A note on a number that seems to mean "missing", or ""."""
    values = series.dropna()
    if values.nunique() == 1:
        return "the same value in all rows"
    for sentinel in _SENTINELS:
        others = values[values != sentinel]
        beyond = others.min() >= 0 if sentinel < 0 else others.max() < sentinel / 4
        if len(values) - len(others) > 1 and len(others) and beyond:
            note = f"{sentinel} in {_rows(len(values) - len(others))}, far from the other values"
            return f"{note}; list it in data.missing if it means missing"
    return ""


def _rows(count):
    return f"{count:,} row{'' if count == 1 else 's'}"


def _useless(series, found):
    """Why nothing can be learned from an input, in words, or "".

    Args:
        series: The column.
        found: Its `Misreading`, or None.
    """
    present = series[series.notna()]
    if present.empty:
        return "no value"
    if len(present) < _FEW_VALUES < len(series):
        return f"values in {len(present)} of {len(series)} rows only"
    if is_categorical(series):
        learnable = found is None or found.setting not in (None, "ignore")
        if found and found.kind == "stray words":
            return f"{found.what}: neither numbers nor categories"
        return "" if learnable else found.what
    values = numeric_values(present)
    beyond = ~(np.abs(values) < MAX_MAGNITUDE)
    if beyond.any():
        return f"{values[beyond.argmax()]} in row {int(present.index[beyond.argmax()]) + 1}"
    return "a different number in each row (an identifier)" if _is_identifier(present) else ""


def _is_identifier(series):
    """Whether whole numbers, nearly all distinct, count rows or are called an identifier."""
    if is_categorical(series) or len(series) <= _FEW_ROWS:
        return False
    values = numeric_values(series)
    if not (values % 1 == 0).all():  # Neither infinite.
        return False
    if _ID_NAME.fullmatch(str(series.name).lower()):
        return series.nunique() >= _DISTINCT * len(series)
    return bool((np.diff(values) == 1).mean() >= _COUNTED)
