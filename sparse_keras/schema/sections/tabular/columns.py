"""`data.columns`: what a column of a table holds, where its values do not say it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, StringConstraints, Tag, TypeAdapter
from pydantic_core import PydanticCustomError

from sparse_keras._internal.csv_characters import why_no_decimal
from sparse_keras.schema.core.choice import Choice, tag
from sparse_keras.schema.core.section import BrokenRules, Count, CountOrZero, Section, Text

OneCharacter = Annotated[str, StringConstraints(min_length=1, max_length=1)]


def _one_or_several(value):
    if value is None:
        return None
    several = [value] if isinstance(value, str) else value
    if isinstance(several, (list, tuple)) and several:
        if all(isinstance(text, str) and text for text in several):
            return value if isinstance(value, str) else tuple(value)
    raise PydanticCustomError("texts", "Input should be text, or a list of texts")


OptionalTexts = Annotated[Text | tuple[Text, ...] | None, BeforeValidator(_one_or_several)]


class ColumnKind(Section):
    """What a column holds."""


class NumericKind(ColumnKind):
    """Numbers."""

    type: Literal["numeric"] = Field("numeric", description="Numbers.")
    unit: OptionalTexts = Field(
        None,
        description="What stands before or after a number and is no part of it, such as $, % or "
        "km; a list for several spellings. 10% is the number 10. Null: nothing.",
    )
    thousands: OneCharacter | None = Field(
        None, description="The separator of thousands, such as the comma of 1,234.50. Null: none."
    )
    decimal: OneCharacter | None = Field(
        None,
        description="The decimal separator. Null: that of the file. Where it is given, "
        "parentheses make a number negative, as in accounting; so they do beside a unit or "
        "thousands.",
    )

    @property
    def units(self) -> tuple[str, ...]:
        """The units, a tuple of text."""
        return (self.unit,) if isinstance(self.unit, str) else self.unit or ()

    @property
    def is_plain(self) -> bool:
        """Whether numbers are written as Python writes them."""
        return not self.units and self.thousands is None and self.decimal is None

    def rules(self) -> BrokenRules:
        yield from super().rules()
        if self.decimal is not None and (wrong := why_no_decimal(self.decimal, None)):
            yield "decimal", wrong
        if self.thousands is not None and self.thousands == self.decimal:
            yield "thousands", "is the decimal separator, too"


class CategoricalKind(ColumnKind):
    """Categories: each value is one."""

    type: Literal["categorical"] = Field("categorical", description="Categories.")
    ignore_case: bool = Field(
        False, description="Whether categories that differ in case only, such as S and s, are one."
    )
    min_count: Count = Field(
        1,
        description="Minimum number of training rows of a category. Rarer ones share one category, "
        "that of values which do not occur in training.",
    )


class DateKind(ColumnKind):
    """Dates or times: year, month, weekday, hour, and days before the newest training row."""

    type: Literal["date"] = Field("date", description="Dates or times.")
    format: OptionalTexts = Field(
        None,
        description="How dates are written, such as '%d/%m/%Y %H:%M' (as in Python's strptime); a "
        "list for several formats, tried in this order. ISO 8601 is always read. Null: inferred "
        "from the file; an error if day and month cannot be told apart.",
    )

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats, a tuple of text."""
        return (self.format,) if isinstance(self.format, str) else self.format or ()


class TextKind(ColumnKind):
    """Free text as TF-IDF: weighted counts of the words that occur in the training rows."""

    type: Literal["text"] = Field("text", description="Free text, as TF-IDF.")
    ngram_max: Annotated[int, Field(ge=0, le=5)] = Field(
        2, description="Maximum number of words in an n-gram; 1: single words; 0: no words."
    )
    char_ngram_max: CountOrZero = Field(
        0,
        description="Maximum number of characters in n-grams of 3 and more characters within "
        "words, which recognise words in spite of endings and typing errors. 0: none.",
    )
    min_df: Count = Field(
        2, description="Minimum number of training rows in which a word or n-gram must occur."
    )
    max_features: Count | None = Field(
        20_000,
        description="Maximum number of words and n-grams, and of n-grams of characters, the most "
        "frequent ones. Null: all.",
    )
    sublinear_tf: bool = Field(
        True, description="Whether a word that occurs c times in a text counts as 1 + log(c)."
    )

    def rules(self) -> BrokenRules:
        yield from super().rules()
        if self.ngram_max == 0 and self.char_ngram_max == 0:
            yield "ngram_max", "is 0, and so is char_ngram_max: nothing is left of the text"
        if self.char_ngram_max in (1, 2):
            yield "char_ngram_max", f"expected 0, or 3 and more, got {self.char_ngram_max}"


class IgnoreKind(ColumnKind):
    """A column that is left out."""

    type: Literal["ignore"] = Field("ignore", description="The column is left out.")


KINDS = Choice(
    "kind of column", NumericKind, CategoricalKind, DateKind, TextKind, IgnoreKind, base=ColumnKind
)
KindName = Literal["numeric", "categorical", "date", "text", "ignore"]
# Steps of pydantic's locations that are not keys of the config; see `explain.py`.
NAME, SECTION = "<a kind>", "<a kind and its keys>"
# A kind is its name, or a mapping of its `type` and its keys.
ColumnSetting = Annotated[
    Annotated[KindName, Tag(NAME)] | Annotated[Annotated[Section, KINDS], Tag(SECTION)],
    Discriminator(lambda value: SECTION if isinstance(value, (Mapping, Section)) else NAME),
]
Columns = dict[Text, ColumnSetting]


def kind_of(setting: str | ColumnKind) -> ColumnKind:
    """Returns a valid entry of `data.columns` as a section."""
    return KINDS.sections[setting]() if isinstance(setting, str) else setting


def column_kinds(columns: Mapping[str, Any]) -> dict[str, ColumnKind]:
    """Validates a mapping like `data.columns`, given in Python.

    Raises:
        pydantic.ValidationError: If it is no such mapping.
    """
    valid = TypeAdapter(Columns).validate_python(dict(columns))
    return {name: kind_of(setting) for name, setting in valid.items()}


def setting_of(kind: ColumnKind) -> str | dict[str, Any]:
    """Returns a section as one writes it in YAML: its name, or a mapping of what differs from the
    defaults."""
    given = kind.model_dump(exclude_defaults=True, exclude={"type"})
    return {"type": tag(type(kind)), **given} if given else tag(type(kind))
