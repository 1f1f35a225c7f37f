"""The JSON Schema of configs, with which editors check and complete them."""

import json
from typing import Any

from sparse_keras.schema.config import Config
from sparse_keras.schema.zoo import find_configs

FILE = "schema.json"
_PART = "PartOf"


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a config file, plug-ins included, as a dict.

    A file that extends another need not be complete, so each section has two schemas: the complete
    one and, under `PartOf...`, one without required keys.
    """
    schema = Config.model_json_schema()
    sections = schema.pop("$defs")
    for section in sections.values():
        # `type` chooses the section, so it is required although the class has a default for it.
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


def json_schema_text() -> str:
    """The text of `configs/schema.json`."""
    return json.dumps(json_schema(), indent=1) + "\n"


def modeline() -> str:
    """The comment by which editors find the schema of this installation, for a user's file."""
    return f"# yaml-language-server: $schema={(find_configs() / FILE).resolve().as_uri()}"


def _part(schema):
    """The same schema without required keys, with references to others of that kind."""
    if isinstance(schema, list):
        return [_part(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    part = {}
    for key, value in schema.items():
        if key == "$ref":
            part[key] = value.replace("#/$defs/", f"#/$defs/{_PART}")
        elif key == "properties":  # Its keys are keys of a config.
            part[key] = {name: _part(property) for name, property in value.items()}
        elif key == "oneOf":  # Without a required `type`, several may match.
            part["anyOf"] = _part(value)
        elif key not in ("required", "discriminator", "default"):
            part[key] = _part(value)
    return part
