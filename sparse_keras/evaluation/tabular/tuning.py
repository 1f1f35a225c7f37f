"""Random search of the baselines' settings by the validation rows of the first seed.

A config is chosen among several that were tried, by validation rows. Here the baselines get the
same chance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from sparse_keras.tasks.scores import metrics_of_task, scores

if TYPE_CHECKING:
    from sparse_keras.data import TabularData
    from sparse_keras.evaluation.tabular.sklearn_baselines import SklearnBaseline


def tuned_settings(
    make: Callable[[dict], SklearnBaseline], data: TabularData, trials: int, seed: int = 0
) -> dict[str, Any]:
    """Searches the best settings of a baseline.

    Args:
        make: Function of a dict of settings that returns a `SklearnBaseline`.
        data: What `load_data` returned, with validation rows.
        trials: Number of settings to try. The first ones are the fixed settings.
        seed: Seed of the random settings.

    Returns:
        A dict of JSON values: the settings with the best first metric on the validation rows,
        averaged over targets.

    Raises:
        ValueError: If there are no validation rows.
    """
    if data.validation is None:
        raise ValueError(
            "Baselines are tuned by validation rows, and this config has none. Set "
            "data.validation_fraction above 0, or leave out --tune."
        )
    rng = np.random.default_rng(seed)
    candidates = [{}, *(make({}).draw_settings(rng) for _ in range(trials - 1))]
    return max(candidates, key=lambda settings: _score(make(settings), data))


def _score(baseline, data):
    """The sum over targets of the first metric on the validation rows; larger is better."""
    task, validation = data.task, data.validation
    predictions = baseline.fit(data.frames["train"]).predict(data.frames["validation"])
    values = scores(task, validation.y, predictions, validation.sample_weight)
    firsts = {}
    for name, info in metrics_of_task(task).items():
        sign = 1 if info.best == "max" else -1
        firsts.setdefault(name.rpartition(".")[0], sign * (values[name] or 0.0))
    return sum(firsts.values())
