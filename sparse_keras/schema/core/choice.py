"""A choice by `type`: the sections among which a config chooses, to which plug-ins may add."""

from types import UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic_core import core_schema

from sparse_keras.schema.core.section import Section


class Choice:
    """The sections of one kind, by the name under `type`; an annotation for fields.

    `router: Annotated[Section, ROUTERS]` makes pydantic choose by `type`, and report an unknown one
    as such. Sections added later take part once `rebuild` of the section that holds the field ran.

    Args:
        kind: What the sections describe, for messages: "router".
        *sections: `Section` classes with a field `type: Literal[name]`.
        base: The class that sections of plug-ins derive from.
    """

    def __init__(self, kind, *sections, base=Section):
        self.kind = kind
        self.base = base
        self._sections = {tag(section): section for section in sections}

    @property
    def sections(self):
        """Dict from name to section class."""
        return dict(self._sections)

    def add(self, section):
        """Adds a section class. The same class defined anew replaces the older one.

        Raises:
            ValueError: If another class has its name.
        """
        name = tag(section)
        known = self._sections.get(name, section)
        if (known.__module__, known.__qualname__) != (section.__module__, section.__qualname__):
            raise ValueError(
                f"The {self.kind} {name!r} is registered already, by "
                f"{known.__module__}.{known.__qualname__}."
            )
        self._sections[name] = section

    def __get_pydantic_core_schema__(self, source, handler):
        choices = {name: handler.generate_schema(one) for name, one in self._sections.items()}
        return core_schema.tagged_union_schema(choices, discriminator="type")


def tag(section):
    """The name under which a section class is chosen."""
    (name,) = get_args(section.model_fields["type"].annotation)
    return name


def sections_of(field):
    """The section classes that may stand in a field; of a choice, all of them."""
    return list(_sections_in(field.annotation, field.metadata))


def _sections_in(annotation, metadata=()):
    for choice in metadata:
        if isinstance(choice, Choice):
            yield from choice.sections.values()
            return
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        yield from _sections_in(inner, metadata)
    elif get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from _sections_in(member)
    elif isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation


def rebuild(section):
    """Makes a section and all sections inside it know what was added to their choices."""
    for field in section.model_fields.values():
        for inner in sections_of(field):
            rebuild(inner)
    section.model_rebuild(force=True)
