"""Which models stand against each other in a comparison, by name.

A side is a network, given by the config it is trained from, or a baseline of scikit-learn. Without
Keras, so that the command line can tell a wrong name before that has started.
"""

import functools
from collections.abc import Callable
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
# Which dense model stands against which sparse one.
TWINS = {
    "sparse_mlp": "dense_mlp",
    "dcn_mix": "dense_mlp",
    "omoe": "shared_bottom",
    "mmoe": "shared_bottom",
    "cgc": "shared_bottom",
    "ple": "shared_bottom",
}
_DENSE = {"dense_mlp": "dense twin", "shared_bottom": "shared bottom"}


@dataclass(frozen=True)
class Side:
    """One of the models.

    Args:
        name: Its name in `--only` and in files.
        label: What tables call it.
        make: Function of a config with its seeds, of its data, and of `recall(name, find)`, which
            returns what `find` found for the first seed. It returns a `Config` to train, a dict of
            such for each target alone, or a `baselines.Baseline` to fit.
    """

    name: str
    label: str
    make: Callable


def sides_of(config, names=None, tune=0):
    """The sides of a comparison.

    Args:
        config: The `Config` that is compared.
        names: Names of the sides to take. None for all; "moe" always takes part.
        tune: Number of settings to try of each baseline; 0 for its own ones.

    Returns:
        A list of `Side`, that of the config itself first.

    Raises:
        ValueError: If there is no such side, or the model has no such twins.
    """
    twin = TWINS.get(config.model.type)
    sides = [
        Side(name, label.format(dense=_DENSE.get(twin, "dense twin")), _making(name, tune))
        for name, label in _LABELS.items()
        # Of models of several tasks only.
        if name != "single_task" or twin == "shared_bottom"
    ]
    sides = chosen(sides, names, "this comparison")
    twins = [side.name for side in sides if side.name.startswith("equal_")]
    if twins and twin is None:
        others = [name for name in ("hgb", "linear") if names is None or name in names]
        others = others or ["hgb", "linear"]
        raise ConfigError(
            f"A model of type {config.model.type!r} has no dense twin, which {', '.join(twins)} "
            f"would be; {', '.join(TWINS)} have. Compare it with the others: --only "
            f"{','.join(others)}, or models={others} in Python."
        )
    return sides


def chosen(sides, names, what):
    """The sides that have these names, and the first in any case; all for None.

    Raises:
        ConfigError: If there is no such side.
    """
    known = {side.name: side for side in sides}
    for name in names or ():
        if name not in known:
            raise ConfigError(
                f"The models of {what} are {', '.join(known)}. Received: {name!r}"
                f"{did_you_mean(name, known, in_brackets=True)}."
            )
    return [side for side in sides if names is None or side is sides[0] or side.name in names]


def _itself(config, data, recall):
    return config


def _twin(equal):
    def make(config, data, recall):
        from sparse_keras.evaluation.dense_baselines import dense_twin

        return dense_twin(config, data, equal)

    return make


def _twin_of_equal_seconds(config, data, recall):
    """One width for all seeds: what is measured differs a little each time."""
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


def loss_to_watch(config):
    """What stops a side early if what the config watches is a log of routers that it lacks."""
    return "val_loss" if config.data and config.data.validation_fraction else "loss"
