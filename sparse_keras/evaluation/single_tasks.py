"""Single-task models: each target of a table learned alone, on the same rows and their encoding."""

import dataclasses

from sparse_keras.data import ArrayBatches
from sparse_keras.evaluation.dense_baselines import dense_twin


def single_task_configs(config, data):
    """The configs of models that learn one target each.

    Each is the shared bottom that has as many active FLOPs as the model of all tasks, with one
    tower. It stops early as the model of all tasks does, by its own loss where that stops by
    something of one target.

    Args:
        config: The `Config` of a sparse model of several targets.
        data: What `load_data(config)` returned.

    Returns:
        Dict from target name to `Config`. Its data section is that of all targets;
        `single_task_data` has the rows.
    """
    twin = dense_twin(config, data)
    configs = {}
    for target in data.task.tasks:
        values = twin.model_dump()
        training = values["training"]
        training["task_weights"] = None
        loss = training["loss"]
        if loss is not None and "type" not in loss:  # A loss for each target.
            training["loss"] = loss.get(target.name)
        stopping = training["early_stopping"]
        if stopping is not None and stopping["monitor"] not in ("loss", "val_loss"):
            validated = stopping["monitor"].startswith("val_")
            stopping["monitor"] = "val_loss" if validated else "loss"
        one = type(config).model_validate(values)
        configs[target.name] = one.renamed(f"{config.name} (only {target.name})")
    return configs


def single_task_data(data, name):
    """The data of one of several targets: the same rows, encoded alike.

    Args:
        data: What `load_data` returned for several targets.
        name: The target's name.

    Returns:
        A `TabularData` with a plain `Target`; rows without its label have weight 0.
    """
    (target,) = (one for one in data.features.target.targets if one.name == name)
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
