"""From pydantic's errors to problems with a position in the YAML text and a suggestion.

The location of an error in pydantic includes the `type` of each section on the way, such as
`model.sparse_mlp.router.top_k.k`. Walking it along the classes of the schema gives the path that
the user wrote and the keys that are valid there.
"""

from typing import Literal, get_args, get_origin

from pydantic import ValidationError

from sparse_keras._internal.builders import KINDS
from sparse_keras._internal.suggest import did_you_mean, nearest
from sparse_keras.schema.config import Config
from sparse_keras.schema.core.choice import sections_of, tag
from sparse_keras.schema.core.errors import Problem, dotted
from sparse_keras.schema.core.text import Node
from sparse_keras.schema.sections.losses import EACH


def explain(error: ValidationError, root: Node) -> list[Problem]:
    """Turns a `pydantic.ValidationError` into problems.

    Args:
        error: The error that `Config.model_validate` raised.
        root: The `Node` that was validated.

    Returns:
        A list of `Problem`.
    """
    problems, meant, missing = [], set(), []
    for finding in error.errors(include_url=False):
        path, sections = _walk(finding["loc"])
        kind = finding["type"]
        if kind == "extra_forbidden":
            *parent, key = path
            problem, suggestion = _unknown_key(root, parent, key, _walk(finding["loc"][:-1])[1])
            problems.append(problem)
            meant.add((*parent, suggestion))
        elif kind == "missing":
            missing.append(path)
        elif kind == "broken_rules":
            for key, message in finding["ctx"]["broken"]:
                problems.append(_at_value(root, (*path, *key.split(".")), message))
        elif kind == "union_tag_not_found":
            tags = [tag(section) for section in sections]
            given = [key for key in root.nearest(path).value if key != "type"]
            if misspelt := nearest("type", given):
                problems.append(_unknown_key(root, path, misspelt[0], sections)[0])
            else:
                problems.append(_at_value(root, path, f"needs a type: {_list(tags)}"))
        elif kind == "union_tag_invalid":
            tags = [tag(section) for section in sections]
            hint = "; that of a plug-in needs --import MODULE" if path[-1] in KINDS else ""
            wrong = finding["input"]["type"]
            problems.append(_not_a_choice(root, (*path, "type"), tags, wrong, hint))
        elif kind == "literal_error":
            problems.append(_not_a_choice(root, path, _allowed(finding["loc"]), finding["input"]))
        else:
            problems.append(_at_value(root, path, _expectation(finding)))
    # `unit: 4` is one error, not an unknown `unit` and a missing `units`.
    for path in missing:
        if path not in meant:
            problems.append(_at_value(root, path, "required key is missing"))
    return problems


def _walk(location):
    """Returns the path in the YAML and the sections that are valid there, of a location."""
    path, sections = [], [Config]
    is_name = False  # Whether the next part is a key that the user chose, such as a target.
    for part in location:
        if is_name:
            path.append(part)
            is_name = False
            continue
        if _is_label(part):
            is_name = part == EACH
            continue
        if len(sections) > 1:  # A choice: the next part is the type.
            sections = [section for section in sections if tag(section) == part]
            continue
        path.append(part)
        field = sections[0].model_fields.get(part) if sections else None
        sections = sections_of(field) if field else []
        is_name = field is not None and get_origin(field.annotation) is dict
    return tuple(path), sections


def _is_label(part):
    """Whether a step of a location is no key, but says which of two forms a value has."""
    return isinstance(part, str) and part.startswith("<")


def _allowed(location):
    """The values that are valid at a location."""
    *parent, key = (part for part in location if not _is_label(part))
    sections = _walk(parent)[1]
    if not any(key in section.model_fields for section in sections):
        # A value of a mapping with free keys, such as `data.columns`.
        *parent, key = parent
        sections = _walk(parent)[1]
    return _choices(sections[0].model_fields[key].annotation)


def _choices(annotation):
    """The values that a `Literal` allows, also inside a union or a mapping."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [choice for member in get_args(annotation) for choice in _choices(member)]


def _unknown_key(root, parent, key, sections):
    valid = list(dict.fromkeys(name for section in sections for name in section.model_fields))
    valid.sort(key=lambda name: name != "type")
    if not parent:
        valid.append("extends")
    hint = did_you_mean(key, valid, in_brackets=True) or f"; valid keys: {', '.join(valid)}"
    node = root.nearest((*parent, key))
    problem = Problem(node.key, dotted((*parent, key)), f"unknown key{hint}")
    return problem, next(iter(nearest(key, valid)), None)


def _not_a_choice(root, path, choices, value, otherwise=""):
    suggestion = did_you_mean(value, choices, in_brackets=True) or otherwise
    one_of = "one of " if len(choices) > 1 else ""
    return _at_value(
        root, path, f"expected {one_of}{_list(choices)}, got {_show(value)}{suggestion}"
    )


def _at_value(root, path, message):
    return Problem(root.nearest(path).mark, dotted(path), message)


def _expectation(finding):
    """Turns "Input should be greater than 0" into "expected a number greater than 0, got -1"."""
    if finding["type"] in ("model_type", "model_attributes_type", "dict_type"):
        message = "expected a mapping"
    else:
        message = finding["msg"].replace("Input should be ", "expected ", 1)
        message = message.replace("a valid integer", "an integer").replace("a valid ", "a ")
        for comparison in ("greater", "less"):
            message = message.replace(f"expected {comparison}", f"expected a number {comparison}")
    return f"{message}, got {_show(finding['input'])}"


def _show(value):
    """A value as YAML has it, shortened."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _list(values):
    return ", ".join(_show(value) for value in values)
