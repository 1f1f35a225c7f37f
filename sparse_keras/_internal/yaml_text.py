"""Values as one writes them in YAML."""

import json
import math
import re
from typing import Any

_PLAIN = re.compile(r"(?:[A-Za-z_]|\.{0,2}/)[\w./-]*", re.ASCII)
_NOT_TEXT = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")


def yaml_scalar(value: Any) -> str:
    """Returns a value as YAML, with quotes around text that could be read as something else."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT:
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    return json.dumps(value, ensure_ascii=isinstance(value, str) and not value.isprintable())


def yaml_flow(value: Any) -> str:
    """Returns mappings, lists and scalars as YAML in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{yaml_flow(k)}: {yaml_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(yaml_flow, value)) + "]"
    return yaml_scalar(value)
