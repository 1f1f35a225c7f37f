"""compare: a config against its dense twins, gradient boosting and a linear model."""

import time

from sparse_keras.data import load_data
from sparse_keras.evaluation.ablations import ablations_of
from sparse_keras.evaluation.cache import Kept, versions
from sparse_keras.evaluation.contenders import sides_of
from sparse_keras.evaluation.machine import machine
from sparse_keras.evaluation.measure import (
    measure_baseline,
    measure_network,
    measure_single_tasks,
)
from sparse_keras.evaluation.result import Comparison
from sparse_keras.evaluation.scores import metrics_of_task
from sparse_keras.evaluation.statistics import paired_difference, summary
from sparse_keras.schema import Config, load_config
from sparse_keras.schema.core.errors import ConfigError
from sparse_keras.tasks import MultiTask

FORMAT = 2
UNTUNED = (
    "No side was tuned: networks as the config has them, the others at fixed settings (gradient "
    "boosting: learning rate 0.1, up to 500 trees, stopped by a tenth of its rows; linear model: "
    "regularisation 1, of sparse rows 0.1)."
)

TUNED = (
    "Gradient boosting and the linear model got the best of {tune} settings each, their own and "
    "{others} drawn at random, by the validation rows of the first seed. The networks are as the "
    "config has them, which was chosen by hand, by validation rows, in about as many trials; dense "
    "twins share it."
)
UNTUNED_NETWORKS = "No side was tuned: but for what its name says, each is as the config has it."


def compare(config, seeds=5, models=None, ablate=False, tune=0, fresh=False, progress=None):
    """Measures a config against its dense twins and strong baselines, on the same splits.

    For each seed, `training.seed` and `data.split_seed` are that seed: one split, one draw of
    weights. Networks train on the training rows and stop by the validation rows as the config says;
    gradient boosting and the linear model get both as training rows. All are measured on the test
    rows, by the same functions of scikit-learn.

    The models are `moe` (the config), `equal_flops`, `equal_params` and `equal_seconds` (its
    `dense_twin`s), for several targets `single_task` (a dense model for each), `hgb`
    (HistGradientBoosting) and `linear` (logistic or ridge regression on 32 quantile bins of each
    number and on each category, or on sparse rows). What was measured is kept in the cache folder,
    so that a comparison which was cut off goes on where it was.

    Args:
        config: A `Config`, or what `load_config` takes: a name or a path.
        seeds: Number of seeds from 0 on, or a list of them.
        models: Names of the models to compare with; None for all.
        ablate: Whether to compare the config with itself instead, one part of it changed:
            `experts_1` to `experts_32` (the number of experts, at the same k), `frozen_router` (as
            drawn at random) and `uniform` (all experts, equally weighted).
        tune: Number of settings to try of each baseline, `hgb` and `linear`, by the validation rows
            of the first seed: as much as a config of your own has cost you. 0 for their own
            settings.
        fresh: Whether to measure again what is kept.
        progress: Function that gets `(seed, side, result, kept)` after each model: the seed, a
            `Side`, its metrics and costs, and whether they were there already.

    Returns:
        A `Comparison`.

    Raises:
        ValueError: If the config has no data or no optimizer; if there is no such model, or no such
            twin of the config's; if `seeds` is none.

    Example:

    ```python
    comparison = sparse_keras.compare("tabular/sparse_mlp_breast_cancer", seeds=3)
    print(comparison.to_markdown())
    comparison.to_frame()
    ```
    """
    config = config if isinstance(config, Config) else load_config(config)
    if ablate and tune:
        raise ValueError("`tune` has no effect in an ablation, which has no baselines.")
    sides = ablations_of(config, models) if ablate else sides_of(config, models, tune)
    return measure(config, seeds, sides, tune, fresh, progress)


def check(config):
    """Raises a `ConfigError` if a config cannot be compared."""
    for section, needed in (("data", "rows"), ("optimizer", "training")):
        if getattr(config, section) is None:
            raise ConfigError(
                f"The config {config.name!r} has no {section} section, and a comparison needs "
                f"{needed}. Such as: {section}: {{type: ...}}."
            )


def measure(config, seeds, sides, tune=0, fresh=False, progress=None):
    """Measures sides, the first of which is the one that the others are compared with.

    Args:
        config: A `Config`.
        seeds: Number of seeds, or a list of them.
        sides: List of `Side`.
        tune: Number of settings that were tried of each baseline.
        fresh: Whether to measure again what is kept.
        progress: As for `compare`.

    Returns:
        A `Comparison`.
    """
    check(config)
    seeds = _seeds(seeds)
    found, described, memory = {}, None, {}
    for seed in seeds:
        seeded = with_seed(config, seed)
        data = load_data(seeded)
        if described is None:
            sides, left_out = _possible(sides, data)
            described = _described(data) | {"left_out": left_out}
            found = {side.name: [] for side in sides}
        results = Results(data, seeded, memory, fresh)
        for side in sides:
            result, was_kept = results.of(side)
            found[side.name].append(result)
            if progress is not None:
                progress(seed, side, result, was_kept)
    described["tuning"] = _tuning(sides, tune)
    return Comparison(_content(config, seeds, sides, found, described))


def with_seed(config, seed):
    """The same config with a seed for its split, where it has one, and for its training."""
    values = config.model_dump()
    values["training"]["seed"] = seed
    # It is left out where it would change nothing.
    if "split_seed" in values["data"]:
        values["data"]["split_seed"] = seed
    return Config.model_validate(values).renamed(config.name)


class Results:
    """The results of one seed, measured or kept.

    Args:
        data: What `load_data` returned.
        config: The `Config` with the seed.
        memory: A dict that goes from seed to seed.
        fresh: Whether to measure again what is kept.
    """

    def __init__(self, data, config, memory, fresh):
        self.data, self.config, self.memory, self.fresh = data, config, memory, fresh
        self.kept = Kept(data)

    def of(self, side):
        """`(result, was kept)` of a side."""
        made = side.make(self.config, self.data, self.recall)
        if isinstance(made, Config):
            return self._kept_or(lambda: measure_network(made, self.data), made.hash)
        if isinstance(made, dict):
            identity = [f"only {name}: {one.hash}" for name, one in made.items()]
            return self._kept_or(lambda: measure_single_tasks(made, self.data), *identity)
        return self._kept_or(lambda: measure_baseline(made, self.data), made.identity)

    def recall(self, name, find):
        """A value that the first seed finds for all of them, such as a width that is measured."""
        if name not in self.memory:
            self.memory[name], _ = self._kept_or(find, name, self.config.hash)
        return self.memory[name]

    def _kept_or(self, find, *identity):
        kept = None if self.fresh else self.kept.get(*identity)
        if kept is not None:
            return kept, True
        found = find()
        self.kept.put(found, *identity)
        return found, False


def _seeds(seeds):
    seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not seeds or len(set(seeds)) < len(seeds) or not all(type(s) is int for s in seeds):
        raise ValueError(
            "`seeds` must be a number of seeds, at least 1, or a list of different integers. "
            f"Received: {seeds!r}."
        )
    return seeds


def _possible(sides, data):
    """The sides that these rows can be given to, and why the others cannot."""
    reasons = {}
    if data.features.sparse is not None:
        reasons["hgb"] = (
            "HistGradientBoosting takes dense rows only, which would be "
            f"{len(data.frames['train']):,} x {data.features.sparse_dim:,} numbers."
        )
    if not isinstance(data.task, MultiTask):
        reasons["single_task"] = "There is one target, so single-task models are no others."
    left_out = {side.name: reasons[side.name] for side in sides if side.name in reasons}
    return [side for side in sides if side.name not in left_out], left_out


def _tuning(sides, tune):
    """What was tuned, in words."""
    if not {"hgb", "linear"} & {side.name for side in sides}:
        return UNTUNED_NETWORKS
    return TUNED.format(tune=tune, others=tune - 1) if tune else UNTUNED


def _described(data):
    rows = {part: len(frame) for part, frame in data.frames.items()}
    return {
        "data": {"name": data.name, "rows": rows, "columns": len(data.features.columns)},
        "metrics": metrics_of_task(data.task),
    }


def _content(config, seeds, sides, found, described):
    metrics = described["metrics"]
    models = {}
    for side in sides:
        results = found[side.name]
        models[side.name] = {
            "label": side.label,
            **{
                part: {
                    name: summary([result[part][name] for result in results])
                    for name in results[0][part]
                }
                for part in ("metrics", "costs")
            },
        }
    reference = models[sides[0].name]
    for side in sides[1:]:
        models[side.name]["against"] = {
            name: paired_difference(
                reference["metrics"][name]["values"],
                models[side.name]["metrics"][name]["values"],
                metric["higher_is_better"],
            )
            for name, metric in metrics.items()
        }
    return {
        "format": FORMAT,
        "config": config.name,
        "config_hash": config.hash,
        "config_values": config.values(),
        "command": None,
        **described,
        "seeds": seeds,
        "versions": versions(),
        "machine": machine(),
        "measured": time.strftime("%Y-%m-%d"),
        "models": models,
    }
