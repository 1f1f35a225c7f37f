"""`data.split`: which rows of a table are for training, validation and testing."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from sparse_keras.schema.core.choice import Choice
from sparse_keras.schema.core.section import BrokenRules, Section, Text


def _as_values(value):
    if isinstance(value, (list, tuple)) and all(
        isinstance(item, (str, int, float, bool)) for item in value
    ):
        return tuple(value)
    raise PydanticCustomError("values", "Input should be a list of values of the column")


Values = Annotated[tuple[str | int | float | bool, ...], BeforeValidator(_as_values)]


def _as_formats(value):
    formats = (value,) if isinstance(value, str) else value
    if (
        isinstance(formats, (list, tuple))
        and formats
        and all(isinstance(one, str) and "%" in one for one in formats)
    ):
        return tuple(formats)
    raise PydanticCustomError(
        "format", "Input should be a format of dates, such as '%d/%m/%Y', or a list of formats"
    )


Formats = Annotated[tuple[Text, ...], BeforeValidator(_as_formats)]


class RandomSplit(Section):
    """Rows are drawn at random, the same fraction of each class: `data.test_fraction`,
    `data.validation_fraction` and `data.split_seed` say how many and which."""

    type: Literal["random"] = Field("random", description="At random, stratified by class.")


class ColumnSplit(Section):
    """A column says which rows are for training, validation and testing. It is not an input."""

    type: Literal["column"] = Field("column", description="By the values of a column.")
    column: Text = Field(description="The column.")
    train: Values = Field(("train", "training"), description="Its values in the training rows.")
    validation: Values = Field(
        ("validation", "valid", "val", "dev"),
        description="Its values in the validation rows. An empty list: data.validation_fraction "
        "of the training rows are drawn for validation.",
    )
    test: Values = Field(("test", "testing"), description="Its values in the test rows.")

    def rules(self) -> BrokenRules:
        seen: dict[str, str] = {}
        for part in ("train", "validation", "test"):
            if not getattr(self, part) and part != "validation":
                yield part, "expected at least one value"
            for value in getattr(self, part):
                if seen.setdefault(str(value), part) != part:
                    yield part, f"{value!r} is also in {seen[str(value)]}"


class GroupSplit(Section):
    """All rows of a group, such as a customer, are in one part. Groups are drawn at random."""

    type: Literal["group"] = Field("group", description="By groups of rows.")
    column: Text = Field(
        description="The column that names the group of each row. A row without a name is a group "
        "of its own."
    )
    input: bool = Field(False, description="Whether the column is an input, too.")


class TimeSplit(Section):
    """The oldest rows are for training and the newest for testing. Rows of equal time are in one
    part. The column is an input if it holds numbers or dates by their type (as in Parquet), or if
    data.columns says of which kind it is.
    """

    type: Literal["time"] = Field("time", description="By time.")
    column: Text = Field(description="The column of times: numbers or dates.")
    format: Formats | None = Field(
        None,
        description="The format of its dates, such as '%d/%m/%Y', or a list of formats. Null: "
        "that of data.columns, or else numbers, or dates in ISO 8601, such as 2024-01-31.",
    )


SPLITS = Choice("split", RandomSplit, ColumnSplit, GroupSplit, TimeSplit)
SplitConfig = Annotated[Section, SPLITS]
