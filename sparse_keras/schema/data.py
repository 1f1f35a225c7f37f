"""`data`: the table to learn from, one of the package's or a file of one's own."""

import os
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationInfo
from pydantic_core import PydanticCustomError

from sparse_keras.schema.choice import Choice
from sparse_keras.schema.datasets import Adult, BreastCancer, GeneratedMultilabel
from sparse_keras.schema.section import Count, Section
from sparse_keras.schema.tables import TableSection, TestSplit


def _absolute(path, info: ValidationInfo):
    folder = (info.context or {}).get("folder", "")
    return os.path.abspath(os.path.join(folder, os.path.expanduser(path)))


def _column_or_labels(value):
    labels = tuple(value) if isinstance(value, (list, tuple)) else ()
    if value and isinstance(value, str):
        return value
    if len(labels) > 1 and all(label and isinstance(label, str) for label in labels):
        return labels
    raise PydanticCustomError(
        "target", "Input should be a column, or a list of at least two columns"
    )


Text = Annotated[str, StringConstraints(min_length=1)]
OneCharacter = Annotated[str, StringConstraints(min_length=1, max_length=1)]
ColumnKind = Literal["numeric", "categorical", "ignore"]
Path = Annotated[Text, AfterValidator(_absolute)]


class FileSection(TestSplit):
    """A file of your own."""

    path: Path = Field(
        description="The file. A relative path starts at the folder of the YAML file that names it."
    )
    target: Annotated[Text | tuple[Text, ...], BeforeValidator(_column_or_labels)] = Field(
        description="The column to predict; or a list of columns, each 0 or 1 (multi-label)."
    )
    task: Literal["auto", "binary", "multiclass", "regression"] = Field(
        "auto", description="What kind of target it is; auto looks at its values."
    )
    columns: dict[Text, ColumnKind] = Field(
        default_factory=dict,
        description="The kinds of columns that are not what their values suggest: numeric, "
        "categorical or ignore.",
    )
    max_rows: Count | None = Field(
        None,
        description="Most rows to use, drawn at random with split_seed: for a file larger than "
        "memory. Null: all.",
    )

    def unused(self):
        return {"task": "target is a list of labels"} if not isinstance(self.target, str) else {}

    def rules(self):
        targets = (self.target,) if isinstance(self.target, str) else self.target
        if len(set(targets)) < len(targets):
            yield "target", "a column is named twice"
        for name in targets:
            if name in self.columns:
                yield f"columns.{name}", "is the target, whose kind is said by task"


class CSV(FileSection):
    """A CSV file of your own, with a header line."""

    type: Literal["csv"] = Field("csv", description="A CSV file of your own.")
    separator: OneCharacter = Field(",", description="The character between columns.")
    decimal: OneCharacter = Field(".", description="The decimal point of numbers.")

    def rules(self):
        yield from super().rules()
        if self.separator == self.decimal:
            yield "decimal", f"{self.decimal!r} is the separator, too"


class Parquet(FileSection):
    """A Parquet file of your own."""

    type: Literal["parquet"] = Field("parquet", description="A Parquet file of your own.")


class NPZ(FileSection):
    """NumPy arrays of your own: an array of rank 1 is a column, one of rank 2 several."""

    type: Literal["npz"] = Field("npz", description="NumPy arrays of your own, from numpy.savez.")


DATASETS = Choice(
    "data set", Adult, BreastCancer, GeneratedMultilabel, CSV, Parquet, NPZ, base=TableSection
)
DataConfig = Annotated[Section, DATASETS]
