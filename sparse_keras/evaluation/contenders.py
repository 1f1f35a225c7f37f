"""The models that a comparison measures, by name.

A contender is a network, given by the config it is trained from, or a baseline of scikit-learn.
Imports no Keras, so that the command line reports a wrong name at once.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sparse_keras._internal.suggest import did_you_mean
from sparse_keras.schema.core.errors import ConfigError

REFERENCE = "moe"
_LABELS = {
    "moe": "sparse experts",
    "equal_flops": "{dense} of equal active FLOPs",
    "equal_params": "{dense} of equal parameters",
    "equal_seconds": "{dense} of equal seconds",
    "single_task": "single-task models, each as wide as the shared bottom of equal FLOPs",
    "hgb": "gradient boosting (HistGradientBoosting)",
    "linear": "linear model on 32 quantile bins",
}


@dataclass(frozen=True)
class Contender:
    """A model that takes part in a comparison.

    Args:
        name: Its name in `--only` and in result files.
        label: Its name in tables.
        make: Function of a config with its seeds, of its data, and of `recall(name, find)`, which
            returns what `find` returned for the first seed. It returns a `Config` to train, a dict
            of configs for single targets, or a `sklearn_baselines.Baseline` to fit.
    """

    name: str
    label: str
    make: Callable


def contenders_of(config, names: Sequence[str] | None = None, tune: int = 0) -> list[Contender]:
    """Returns the contenders of a comparison.

    Args:
        config: The `Config` that is compared.
        names: Names of the contenders to return. None for all. "moe", the config itself, is always
            included.
        tune: Number of settings to try for each baseline; 0 for fixed settings.

    Returns:
        A list of `Contender`, the config itself first.

    Raises:
        ConfigError: If there is no contender of a name, or the model has no dense twin.
    """
    twin = config.model.dense_twin(1)
    contenders = [
        Contender(name, label.format(dense=config.model.DENSE_TWIN), _making(name, tune))
        for name, label in _LABELS.items()
        # Only for multi-task models.
        if name != "single_task" or twin is not None and twin["type"] == "shared_bottom"
    ]
    contenders = select(contenders, names, "this comparison")
    twins = [contender.name for contender in contenders if contender.name.startswith("equal_")]
    if twins and twin is None:
        others = [name for name in ("hgb", "linear") if names is None or name in names]
        others = others or ["hgb", "linear"]
        raise ConfigError(
            f"A model of type {config.model.type!r} has no dense twin, which {', '.join(twins)} "
            f"would be. Compare it with other models: --only {','.join(others)}, or "
            f"models={others} in Python."
        )
    return contenders


def select(contenders: list[Contender], names: Sequence[str] | None, what: str) -> list[Contender]:
    """Selects contenders by name.

    Args:
        contenders: The contenders to select from.
        names: Names of the contenders to return; the first contender is always included. None for
            all.
        what: What the contenders take part in, for the error.

    Raises:
        ConfigError: If there is no contender of a name.
    """
    known = {contender.name: contender for contender in contenders}
    for name in names or ():
        if name not in known:
            raise ConfigError(
                f"The models of {what} are {', '.join(known)}. Received: {name!r}"
                f"{did_you_mean(name, known, in_brackets=True)}."
            )
    return [
        contender
        for contender in contenders
        if names is None or contender is contenders[0] or contender.name in names
    ]


def _itself(config, data, recall):
    return config


def _twin(equal):
    def make(config, data, recall):
        from sparse_keras.evaluation.dense_baselines import dense_twin

        return dense_twin(config, data, equal)

    return make


def _twin_of_equal_seconds(config, data, recall):
    """Uses one width for all seeds, because measured times differ a little each time."""
    from sparse_keras.evaluation.dense_baselines import dense_twin, width_of, with_hidden_dim

    def find():
        return width_of(dense_twin(config, data, "seconds"))

    return with_hidden_dim(config, recall("hidden_dim of equal seconds", find), "equal seconds")


def _single_tasks(config, data, recall):
    from sparse_keras.evaluation.single_tasks import single_task_configs

    return single_task_configs(config, data)


def _baseline(kind, tune):
    def make(config, data, recall):
        from sparse_keras.evaluation import sklearn_baselines as baselines
        from sparse_keras.evaluation import tuning

        def of(settings):
            return getattr(baselines, kind)(data.features, config.training.seed, settings)

        if not tune:
            return of({})
        find = functools.partial(tuning.tuned_settings, of, data, tune)
        return of(recall(f"best of {tune} settings of {kind}", find))

    return make


_MAKE = {
    "moe": _itself,
    "equal_flops": _twin("active_flops"),
    "equal_params": _twin("total_params"),
    "equal_seconds": _twin_of_equal_seconds,
    "single_task": _single_tasks,
}
_BASELINES = {"hgb": "Boosting", "linear": "Linear"}


def _making(name, tune):
    return _baseline(_BASELINES[name], tune) if name in _BASELINES else _MAKE[name]
