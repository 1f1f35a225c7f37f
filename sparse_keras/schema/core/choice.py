"""A choice by `type`: the sections among which a config chooses, to which plug-ins may add."""

from types import UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import core_schema

from sparse_keras.schema.core.section import Section


class Choice:
    """The sections of one kind, by their name under `type`; an annotation for fields.

    `router: Annotated[Section, ROUTERS]` makes pydantic choose a section by its `type`, and report
    an unknown `type` as such. After `add`, call `rebuild` with the section that holds the field.

    Args:
        kind: What the sections describe, for messages, such as "router".
        *sections: `Section` classes with a field `type: Literal[name]`.
        base: The class that sections of plug-ins must derive from.
    """

    def __init__(self, kind: str, *sections: type[Section], base: type[Section] = Section):
        self.kind = kind
        self.base = base
        self._sections = {tag(section): section for section in sections}

    @property
    def sections(self) -> dict[str, type[Section]]:
        """The section classes by name."""
        return dict(self._sections)

    def add(self, section: type[Section]) -> None:
        """Adds a section class. The same class, defined again, replaces the older one.

        Raises:
            ValueError: If another class is registered under its name.
        """
        name = tag(section)
        known = self._sections.get(name, section)
        if (known.__module__, known.__qualname__) != (section.__module__, section.__qualname__):
            raise ValueError(
                f"The {self.kind} {name!r} is already registered, by "
                f"{known.__module__}.{known.__qualname__}."
            )
        self._sections[name] = section

    def __get_pydantic_core_schema__(self, source, handler):
        choices = {
            name: handler.generate_schema(section) for name, section in self._sections.items()
        }
        return core_schema.tagged_union_schema(choices, discriminator="type")


def tag(section: type[Section]) -> str:
    """The name under which a section class is chosen, the value of its `type`."""
    (name,) = get_args(section.model_fields["type"].annotation)
    return name


def sections_of(field: FieldInfo) -> list[type[Section]]:
    """The section classes that a field, or a value of its mapping, accepts: several if it is a
    choice."""
    return list(dict.fromkeys(_sections_in(field.annotation, field.metadata)))


def _sections_in(annotation, metadata=()):
    for choice in metadata:
        if isinstance(choice, Choice):
            yield from choice.sections.values()
            return
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        yield from _sections_in(inner, metadata)
    elif get_origin(annotation) is dict:
        yield from _sections_in(get_args(annotation)[1])
    elif get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from _sections_in(member)
    elif isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation


def rebuild(section: type[Section]) -> None:
    """Validates a section, and all sections inside it, with what was added to their choices."""
    for field in section.model_fields.values():
        for inner in sections_of(field):
            rebuild(inner)
    section.model_rebuild(force=True)
