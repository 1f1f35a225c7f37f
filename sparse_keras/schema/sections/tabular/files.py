"""`data`: a table in a file of your own."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from sparse_keras._internal.csv_characters import (
    why_no_decimal,
    why_no_encoding,
    why_no_separator,
)
from sparse_keras.schema.core.section import BrokenRules, Count, Path, Text
from sparse_keras.schema.sections.tabular.columns import (
    Columns,
    NumericKind,
    OneCharacter,
    kind_of,
)
from sparse_keras.schema.sections.tabular.splits import RandomSplit, SplitConfig
from sparse_keras.schema.sections.tabular.table import IGNORE_CASE, TestSplit


def _column_or_several(value):
    several = tuple(value) if isinstance(value, (list, tuple)) else value
    if value and isinstance(value, str):
        return value
    if isinstance(several, (tuple, dict)) and len(several) > 1:
        if all(column and isinstance(column, str) for column in several):
            return several
    raise PydanticCustomError(
        "target",
        "Input should be a column, a list of at least two columns, or a mapping of at least two "
        "columns to their tasks",
    )


def _as_tuples(value):
    lists = value.values() if isinstance(value, dict) else [value]
    for one in lists:
        if not isinstance(one, (list, tuple)) or not all(
            isinstance(item, (str, int, float)) and not isinstance(item, bool) for item in one
        ):
            raise PydanticCustomError(
                "missing",
                "Input should be a list of words and numbers, or a mapping from columns to such "
                "lists; quote 'null', 'true' and the like",
            )
    if isinstance(value, dict):
        return {name: tuple(one) for name, one in value.items()}
    return tuple(value)


# Infinite numbers may mean missing, too.
Words = tuple[str | Annotated[float, Field(allow_inf_nan=True)], ...]
MissingSetting = Annotated[
    Words | dict[Text, Words] | None,
    BeforeValidator(lambda value: None if value is None else _as_tuples(value)),
]
TaskName = Literal["auto", "binary", "multiclass", "regression"]


class FileSection(TestSplit):
    """A file of your own."""

    FILES = ("path", "test_path", "validation_path")
    ADDED = ("split", "test_path", "validation_path", "positive")

    path: Path = Field(
        description="Path of the file, relative to the folder of the YAML file that gives it."
    )
    test_path: Path | None = Field(
        None,
        description="Path of a file with the test rows, in the format of `path` and with its "
        "columns. Null: test rows are taken from `path`.",
    )
    validation_path: Path | None = Field(
        None,
        description="Path of a file with the validation rows, in the format of `path` and with its "
        "columns. Null: validation rows are taken from `path`.",
    )
    split: SplitConfig = Field(
        default_factory=RandomSplit,
        description="Which rows of `path` are for training, validation and testing: drawn at "
        "random, by a column, by group or by time.",
    )
    target: Annotated[
        Text | tuple[Text, ...] | dict[Text, TaskName], BeforeValidator(_column_or_several)
    ] = Field(
        description="The column to predict; a list of columns of 0 and 1 (multi-label); "
        "or, for a multi-task model, a mapping from columns to the kind of target of each. "
        "With several targets, labels may be missing in some rows."
    )
    task: TaskName = Field("auto", description="Kind of target; auto infers it from the values.")
    positive: Text | int | float | bool | None = Field(
        None,
        description="The positive one of two classes: the model predicts its probability. Null: "
        "the last one in alphabetical order, such as yes, 1 and true.",
    )
    weight: Text | None = Field(
        None,
        description="A column of non-negative weights: how much each row counts in the "
        "loss and the metrics. It is not an input. Null: all rows count the same.",
    )
    columns: Columns = Field(
        default_factory=dict,
        description="The kind of each column whose values suggest another one: numeric, "
        "categorical, date, text or ignore; or a mapping with the kind as its type, such as {type: "
        "date, format: '%d.%m.%Y'}.",
    )
    missing: MissingSetting = Field(
        None,
        description="More words and numbers that mean a missing value: a list for all columns, "
        "such as [unknown, -999], or a mapping from columns to lists. Empty cells, ?, NaN, nan and "
        "<NA> always do; NA, N/A, n/a, null, NULL and None do in columns whose other values are "
        "numbers, and are values in columns of text.",
    )
    missing_target: Literal["error", "drop"] = Field(
        "error",
        description="Whether rows without a target raise an error or are left out. Does not apply "
        "to several targets, of which some may be missing.",
    )
    ignore_case: bool | None = IGNORE_CASE
    max_rows: Count | None = Field(
        None,
        description="Maximum number of rows of each file, drawn at random with split_seed, for "
        "files larger than memory. Null: all.",
    )

    @property
    def has_weights(self) -> bool:
        return self.weight is not None

    @property
    def why_no_validation(self) -> str | None:
        if self._validation_rows_are_named:
            return None
        return super().why_no_validation

    @property
    def _validation_rows_are_named(self) -> str | None:
        """What names the validation rows, if they are not a fraction of the rows; else None."""
        if self.split.type == "column" and self.split.validation:
            return "data.split.validation names the validation rows"
        if self.validation_path is not None:
            return "data.validation_path names the validation rows"
        return None

    def unused(self) -> dict[str, str]:
        unused = super().unused()
        if not isinstance(self.target, str):
            several = isinstance(self.target, dict)
            kind = "mapping of columns to tasks" if several else "list of labels"
            unused["task"] = f"target is a {kind}"
            unused["positive"] = f"target is a {kind}"
        by_column = self.split.type == "column"
        if by_column:
            reason = "data.split.test names the test rows"
            unused |= {"test_fraction": reason, "test_path": reason}
        elif self.test_path is not None:
            unused["test_fraction"] = "data.test_path names the test rows"
        if named := self._validation_rows_are_named:
            unused["validation_fraction"] = named
            if by_column and self.split.validation:
                unused["validation_path"] = named
        draws_validation = not named and self.validation_fraction > 0
        draws_test = self.test_path is None
        if not by_column and not draws_test and not draws_validation:
            unused["split"] = "no rows of data.path are for validation or testing"
        random = draws_validation if by_column else draws_validation or draws_test
        if not random or self.split.type == "time":
            if self.max_rows is None and self.features is None:
                unused["split_seed"] = "no rows are drawn at random"
        return unused

    def rules(self) -> BrokenRules:
        yield from super().rules()
        decimal = getattr(self, "decimal", ".")
        for name, setting in self.columns.items():
            kind = kind_of(setting)
            if isinstance(kind, NumericKind) and kind.thousands == (kind.decimal or decimal):
                yield f"columns.{name}.thousands", "is the decimal separator, too"
        if self.weight is not None and self.weight in self.columns:
            yield f"columns.{self.weight}", "is the column of weights, which is not an input"
        targets = (self.target,) if isinstance(self.target, str) else self.target
        if len(set(targets)) < len(targets):
            yield "target", "a column is listed twice"
        are_labels = isinstance(self.target, tuple)
        for name in targets:
            if name in self.columns and (
                are_labels or not isinstance(kind_of(self.columns[name]), NumericKind)
            ):
                yield (
                    f"columns.{name}",
                    "is the target, of which columns can only say how numbers are written, such "
                    "as {type: numeric, unit: $}; its kind is set by task",
                )
            if name == self.weight:
                yield "weight", f"{name!r} is the target"
        yield from self._rules_of_split(targets)

    def _rules_of_split(self, targets) -> BrokenRules:
        column = getattr(self.split, "column", None)
        if column is None:
            return
        if column in targets:
            yield "split.column", f"{column!r} is the target"
        if column == self.weight:
            yield "split.column", f"{column!r} is the column of weights"
        kind = kind_of(self.columns[column]).type if column in self.columns else None
        is_input = self.split.type == "time" or getattr(self.split, "input", False)
        if not is_input and kind not in (None, "ignore"):
            hint = "; set split.input: true to use it as one" if self.split.type == "group" else ""
            yield f"columns.{column}", f"is the column of the split, which is not an input{hint}"
        if self.split.type == "group" and self.split.input and kind == "ignore":
            yield "split.input", f"is true, and columns.{column} is ignore"


class CSV(FileSection):
    """A CSV file of your own, with a header line."""

    ADDED = (*FileSection.ADDED, "encoding")

    type: Literal["csv"] = Field("csv", description="A CSV file of your own.")
    separator: OneCharacter = Field(
        ",",
        description="The character that separates columns. A file that declares its own in its "
        "first line, such as sep=;, is read with that.",
    )
    decimal: OneCharacter = Field(".", description="The decimal separator of numbers.")
    encoding: Text = Field(
        "utf-8",
        description="The encoding of the text, such as cp1252. A file that starts with a byte "
        "order mark is read as that says.",
    )

    def rules(self) -> BrokenRules:
        yield from super().rules()
        if wrong := why_no_separator(self.separator):
            yield "separator", wrong
        if wrong := why_no_decimal(self.decimal, self.separator):
            yield "decimal", wrong
        if wrong := why_no_encoding(self.encoding):
            yield "encoding", wrong


class Parquet(FileSection):
    """A Parquet file of your own."""

    type: Literal["parquet"] = Field("parquet", description="A Parquet file of your own.")


class Excel(FileSection):
    """A sheet of an Excel workbook (.xlsx) of your own, with a row that names the columns."""

    type: Literal["excel"] = Field("excel", description="An Excel workbook of your own.")
    sheet: Text | None = Field(
        None, description="The name of the sheet. Null: the only one that holds anything."
    )
    header_row: Count = Field(
        1, description="The row of the sheet that names the columns; rows above it are left out."
    )


class NPZ(FileSection):
    """NumPy arrays of your own: an array of rank 1 is one column, an array of rank 2 several."""

    type: Literal["npz"] = Field("npz", description="NumPy arrays of your own, from numpy.savez.")
