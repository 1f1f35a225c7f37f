"""The JSON Schema of configs, which editors use to check and complete them as one types."""

import json

from sparse_keras.schema.config import Config
from sparse_keras.schema.zoo import find_configs

FILE = "schema.json"
_PART = "PartOf"


def json_schema():
    """The JSON Schema of a config file, plug-ins included, as a dict.

    A file that extends another needs not be complete, so there are two schemas of each section: the
    complete one and, under `PartOf...`, one in which nothing is required.
    """
    schema = Config.model_json_schema()
    sections = schema.pop("$defs")
    for section in sections.values():
        # A section without the keys that it needs is an error; `type` chooses and is one of them.
        if "type" in section.get("properties", {}) and "type" not in section.get("required", []):
            section["required"] = ["type", *section.get("required", [])]
    sections["Config"] = schema
    parts = {f"{_PART}{name}": _part(section) for name, section in sections.items()}
    parts[f"{_PART}Config"]["properties"]["extends"] = {
        "type": "string",
        "description": "The config to start from: a name from `sparse-keras list`, or a path that "
        "ends in .yaml.",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "sparse_keras config",
        "if": {"required": ["extends"]},
        "then": {"$ref": f"#/$defs/{_PART}Config"},
        "else": {"$ref": "#/$defs/Config"},
        "$defs": sections | parts,
    }


def json_schema_text():
    """The text of `configs/schema.json`."""
    return json.dumps(json_schema(), indent=1) + "\n"


def modeline():
    """The comment by which editors find the schema of this installation, for a user's own file."""
    return f"# yaml-language-server: $schema={(find_configs() / FILE).resolve().as_uri()}"


def _part(schema):
    """The same schema with nothing required, its references led to the like."""
    if isinstance(schema, list):
        return [_part(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    part = {}
    for key, value in schema.items():
        if key == "$ref":
            part[key] = value.replace("#/$defs/", f"#/$defs/{_PART}")
        elif key == "properties":  # Its keys are the config's own.
            part[key] = {name: _part(property) for name, property in value.items()}
        elif key == "oneOf":  # Without a type, several may fit.
            part["anyOf"] = _part(value)
        elif key not in ("required", "discriminator", "default"):
            part[key] = _part(value)
    return part
