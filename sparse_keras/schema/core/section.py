"""What every section of a config shares: strict types, rules between keys, and `kwargs()`."""

import os
from typing import Annotated, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

# Sizes end up in tensor shapes, which are int32.
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
CountOrZero = Annotated[int, Field(ge=0, le=2**31 - 1)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
# Open at 1: a fraction of 1 leaves nothing for the rest.
Fraction = Annotated[float, Field(ge=0, lt=1)]
BetweenZeroAndOne = Annotated[float, Field(gt=0, lt=1)]
Text = Annotated[str, StringConstraints(min_length=1)]
# YAML's lists, as values that never change.
Widths = Annotated[
    tuple[Count, ...],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
]


def _absolute(path, info: ValidationInfo):
    folder = (info.context or {}).get("folder", "")
    return os.path.abspath(os.path.join(folder, os.path.expanduser(path)))


# Relative to the folder of the file that names it.
Path = Annotated[Text, AfterValidator(_absolute)]


def _of_one_kind(value):
    """`true` equals 1 in Python, and 1.0 does; in a config they are something else."""

    def check(given):
        if given == value and type(given) is not type(value):
            raise PydanticCustomError("literal_error", "Input should be {value}", {"value": value})
        return given

    return BeforeValidator(check)


# Literals of numbers and truth values, for `Annotated`.
Exactly1 = _of_one_kind(1)
ExactlyTrue = _of_one_kind(True)
ExactlyFalse = _of_one_kind(False)


class Section(BaseModel):
    """A mapping of a config file. Unknown keys, wrong types, NaN and infinity are errors.

    A section that is one of several kinds has a `type`; its other fields are the keyword arguments
    of what it describes. Values never change.
    """

    FILES: ClassVar[tuple[str, ...]] = ()  # Keys that name files; see `Path`.

    # Deferred: pydantic would else make the validator of each section once for itself and once more
    # for every section around it, a third of the time that a light verb takes.
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True
    )

    def rules(self):
        """Yields `(key, message)` for each rule between keys that is broken.

        The key is a path relative to this section, and the message names the other keys.
        """
        yield from ()

    def unused(self):
        """The keys that change nothing given the others, as `{key: reason}`.

        Giving such a key is an error, and the resolved config leaves it out.
        """
        return {}

    def kwargs(self):
        """The keyword arguments of what the section describes: all fields but `type`.

        Nested sections are dicts that keep their `type`. Keys that are `unused()` are left out.
        """
        return self.model_dump(exclude={"type"})

    @model_validator(mode="after")
    def _check_rules(self):
        broken = list(self.rules())
        for key, reason in self.unused().items():
            if key in self.model_fields_set:
                broken.append((key, f"has no effect: {reason}"))
        if broken:
            summary = "; ".join(f"{key}: {message}" for key, message in broken)
            raise PydanticCustomError(
                "broken_rules", "{summary}", {"summary": summary, "broken": broken}
            )
        return self

    @model_serializer(mode="wrap")
    def _leave_out_unused(self, serialize):
        values, unused = serialize(self), self.unused()
        # `type` first, as one writes it; pydantic puts the fields of base classes before it.
        keys = sorted(values, key=lambda key: key != "type")
        return {key: values[key] for key in keys if key not in unused}
