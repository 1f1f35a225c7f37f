"""The contenders that only tables have.

Imports no Keras, like `evaluation/contenders.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from sparse_keras.evaluation.contenders import Contender
from sparse_keras.schema import Config
from sparse_keras.schema.sections.tabular.table import HeldOutRows

# Contenders whose settings can be tuned, and their classes in `sklearn_baselines.py`.
TUNABLE = {"hgb": "Boosting", "linear": "Linear"}
# How the models were tuned. Published results keep these sentences as they were at the time.
_UNTUNED = (
    "No model was tuned: networks are trained as configured, the baselines at fixed settings "
    "(gradient boosting: learning rate 0.1, up to 500 trees, early stopping on a tenth of its "
    "rows; linear model: regularization 1, for sparse rows 0.1)."
)
_TUNED = (
    "Gradient boosting and the linear model use the best of {tune} settings each, the fixed ones "
    "and {others} drawn at random, by the validation rows of the first seed. The networks are "
    "trained as configured; the config was chosen by hand, by validation rows, in about as many "
    "trials, and the dense twins share it."
)
_UNTUNED_NETWORKS = (
    "No model was tuned: apart from what its name says, each is trained as configured."
)
_LABELS = {
    "hgb": "gradient boosting (HistGradientBoosting)",
    "linear": "linear model on 32 quantile bins",
}


def tabular_contenders(config: Config, tune: int = 0) -> list[Contender]:
    """Returns the contenders of a table.

    Args:
        config: The `Config` that is compared. If its data are no table, such as those of a plug-in,
            each contender says so.
        tune: Number of settings to try for each baseline; 0 for fixed settings.
    """
    contenders = []
    # Each of them is a dense twin with a single target.
    if config.model.SEVERAL_TASKS and config.model.dense_twin(1) is not None:
        label = "single-task models, each as wide as the shared bottom of equal FLOPs"
        contenders.append(Contender("single_task", label, _single_tasks, _why_no_single_tasks))
    reasons = {"hgb": _why_no_boosting, "linear": _why_no_table}
    return contenders + [
        Contender(name, label, _sklearn_baseline(name, tune), reasons[name])
        for name, label in _LABELS.items()
    ]


def tuning_note(contenders: Sequence[Contender], tune: int) -> str:
    """Describes how the contenders of a comparison were tuned, in one or more sentences."""
    if not TUNABLE.keys() & {contender.name for contender in contenders}:
        return _UNTUNED_NETWORKS
    return _TUNED.format(tune=tune, others=tune - 1) if tune else _UNTUNED


def _why_no_table(config, data):
    if not isinstance(config.data, HeldOutRows):
        return "Gradient boosting and the linear model need a table."
    return None


def _why_no_boosting(config, data):
    if data is not None and _why_no_table(config, data) is None:
        if data.features.sparse is not None:
            return (
                "HistGradientBoosting takes only dense rows, which would be "
                f"{len(data.frames['train']):,} x {data.features.sparse_dim:,} numbers."
            )
    return _why_no_table(config, data)


def _why_no_single_tasks(config, data):
    if not isinstance(config.data, HeldOutRows):
        return "Single-task models need a table."
    if data is not None and len(data.task.single_tasks()) == 1:
        return "With one target, there are no single-task models to compare with."
    return None


def _single_tasks(config, data, recall):
    from sparse_keras.evaluation.tabular.single_tasks import SingleTasks, single_task_configs

    return SingleTasks(single_task_configs(config, data))


def _sklearn_baseline(name, tune):
    def make(config, data, recall):
        from sparse_keras.evaluation.tabular import sklearn_baselines, tuning
        from sparse_keras.training.class_weights import class_weights

        baseline = getattr(sklearn_baselines, TUNABLE[name])
        weights = class_weights(config.training.class_weight, data.task, data.train)

        def with_settings(settings):
            return baseline(data.features, config.training.seed, settings, weights)

        if not tune:
            return with_settings({})
        find = functools.partial(tuning.tuned_settings, with_settings, data, tune)
        return with_settings(recall(f"best of {tune} settings of {name}", find))

    return make
