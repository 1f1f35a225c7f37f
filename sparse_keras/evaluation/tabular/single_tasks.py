"""Single-task models: each target of a table learned alone, on the same encoded rows."""

from __future__ import annotations

import dataclasses
from typing import Any

from sparse_keras.data import ArrayBatches, TabularData
from sparse_keras.evaluation.dense_baselines import dense_twin
from sparse_keras.evaluation.measure import measure_network
from sparse_keras.schema import Config
from sparse_keras.tasks import Binary, Multiclass
from sparse_keras.tasks.thresholds import DEFAULT


class SingleTasks:
    """A model for each target, measured together: an `evaluation.contenders.Baseline`.

    Args:
        configs: What `single_task_configs` returned.
    """

    def __init__(self, configs: dict[str, Config]):
        self.configs = configs
        self.identity = tuple(f"only {name}: {config.hash}" for name, config in configs.items())

    def measure(self, data: TabularData) -> dict[str, Any]:
        """Trains the models. Their costs are added up.

        Args:
            data: What `load_data` returned for all targets.
        """
        metrics, costs = {}, []
        for name, config in self.configs.items():
            result = measure_network(config, single_task_data(data, name))
            metrics |= {f"{name}.{metric}": value for metric, value in result["metrics"].items()}
            costs.append(result["costs"])
        total = {}
        for cost in costs[0]:
            values = [of_model[cost] for of_model in costs]
            total[cost] = None if None in values else sum(values)
        return {"metrics": metrics, "costs": total | {"hidden_dim": costs[0]["hidden_dim"]}}


def single_task_configs(config: Config, data: TabularData) -> dict[str, Config]:
    """Derives the configs of models that learn one target each.

    Each is the shared bottom of as many active FLOPs as the multi-task model, with one tower. It
    stops early as the multi-task model does; by its own loss if that monitors a single target.

    Args:
        config: The `Config` of a multi-task model with experts.
        data: What `load_data(config)` returned.

    Returns:
        Dict from target name to `Config`. The data section is still that of all targets;
        `single_task_data` selects the target.
    """
    twin = dense_twin(config, data)
    configs = {}
    for target in data.task.single_tasks():
        values = twin.model_dump()
        training = values["training"]
        training["task_weights"] = None
        loss = training["loss"]
        if loss is not None and "type" not in loss:  # A loss for each target.
            training["loss"] = loss.get(target.name)
        weights = training["class_weight"]
        if isinstance(weights, dict):
            weights = weights.get(target.name)
        has_classes = isinstance(target, (Binary, Multiclass))
        training["class_weight"] = weights if has_classes else None
        training["threshold"] = DEFAULT  # Comparisons are at this one.
        stopping = training["early_stopping"]
        if stopping is not None and stopping["monitor"] not in ("loss", "val_loss"):
            validated = stopping["monitor"].startswith("val_")
            stopping["monitor"] = "val_loss" if validated else "loss"
        single = type(config).model_validate(values)
        configs[target.name] = single.renamed(f"{config.name} (only {target.name})")
    return configs


def single_task_data(data: TabularData, name: str) -> TabularData:
    """Selects one of several targets, with the same encoded rows.

    Args:
        data: What `load_data` returned for several targets.
        name: The target's name.

    Returns:
        A `TabularData` with a single `Target`; rows without a label have weight 0.
    """
    (target,) = (target for target in data.features.target.targets if target.name == name)
    parts = {
        part: None if batches is None else _of_target(batches, name)
        for part, batches in (
            ("train", data.train),
            ("validation", data.validation),
            ("test", data.test),
        )
    }
    features = dataclasses.replace(data.features, target=target)
    return dataclasses.replace(data, features=features, **parts)


def _of_target(batches, name):
    return ArrayBatches(
        batches.x if isinstance(batches.x, dict) else {"": batches.x},
        batches.y[name],
        batches.sample_weight[name],
        batch_size=batches.batch_size,
        shuffle=batches.shuffle,
        seed=batches.seed,
    )
