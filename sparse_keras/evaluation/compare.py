"""compare: a config against its dense twins, gradient boosting and a linear model."""

import time
from collections.abc import Callable, Sequence

from sparse_keras.data import Dataset, load_data
from sparse_keras.data.batches import num_examples
from sparse_keras.evaluation.ablations import ablations_of
from sparse_keras.evaluation.cache import ResultCache, starting_weights, versions
from sparse_keras.evaluation.contenders import Contender, check_comparable
from sparse_keras.evaluation.machine import machine
from sparse_keras.evaluation.measure import measure_network
from sparse_keras.evaluation.result import Comparison
from sparse_keras.evaluation.standard_contenders import contenders_of
from sparse_keras.evaluation.statistics import paired_difference, summary
from sparse_keras.evaluation.tabular.contenders import tuning_note
from sparse_keras.schema import Config, load_config
from sparse_keras.tasks.scores import metrics_of_task

FORMAT = 2


def compare(
    config: Config | str,
    seeds: int | Sequence[int] = 5,
    models: Sequence[str] | None = None,
    ablate: bool = False,
    tune: int = 0,
    fresh: bool = False,
    progress: Callable | None = None,
) -> Comparison:
    """Compares a config with its dense twins and strong baselines on the same splits.

    For each seed, `training.seed` and `data.split_seed` are set to it, so that it decides the split
    and the initial weights. Where the test examples are fixed, as by `data.split` in time or in a
    corpus, they are the same for each seed, and the comparison says so. Networks train on the
    training examples and stop early by the validation examples as configured; the baselines of
    scikit-learn train on both. All models are scored on the test examples by the same functions,
    accuracy at the threshold 0.5, whatever `training.threshold` is: baselines leave no examples to
    tune one on. Class weights apply to the baselines, too.

    The models are `moe` (the config), `equal_flops`, `equal_params` and `equal_seconds` (its
    `dense_twin`s); and for tables `hgb` (HistGradientBoosting) and `linear` (logistic or ridge
    regression on 32 quantile bins of each number and on each category, or on sparse rows), with
    several targets also `single_task` (a dense model for each). A model that does not apply, such
    as the dense twin of a model without one, is left out, and the comparison says why. Results are
    cached, so that an interrupted comparison continues where it stopped.

    Args:
        config: A `Config`, or what `load_config` takes: a name or a path.
        seeds: Number of seeds, counted from 0, or a list of seeds.
        models: Names of the models to compare with. None for all.
        ablate: Whether to compare the config with variants of itself instead: `experts_1` to
            `experts_32` (another number of experts, at the same k), `frozen_router` (at its random
            initialization) and `uniform` (all experts, equally weighted).
        tune: Number of settings to try for each baseline, `hgb` and `linear`, by the validation
            rows of the first seed. For a fair comparison, choose about the number of trials that
            your own config took. 0 for fixed settings.
        fresh: Whether to measure again instead of using cached results.
        progress: Function called after each model with `(seed, contender, result, cached)`: the
            seed, a `Contender`, its metrics and costs, and whether they came from the cache.

    Returns:
        A `Comparison`.

    Raises:
        ValueError: If the config has no data or no optimizer; if there is no model of a name, or
            it does not apply to the config; if `seeds` is empty.

    Example:

    ```python
    comparison = sparse_keras.compare("tabular/sparse_mlp_breast_cancer", seeds=3)
    print(comparison.to_markdown())
    comparison.to_frame()
    ```
    """
    config = config if isinstance(config, Config) else load_config(config)
    check_comparable(config)
    if ablate and tune:
        raise ValueError("`tune` has no effect in an ablation, which has no baselines.")
    contenders = ablations_of(config, models) if ablate else contenders_of(config, models, tune)
    return measure_contenders(config, seeds, contenders, tune, fresh, progress)


def measure_contenders(
    config: Config,
    seeds: int | Sequence[int],
    contenders: Sequence[Contender],
    tune: int = 0,
    fresh: bool = False,
    progress: Callable | None = None,
) -> Comparison:
    """Measures contenders and compares the first one with each of the others.

    Args:
        config: A `Config`.
        seeds: Number of seeds, or a list of seeds.
        contenders: List of `Contender`.
        tune: Number of settings that are tried for each baseline.
        fresh: Whether to measure again instead of using cached results.
        progress: As for `compare`.

    Returns:
        A `Comparison`.
    """
    check_comparable(config)
    seeds = _seeds(seeds)
    results, described, memory = {}, None, {}
    for seed in seeds:
        seeded = with_seed(config, seed)
        data = load_data(seeded)
        if described is None:
            if data.test is None:
                raise ValueError(
                    f"The data set {data.name!r} has no test examples, which a comparison needs to "
                    "score models."
                )
            contenders, left_out = _applicable(contenders, seeded, data)
            described = _described(data) | {"left_out": left_out}
            results = {contender.name: [] for contender in contenders}
        of_seed = SeedResults(data, seeded, memory, fresh)
        for contender in contenders:
            result, cached = of_seed.of(contender)
            results[contender.name].append(result)
            if progress is not None:
                progress(seed, contender, result, cached)
    described["tuning"] = tuning_note(contenders, tune)
    return Comparison(_content(config, seeds, contenders, results, described))


def with_seed(config: Config, seed: int) -> Config:
    """Returns a config with a seed for its training and, where it has one, for its split."""
    values = config.model_dump()
    values["training"]["seed"] = seed
    # A section has no split_seed where it would change nothing.
    if config.data.SPLITS_DIFFER and "split_seed" in values["data"]:
        values["data"]["split_seed"] = seed
    return Config.model_validate(values).renamed(config.name)


class SeedResults:
    """The results of one seed, measured or from the cache.

    Args:
        data: What `load_data` returned.
        config: The `Config` with the seed.
        memory: A dict that is shared by all seeds.
        fresh: Whether to measure again instead of using cached results.
    """

    def __init__(self, data: Dataset, config: Config, memory: dict, fresh: bool):
        self.data, self.config, self.memory, self.fresh = data, config, memory, fresh
        self.cache = ResultCache(data)

    def of(self, contender: Contender) -> tuple[dict, bool]:
        """Returns the result of a contender, and whether it came from the cache."""
        model = contender.make(self.config, self.data, self.recall)
        if isinstance(model, Config):
            identity = (model.hash, *starting_weights(model))
            return self._cached_or(lambda: measure_network(model, self.data), *identity)
        return self._cached_or(lambda: model.measure(self.data), *model.identity)

    def recall(self, name: str, find: Callable):
        """Returns what `find()` returned for the first seed, such as a measured width."""
        if name not in self.memory:
            self.memory[name], _ = self._cached_or(find, name, self.config.hash)
        return self.memory[name]

    def _cached_or(self, measure, *identity):
        result = None if self.fresh else self.cache.get(*identity)
        if result is not None:
            return result, True
        result = measure()
        self.cache.put(result, *identity)
        return result, False


def _seeds(seeds):
    seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not seeds or len(set(seeds)) < len(seeds) or not all(type(seed) is int for seed in seeds):
        raise ValueError(
            "`seeds` must be a number of seeds, at least 1, or a list of different integers. "
            f"Received: {seeds!r}."
        )
    return seeds


def _applicable(contenders, config, data):
    """The contenders that can take part, and for each other one the reason why it cannot."""
    reasons = {contender.name: contender.why_not(config, data) for contender in contenders}
    left_out = {name: reason for name, reason in reasons.items() if reason is not None}
    return [contender for contender in contenders if contender.name not in left_out], left_out


def _described(data):
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    rows = {part: num_examples(batches) for part, batches in parts.items() if batches is not None}
    metrics = {
        name: {"head": info.label, "higher_is_better": info.best == "max"}
        for name, info in metrics_of_task(data.task).items()
        if info.compared
    }
    described = {"name": data.name, "rows": rows}
    if getattr(data, "split", None) is not None:
        described["split"] = {"description": str(data.split), "fixed": list(data.split.fixed)}
    return {"data": described, "metrics": metrics}


def _content(config, seeds, contenders, results, described):
    metrics = described["metrics"]
    models = {}
    for contender in contenders:
        of_seeds = results[contender.name]
        models[contender.name] = {
            "label": contender.label,
            **{
                part: {
                    name: summary([result[part][name] for result in of_seeds])
                    for name in of_seeds[0][part]
                }
                for part in ("metrics", "costs")
            },
        }
    reference = models[contenders[0].name]
    for contender in contenders[1:]:
        models[contender.name]["against"] = {
            name: paired_difference(
                reference["metrics"][name]["values"],
                models[contender.name]["metrics"][name]["values"],
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
