"""`training.class_weight` and `training.threshold`: for classes of which some are rare."""

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from sparse_keras._internal.suggest import did_you_mean
from sparse_keras.schema.core.section import BetweenZeroAndOne, Positive, Text

Balanced = Literal["balanced"]
# What a threshold can be tuned for.
Criterion = Literal["f1", "balanced_accuracy"]
CRITERIA: tuple[str, ...] = get_args(Criterion)


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_threshold(value):
    return value in CRITERIA if isinstance(value, str) else _is_number(value) and 0 < value < 1


def _threshold(value):
    several = value if isinstance(value, dict) else {"": value}
    if several and all(map(_is_threshold, several.values())):
        return value
    wrong = next((one for one in several.values() if not _is_threshold(one)), "")
    raise PydanticCustomError(
        "threshold",
        "Input should be a number between 0 and 1, f1 or balanced_accuracy; for several targets "
        "also a mapping from targets to these{hint}",
        {"hint": did_you_mean(wrong, CRITERIA, in_brackets=True) if isinstance(wrong, str) else ""},
    )


def _class_weight(value):
    """Classes are text from here on, as the keys of YAML are."""
    if _is_of_one(value):
        return _with_text_keys(value)
    if value and isinstance(value, dict) and all(map(_is_of_one, value.values())):
        return {name: _with_text_keys(one) for name, one in value.items()}
    hint = did_you_mean(value, ["balanced"], in_brackets=True) if isinstance(value, str) else ""
    raise PydanticCustomError(
        "class_weight",
        "Input should be balanced, or a mapping from each class to a weight above 0; for several "
        "targets a mapping from targets to these{hint}",
        {"hint": hint},
    )


def _is_of_one(value):
    if isinstance(value, dict):
        return bool(value) and all(_is_number(one) and one > 0 for one in value.values())
    return value == "balanced"


def _with_text_keys(value):
    if not isinstance(value, dict):
        return value
    return {
        str(key).lower() if isinstance(key, bool) else str(key): float(one)
        for key, one in value.items()
    }


def is_tuned(threshold: Any) -> bool:
    """Whether a threshold of a config, or that of a target, is tuned on validation rows."""
    several = threshold.values() if isinstance(threshold, dict) else [threshold]
    return any(isinstance(one, str) for one in several)


_Threshold = BetweenZeroAndOne | Criterion
ThresholdConfig = Annotated[_Threshold | dict[Text, _Threshold], BeforeValidator(_threshold)]
_Weights = dict[Text, Positive]
ClassWeightConfig = Annotated[
    Balanced | _Weights | dict[Text, Balanced | _Weights], BeforeValidator(_class_weight)
]
