"""The parts of `Features` as dicts of JSON values, and back.

What older models were stored without is left out where it has its default, so that their encodings
stay as they were.
"""

from dataclasses import asdict

from sparse_keras.data.tabular.date_column import DateColumn
from sparse_keras.data.tabular.encoded_columns import CategoricalColumn, NumericColumn
from sparse_keras.data.tabular.multi_target import MultiTarget
from sparse_keras.data.tabular.number_formats import NumberFormat
from sparse_keras.data.tabular.targets import Target


def column_to_dict(column):
    """Returns a column, or a `Target`, as a dict."""
    content = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(column).items()
    }
    for name in ("missing_values", "number_format", "ignore_case"):
        if not content.get(name):
            content.pop(name, None)
    if content.get("min_count") == 1:
        del content["min_count"]
    if "number_format" in content:
        content["number_format"]["units"] = list(content["number_format"]["units"])
    return content


def numeric_from_dict(content):
    """Returns a `NumericColumn`."""
    return NumericColumn(**_with_number_format(content))


def categorical_from_dict(content):
    """Returns a `CategoricalColumn`."""
    return CategoricalColumn(**_with_tuples(content))


def date_to_dict(column):
    """Returns a `DateColumn` as a dict."""
    parts = [column_to_dict(part) for part in column.parts]
    return column_to_dict(column) | {"parts": parts}


def date_from_dict(content):
    """Returns a `DateColumn`."""
    parts = tuple(numeric_from_dict(part) for part in content["parts"])
    return DateColumn(**_with_tuples(content) | {"parts": parts})


def _with_number_format(content):
    content = _with_tuples(content)
    if "number_format" in content:
        content["number_format"] = NumberFormat(**_with_tuples(content["number_format"]))
    return content


def _with_tuples(content):
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
    }


def target_to_dict(target):
    """Returns a `Target` or `MultiTarget` as a dict."""
    if isinstance(target, MultiTarget):
        return {"name": target.name, "targets": [target_to_dict(one) for one in target.targets]}
    return column_to_dict(target)


def target_from_dict(content):
    """Returns a `Target` or `MultiTarget`."""
    if "targets" in content:
        return MultiTarget(content["name"], tuple(map(target_from_dict, content["targets"])))
    return Target(**_with_number_format(content))
