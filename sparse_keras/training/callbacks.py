"""The callbacks of a training: what a config asks for, and what every run has."""

from __future__ import annotations

import os
from collections.abc import Iterable

import keras

from sparse_keras._internal.suggest import did_you_mean
from sparse_keras.callbacks import ExpertLoad, Samples, TaskWeightLogs
from sparse_keras.data import Dataset
from sparse_keras.layers.mixtures.gated_layer import gated_layers
from sparse_keras.schema import Config
from sparse_keras.tasks.scores import log_names
from sparse_keras.training.evaluation import ExactValidation
from sparse_keras.training.loop import early_stopping
from sparse_keras.training.runs.best_and_last_weights import BestAndLastWeights
from sparse_keras.training.thresholds import check_threshold, task_of_training


def training_callbacks(
    config: Config, model: keras.Model, data: Dataset
) -> tuple[list[keras.callbacks.Callback], BestAndLastWeights]:
    """Makes the callbacks of a config, for its model and its data.

    Args:
        config: A `Config`.
        model: The model it describes.
        data: The data set to train on.

    Returns:
        `(callbacks, weights)`: the callbacks in their order, and the one of them that remembers
        weights the model may not end with.

    Raises:
        ValueError: If early stopping monitors a value that is not logged, if the threshold cannot
            be tuned or kept, if `training.expert_load` is set for a model without experts, or if
            the model does not take the prompts of `training.samples`.
    """
    task = task_of_training(data.task, config.training)
    check_threshold(config.training.threshold, data)
    has_experts, validated = bool(gated_layers(model)), data.validation is not None
    expert_load = config.training.expert_load
    if expert_load is not None and not has_experts:
        raise ValueError(
            "training.expert_load configures the logs of experts, and the model of type "
            f"{config.model.type!r} has no mixture of experts. Leave it out."
        )
    callbacks = []
    directions = _directions(task, validated)
    stopping = config.training.early_stopping
    also = {}
    if validated:
        # Those that are not logged by themselves are computed where early stopping needs one.
        also = {
            f"val_{name}": info.best
            for name, info in log_names(task).items()
            if f"val_{name}" not in directions
        }
        monitored = [] if stopping is None else [stopping.monitor]
        names = [name.removeprefix("val_") for name in monitored if name in also]
        exact = ExactValidation(data.validation, task, names)
        callbacks += [exact] if exact.applies() else []
    load = ExpertLoad(**(expert_load.kwargs() if expert_load else {}))
    callbacks += [load] if has_experts else []
    if getattr(model, "task_weights_layer", None) is not None:
        callbacks.append(TaskWeightLogs())
    if config.training.samples is not None:
        callbacks.append(_samples(config.training.samples, model))
    if has_experts:
        directions = directions | dict.fromkeys(load.to_minimize(model), "min")
    if stopping is None:
        weights = BestAndLastWeights("val_loss" if validated else None)
        return [*callbacks, weights], weights
    directions = directions | also
    if stopping.monitor not in directions:
        raise ValueError(
            "training.early_stopping.monitor must be a loss or a metric of training or validation, "
            "here "
            f"{', '.join(directions)}. Received: {stopping.monitor!r}."
            f"{did_you_mean(stopping.monitor, directions)}"
        )
    mode = directions[stopping.monitor]
    # The model ends with the best weights, if early stopping restores them.
    weights = BestAndLastWeights(None if stopping.restore_best else stopping.monitor, mode)
    return [*callbacks, weights, early_stopping(stopping, mode)], weights


def tensorboard_callbacks(
    callbacks: list[keras.callbacks.Callback], log_dir: str | os.PathLike
) -> list[keras.callbacks.Callback]:
    """Adds Keras's `TensorBoard` to callbacks, and has their `ExpertLoad` write there, too.

    Args:
        callbacks: What `training_callbacks` returned. Its `ExpertLoad` is changed.
        log_dir: The folder to write to.

    Returns:
        A list of all of them.
    """
    for callback in callbacks:
        if isinstance(callback, ExpertLoad):
            callback.log_dir = str(log_dir)
    # Its graph is that of a model that Keras can take apart, which a PreprocessedModel is not.
    return [*callbacks, keras.callbacks.TensorBoard(log_dir, write_graph=False)]


def write_samples(
    callbacks: Iterable[keras.callbacks.Callback],
    file: os.PathLike,
    shown_by: Iterable[keras.callbacks.Callback],
) -> None:
    """Says where `Samples` go.

    Args:
        callbacks: What `training_callbacks` returned. Its `Samples` are changed.
        file: The file to write to.
        shown_by: Callbacks of which one may have a method `show_samples`: it shows the texts.
    """
    shows = [other.show_samples for other in shown_by if hasattr(other, "show_samples")]
    for callback in callbacks:
        if isinstance(callback, Samples):
            callback.file = file
            callback.show = shows[0] if shows else None


def _samples(section, model):
    samples = Samples(**section.kwargs())
    try:
        samples.check(model)
    except ValueError as error:
        raise ValueError(f"training.samples: {error}") from None
    return samples


def _directions(task, validated):
    """What a training logs, and whether the best value is the "min" or the "max"."""
    directions = task.directions()
    if validated:
        return directions | {f"val_{name}": best for name, best in directions.items()}
    return directions
