"""What every section of a config shares: strict types, rules between keys, and `kwargs()`."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializationInfo,
    StringConstraints,
    ValidationInfo,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from sparse_keras._internal.checkpoint_names import CHECKPOINTS

if TYPE_CHECKING:
    from sparse_keras.schema.config import Config

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
# What methods that check rules yield: `(key or path, message)` of each broken rule.
BrokenRules = Iterator[tuple[str, str]]
# Lists in YAML; tuples here, since a config is immutable.
Widths = Annotated[
    tuple[Count, ...],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
]


def _absolute(path, info: ValidationInfo):
    folder = (info.context or {}).get("folder", "")
    return os.path.abspath(os.path.join(folder, os.path.expanduser(path)))


def _relative(path, folder):
    """The opposite of `_absolute`, if the path and the folder have more in common than the root."""
    try:
        common = os.path.commonpath((path, folder))
    except ValueError:  # Two drives.
        return path
    return path if common == os.path.dirname(common) else os.path.relpath(path, folder)


def _absolute_or_name(path, info: ValidationInfo):
    absolute = _absolute(path, info)
    return path if path in CHECKPOINTS and not os.path.exists(absolute) else absolute


# Relative to the folder of the YAML file that gives it.
Path = Annotated[Text, AfterValidator(_absolute)]
# The same, or the name of a published checkpoint, which is downloaded.
PathOrName = Annotated[Text, AfterValidator(_absolute_or_name)]


def _of_one_kind(value):
    """Refuses `true` and 1.0 where 1 is expected: they are equal in Python, but not in a config."""

    def check(given):
        if given == value and type(given) is not type(value):
            raise PydanticCustomError("literal_error", "Input should be {value}", {"value": value})
        return given

    return BeforeValidator(check)


# Annotations of literals that are numbers or truth values.
Exactly1 = _of_one_kind(1)
ExactlyTrue = _of_one_kind(True)
ExactlyFalse = _of_one_kind(False)


class Section(BaseModel):
    """A mapping of a config file. Unknown keys, wrong types, NaN and infinity are errors.

    A section that is one of several kinds has a `type`; its other fields are the keyword arguments
    of what it describes. Sections are immutable.

    Attributes:
        FILES: The keys that name files, each a `Path`, a `PathOrName` or None. The folder of such a
            file does not count in the identity of a config.
        FOLDERS: Those of `FILES` that may also name a folder, or a pattern that files match.
        ADDED: The keys that were added after runs and results had been published. At their default
            they do not count in the identity of a config, so that the older ones stay valid.
    """

    FILES: ClassVar[tuple[str, ...]] = ()
    FOLDERS: ClassVar[tuple[str, ...]] = ()
    ADDED: ClassVar[tuple[str, ...]] = ()

    if TYPE_CHECKING:
        # Which keys a section has depends on its `type`, which a type checker does not know.
        def __getattr__(self, name: str) -> Any: ...

    # Deferred, because pydantic would otherwise build the validator of each section once for itself
    # and again for every section around it, which takes a third of the time of a light verb.
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True
    )

    def rules(self) -> BrokenRules:
        """Yields `(key, message)` for each broken rule between keys of this section.

        The key is a path relative to this section, and the message names the other keys.
        """
        yield from ()

    def rules_with(self, config: "Config") -> BrokenRules:
        """Yields `(path, message)` for each broken rule between this section and other sections.

        The path starts at the top of the config, such as `"training.early_stopping.monitor"`. The
        whole config asks each of its sections once all of them are valid by themselves.
        """
        yield from ()

    def unused(self) -> dict[str, str]:
        """The keys that change nothing given the others, as `{key: reason}`.

        Giving such a key is an error, and the resolved config leaves it out.
        """
        return {}

    def kwargs(self) -> dict[str, Any]:
        """The keyword arguments of what the section describes: all fields but `type`.

        Nested sections are dicts that keep their `type`. Keys that are `unused()` are left out.
        """
        return self.model_dump(exclude={"type"})

    def inner_sections(self) -> Iterator["Section"]:
        """Yields the sections inside this one, at any depth."""
        for _, section in self.sections():
            yield section

    def sections(self) -> Iterator[tuple[tuple[str, ...], "Section"]]:
        """Yields the sections inside this one, at any depth, each after the path of its keys."""
        for key in type(self).model_fields:
            value = getattr(self, key)
            members = value if isinstance(value, dict) else {None: value}
            for name, member in members.items():
                if isinstance(member, Section):
                    path = (key,) if name is None else (key, name)
                    yield path, member
                    for inner, section in member.sections():
                        yield (*path, *inner), section

    @model_validator(mode="after")
    def _check_rules(self) -> "Section":
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
    def _resolved(self, serialize, info: SerializationInfo):
        values, unused = serialize(self), self.unused()
        context = info.context or {}
        if "folder" in context:
            for key in self.FILES:
                if values.get(key) is not None:
                    values[key] = _relative(values[key], context["folder"])
        if context.get("identity"):
            for key in self.FILES:
                if values.get(key) is not None:
                    values[key] = os.path.basename(values[key])
            for key in self.ADDED:
                default = type(self).model_fields[key].get_default(call_default_factory=True)
                if getattr(self, key) == default:
                    values.pop(key, None)
        # `type` first, as in a YAML file; pydantic puts the fields of base classes before it.
        keys = sorted(values, key=lambda key: key != "type")
        return {key: values[key] for key in keys if key not in unused}
