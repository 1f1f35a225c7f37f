"""What `Features.from_dict` reads, checked: a file may have been edited, or damaged.

An encoding of another form would load, and encode every row wrongly. Fields that are not listed
here are passed on.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from sparse_keras.data.tabular.date_column import PARTS
from sparse_keras.tasks import TASKS

Name = str | int  # The columns of a DataFrame may be numbered.
Number = Annotated[float, Field(allow_inf_nan=False)]
Deviation = Annotated[Number, Field(ge=0)]


def _distinct(values):
    seen = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{value!r} is listed twice")
        seen.add(value)
    return values


def _ascending(edges):
    for low, high in zip(edges, edges[1:], strict=False):
        if not low < high:
            raise ValueError(f"expected ascending numbers; {high:g} comes after {low:g}")
    return edges


class _Stored(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _NumberFormat(_Stored):
    units: list[str]
    thousands: Annotated[str, Field(max_length=1)]
    decimal: Annotated[str, Field(min_length=1, max_length=1)]


class _Numeric(_Stored):
    name: Name
    mean: Number
    std: Deviation
    boundaries: Annotated[list[Number], AfterValidator(_ascending)] = []
    has_missing: bool = False
    missing_values: list[str | float] = []
    number_format: _NumberFormat | None = None


class _Part(_Numeric):
    name: Literal[PARTS]


class _Date(_Stored):
    name: Name
    formats: list[str]
    newest: Number
    parts: Annotated[list[_Part], Field(min_length=1)]
    missing_values: list[str | float] = []


class _Categorical(_Stored):
    name: Name
    vocabulary: Annotated[list[str], AfterValidator(_distinct)]
    missing_values: list[str | float] = []
    ignore_case: bool = False
    min_count: Annotated[int, Field(ge=1)] = 1


class _Target(_Stored):
    name: Name
    task: Literal[tuple(TASKS)]
    classes: list[bool | int | float | str]
    mean: Number | None = None
    std: Deviation | None = None
    missing_values: list[str | float] = []
    number_format: _NumberFormat | None = None

    @model_validator(mode="after")
    def _check_classes(self):
        _distinct(self.classes)
        fits = {
            "binary": len(self.classes) == 2,
            "multiclass": len(self.classes) >= 2,
            "multilabel": len(self.classes) >= 1,
            "regression": not self.classes,
        }
        if not fits.get(self.task, True):
            raise ValueError(f"a target of {len(self.classes)} classes cannot be {self.task}")
        return self


class _Targets(_Stored):
    name: Name
    targets: list[_Target]


def _one_or_several(target):
    return "_several" if isinstance(target, dict) and "targets" in target else "_one"


class _Matrix(_Stored):
    type: Literal["matrix"]
    width: Annotated[int, Field(ge=1)]
    names: list[Name] | None
    density: Number | None

    @model_validator(mode="after")
    def _check_names(self):
        if self.names is not None and len(self.names) != self.width:
            raise ValueError(f"{len(self.names)} names of {self.width} columns")
        return self


class _Text(_Stored):
    name: Name
    vocabulary: Annotated[list[str], Field(min_length=1), AfterValidator(_distinct)]
    idf: list[Number]
    sublinear_tf: bool
    ngram_max: Annotated[int, Field(ge=1)]
    ngram_min: Annotated[int, Field(ge=1)] = 1
    analyzer: Literal["word", "char_wb"] = "word"
    missing_values: list[str | float] = []

    @model_validator(mode="after")
    def _check_idf(self):
        if len(self.idf) != len(self.vocabulary):
            raise ValueError(f"{len(self.idf)} weights of {len(self.vocabulary)} words")
        return self


class _OnlyText(_Text):
    """As models of one text were stored."""

    type: Literal["text"]


class _Selection(_Stored):
    method: str
    chosen: list[Name]
    scores: dict[Name, float]
    searched: list[dict]


class _Features(_Stored):
    target: Annotated[
        Annotated[_Target, Tag("_one")] | Annotated[_Targets, Tag("_several")],
        Discriminator(_one_or_several),
    ]
    numeric: list[_Numeric]
    categorical: list[_Categorical]
    weight: Name | None = None
    sparse: Annotated[_Matrix | _OnlyText, Field(discriminator="type")] | None = None
    selection: _Selection | None = None
    dates: list[_Date] = []
    texts: list[_Text] = []

    @model_validator(mode="after")
    def _check_names(self):
        texts = {column.name for column in self.texts}
        columns = (*self.numeric, *self.categorical, *self.dates)
        _distinct([*(column.name for column in columns), *texts])
        return self


def check_stored_features(content: Any) -> None:
    """Checks what `Features.from_dict` got.

    Raises:
        ValueError: If it is not what `Features.to_dict` returns. It names the place.
    """
    try:
        _Features.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"] if not str(part).startswith("_"))
        message = first["msg"].removeprefix("Value error, ")
        raise ValueError(
            f"The stored encoding of the columns is damaged or was edited, at "
            f"{place or 'features'}: {message}. Received: {str(first['input'])[:60]}. Restore the "
            "file, or train again."
        ) from None
