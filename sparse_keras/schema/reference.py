"""The keys of a config as Markdown tables, including those of plug-ins."""

from collections.abc import Iterator

from pydantic.json_schema import models_json_schema

from sparse_keras.schema.config import Config
from sparse_keras.schema.core.choice import sections_of
from sparse_keras.schema.core.section import Section

_BOUNDS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
}
_LARGE = 2**31 - 1  # Bounds of machine integers are of no interest to the reader.


def reference() -> str:
    """Returns Markdown with a heading and a table for each section, in the order of a config."""
    parts = []
    # A section that is valid in several places, such as a schedule, appears once; so does one that
    # stands under the same key elsewhere, such as a router.
    sections, shown = {}, set()
    for heading, key, section in _sections(Config, ()):
        if heading in sections or (key, section) not in shown:
            sections[heading] = section
            shown.add((key, section))
    # One call for all, because each call describes all sections inside a section.
    references, schemas = models_json_schema(
        [(section, "validation") for section in sections.values()]
    )
    for heading, section in sections.items():
        reference = references[section, "validation"]["$ref"]
        schema = schemas["$defs"][reference.rpartition("/")[2]]
        required = schema.get("required", [])
        lines = [heading, "", schema["description"].partition("\n")[0], ""]
        rows = [
            _row(key, section.model_fields[key], schema["properties"][key], key in required)
            for key in _keys(section)
            if key != "type"
        ]
        if rows:
            lines += ["| key | value | default | |", "| --- | --- | --- | --- |", *rows]
        parts.append("\n".join(lines).rstrip())
    return "\n\n".join(parts) + "\n"


def _sections(section, path):
    """Yields `(heading, key, section)` for a section and the sections inside it."""
    chosen = section.model_fields.get("type")
    heading = ".".join(path) or "The whole config"
    named = f"`{heading}`" if path else heading
    if chosen is not None:
        named += f", `type: {chosen.default}`"
    yield f"{'#' * min(2 + len(path), 4)} {named}", path[-1:], section
    for key, field in section.model_fields.items():
        for inner in sections_of(field):
            yield from _sections(inner, (*path, key))


def _keys(section: type[Section]) -> Iterator[str]:
    """Yields each key of a section once: its own before those that it shares with others."""
    classes = [base for base in section.__mro__ if issubclass(base, Section)]
    # The last class of the order that has a key is the one that introduces it.
    introduced_by = {key: base for base in classes for key in base.model_fields}
    for base in classes:
        yield from (key for key in base.model_fields if introduced_by[key] is base)


def _row(key, field, schema, required):
    if required:
        default = "required"
    elif "default" in schema:
        default = f"`{_yaml(schema['default'])}`"
    else:  # Made by a factory, such as a section with its own defaults.
        default = "the defaults of its keys" if sections_of(field) else "`{}`"
    description = field.description.replace("|", "\\|")
    return f"| `{key}` | {_values(schema)} | {default} | {description} |"


def _values(schema):
    """The valid values, in a few words."""
    if "anyOf" in schema:
        return " or ".join(_values(member) for member in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{_yaml(value)}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{_yaml(schema['const'])}`"
    if "oneOf" in schema:
        return "a mapping with a `type`"
    if "$ref" in schema:
        return "a mapping"
    kind = schema.get("type", "a value")
    if kind == "array":
        return f"a list of {_values(schema.get('items', {}))}"
    if kind == "object":
        inside = schema.get("additionalProperties")
        return f"a mapping to {_values(inside)}" if isinstance(inside, dict) else "a mapping"
    bounds = [
        text.format(schema[bound])
        for bound, text in _BOUNDS.items()
        if bound in schema and abs(schema[bound]) < _LARGE
    ]
    names = {"string": "text", "boolean": "`true`, `false`", "null": "`null`"}
    return " ".join([names.get(kind, kind), ", ".join(bounds)]).strip()


def _yaml(value):
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value) if value != "" else "''"
