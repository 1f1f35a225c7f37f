"""Settings of the baselines, searched at random by the validation rows of the first seed.

A config was made with some effort: a few settings were tried, and validation rows decided. Here the
baselines get as much.
"""

import numpy as np

from sparse_keras.evaluation.scores import metrics_of_task, scores


def tuned_settings(make, data, trials, seed=0):
    """The best of several settings of a baseline.

    Args:
        make: Function of settings, a dict, that returns a `baselines.Baseline`.
        data: What `load_data` returned, with validation rows.
        trials: Number of settings, the first of which are the baseline's own.
        seed: Seed of the others.

    Returns:
        A dict that survives JSON: the settings whose first metric on the validation rows, averaged
        over the targets, is best.

    Raises:
        ValueError: If there are no validation rows.
    """
    if data.validation is None:
        raise ValueError(
            "Baselines are tuned by validation rows, and this config holds none out: set "
            "data.validation_fraction above 0, or leave --tune out."
        )
    rng = np.random.default_rng(seed)
    tried = [{}, *(make({}).draw_settings(rng) for _ in range(trials - 1))]
    return max(tried, key=lambda settings: _score(make(settings), data))


def _score(baseline, data):
    """The larger, the better."""
    task, validation = data.task, data.validation
    predictions = baseline.fit(data.frames["train"]).predict(data.frames["validation"])
    found = scores(task, validation.y, predictions, validation.sample_weight)
    firsts = {}
    for name, metric in metrics_of_task(task).items():
        sign = 1 if metric["higher_is_better"] else -1
        firsts.setdefault(name.rpartition(".")[0], sign * (found[name] or 0.0))
    return sum(firsts.values())
