"""The contenders of a comparison: a config, its dense twins, and the baselines of its data.

Imports no Keras, like `contenders.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sparse_keras.evaluation.contenders import REFERENCE, Contender, select
from sparse_keras.evaluation.tabular.contenders import TUNABLE, tabular_contenders
from sparse_keras.evaluation.text.contenders import text_contenders
from sparse_keras.evaluation.widths import hidden_width, twin_has_widths
from sparse_keras.schema import Config
from sparse_keras.schema.core.errors import ConfigError
from sparse_keras.schema.sections.text.texts import TextSection

# The name of each dense twin, what is equal, and how tables say it.
_TWINS = {
    "equal_flops": ("active_flops", "equal active FLOPs"),
    "equal_params": ("total_params", "equal parameters"),
    "equal_seconds": ("seconds", "equal seconds"),
}
_BEFORE_UPCYCLING = "the dense checkpoint, trained for as many steps"


def contenders_of(
    config: Config, names: Sequence[str] | None = None, tune: int = 0
) -> list[Contender]:
    """Returns the contenders of a comparison.

    Args:
        config: The `Config` that is compared.
        names: Names of the contenders to return. None for all. "moe", the config itself, is always
            included.
        tune: Number of settings to try for each baseline; 0 for fixed settings.

    Returns:
        A list of `Contender`, the config itself first.

    Raises:
        ConfigError: If there is no contender of a name, or a named one does not apply to the
            config, such as a dense twin to a model that has none; or if `tune` has no effect.
    """
    contenders = [Contender(REFERENCE, "sparse experts", lambda config, data, recall: config)]
    contenders += _twins(config)
    if isinstance(config.data, TextSection):
        contenders += text_contenders()
    else:
        contenders += tabular_contenders(config, tune)
    contenders = select(contenders, names, "this comparison")
    if names is not None:
        _check_applicable(config, contenders)
    tunable = [
        contender
        for contender in contenders
        if contender.name in TUNABLE and contender.why_not(config, None) is None
    ]
    if tune and not tunable:
        raise ConfigError(
            f"Tuning has no effect in this comparison, in which neither {' nor '.join(TUNABLE)} "
            "takes part. Leave out --tune, or `tune` in Python."
        )
    return contenders


def _twins(config):
    if config.model.dense_twin(1) is not None and not twin_has_widths(config.model):
        return [Contender("before_upcycling", _BEFORE_UPCYCLING, _twin("active_flops"))]
    return [
        Contender(
            name,
            f"{config.model.DENSE_TWIN_LABEL} of {label}",
            _twin_of_equal_seconds if equal == "seconds" else _twin(equal),
            _why_no_twin,
        )
        for name, (equal, label) in _TWINS.items()
    ]


def _check_applicable(config, contenders):
    """Raises a ConfigError if a contender cannot take part, whatever the data are."""
    reasons = {contender.name: contender.why_not(config, None) for contender in contenders}
    for name, reason in reasons.items():
        if reason is not None:
            raise ConfigError(
                f"{name!r} cannot take part in this comparison. {reason} Leave it out of --only, "
                "or of `models` in Python."
            )


def _why_no_twin(config, data):
    if config.model.dense_twin(1) is None:
        return f"A model of type {config.model.type!r} has no dense twin."
    from sparse_keras.evaluation.dense_baselines import with_hidden_dim

    try:
        with_hidden_dim(config, 1)
    except ValueError as error:  # It would not train what the config names.
        return str(error)
    return None


def _twin(equal):
    def make(config, data, recall):
        from sparse_keras.evaluation.dense_baselines import dense_twin

        return dense_twin(config, data, equal)

    return make


def _twin_of_equal_seconds(config, data, recall):
    """Uses one width for all seeds, because measured times differ a little each time."""
    from sparse_keras.evaluation.dense_baselines import dense_twin, with_hidden_dim

    def find():
        return hidden_width(dense_twin(config, data, "seconds").model)

    return with_hidden_dim(config, recall("hidden_dim of equal seconds", find), "equal seconds")
