"""train and Run: from a config to a folder that holds everything about the run."""

from __future__ import annotations

import os
import pathlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from sparse_keras._internal.atomic import replacing
from sparse_keras._internal.suggest import did_you_mean
from sparse_keras.callbacks import ExpertLoad, TaskWeightLogs
from sparse_keras.callbacks.tensorboard import check_installed
from sparse_keras.data import Dataset, load_data
from sparse_keras.data.batches import check_batches
from sparse_keras.layers.mixtures.mixture import mixtures
from sparse_keras.models import PreprocessedModel
from sparse_keras.schema import Config
from sparse_keras.training.building import build_network, compile_model
from sparse_keras.training.loop import check_losses, early_stopping, fit
from sparse_keras.training.runs.best_and_last_weights import BestAndLastWeights
from sparse_keras.training.runs.folder import (
    CHECKPOINTS,
    MODEL_FILE,
    check_resumable,
    new_folder,
    write_inputs,
    write_metrics,
)
from sparse_keras.training.runs.lock import only_process
from sparse_keras.training.runs.resuming import Checkpoints


@dataclass(frozen=True)
class Run:
    """A finished training.

    Attributes:
        path: The run's folder, a `pathlib.Path`.
        config: The `Config` it was trained from.
        model: The trained model. Where the data have a preprocessor, as tables have, it is a
            `PreprocessedModel`, whose `core` is what `build_model` built.
        history: Dict from each log's name to its values, one for each epoch. With
            `training.steps`, the last epoch may be partial.
        metrics: Dict with the test metrics.
        seconds: Seconds that `fit` took.
    """

    path: pathlib.Path
    config: Config = field(repr=False)
    model: keras.Model = field(repr=False)
    history: dict[str, list[float]] = field(repr=False)
    metrics: dict[str, float]
    seconds: float


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in a training. `folder` is the run's, in which it can be resumed."""

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__(f"Go on with train(config, resume={str(folder)!r}).")
        self.folder = folder


def train(
    config: Config,
    data: Dataset | None = None,
    output: str | os.PathLike = "runs",
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: Any = "auto",
    resume: str | os.PathLike | None = None,
    tensorboard: bool = False,
) -> Run:
    """Trains a config, tests it, and writes everything about the run to a folder.

    The folder is `<output>/<config name>/<time>` and holds

    * `config.yaml`, the config as given, and `resolved.yaml`, with every value in force;
    * `environment.json`: versions, platform, backend, seed and the command that repeats the run;
    * `history.csv`: the logs of each epoch, written at the end of each epoch;
    * `checkpoints`, until the run is finished: the newest two, written after each epoch or as
      `training.checkpoint_every` says;
    * `tensorboard`: logs, if asked for, those of `ExpertLoad(log_dir=...)` among them;
    * `model.keras`: preprocessing and network, for `sparse_keras.load_model`;
    * `last.keras`, if early stopping went back to other weights than the last epoch's; or
      `best.keras`, if it does not go back and an earlier epoch was best, by
      `training.early_stopping.monitor` or else by `val_loss`;
    * `metrics.json`: the test metrics and the seconds of training. Written last: a folder without
      it is of a run that is not finished.

    A training that was killed, at any moment, goes on with `resume` from its newest checkpoint, on
    the CPU to the same weights, bit for bit, as without the break.

    Args:
        config: A `Config` from `load_config`.
        data: What `load_data(config)` returned. `None` to load it here.
        output: Folder in which the run's own folder is made. Unused with `resume`.
        callbacks: More Keras callbacks. `ExpertLoad` and early stopping come before them. With
            `resume`, the same ones: what training changed of their attributes is put back, as far
            as it is numbers, strings, arrays, or lists, tuples and dicts of these. A callback with
            other state has a `state_dict()` and a `load_state_dict(state)`, which is called after
            `on_train_begin`, and within an epoch again after `on_epoch_begin`.
        verbose: As in `keras.Model.fit`.
        resume: Folder of an unfinished run of the same config, to go on with it there. `None` to
            start a new run.
        tensorboard: Whether to write logs for TensorBoard to `tensorboard` in the run's folder.

    Returns:
        A `Run`.

    Raises:
        ValueError: If the config has no data or no optimizer, stops early by a value that is not
            logged, or has `training.expert_load` and a model without experts; if `resume` is no
            unfinished run of this config; if `data.train` cannot be resumed (see
            `data/batches.py`); if `tensorboard` is not installed. Nothing is written then.
        FloatingPointError: If the loss becomes NaN or infinite.
        Interrupted: A `KeyboardInterrupt` with the run's `folder`, if one comes while training.

    Example:

    ```python
    run = sparse_keras.train(sparse_keras.load_config("tabular/sparse_mlp_adult"))
    run.metrics["auc"]
    ```
    """
    if config.optimizer is None:
        raise ValueError(
            f"The config {config.name!r} has no optimizer section, which training needs, such as "
            "optimizer: {type: adam}."
        )
    if tensorboard:
        check_installed()
    if resume is not None:
        resume = pathlib.Path(resume)
        check_resumable(resume, config, backend=keras.backend.backend())
    data = load_data(config) if data is None else data
    check_batches(data.train)
    keras.utils.set_random_seed(config.training.seed)
    core = build_network(config, data)
    model = core if data.preprocessor is None else PreprocessedModel(core, data.preprocessor)
    compile_model(model, config, data)
    own, snapshots = callbacks_of(config, model, data)
    if resume is None:
        folder = new_folder(pathlib.Path(output) / config.name)
        write_inputs(folder, config, keras.backend.backend(), data.digest())
    else:
        folder = resume
    if tensorboard:
        for callback in own:
            if isinstance(callback, ExpertLoad):
                callback.log_dir = str(folder / "tensorboard")
        # Its graph is that of a model that Keras can take apart, which a PreprocessedModel is not.
        own.append(keras.callbacks.TensorBoard(folder / "tensorboard", write_graph=False))

    (folder / CHECKPOINTS).mkdir(exist_ok=True)
    try:
        with only_process(folder / CHECKPOINTS):
            if resume is not None:  # Once more: another process may have finished it meanwhile.
                check_resumable(folder, config, data.digest())
            state = _fit(folder, config, model, data, [*own, *callbacks], verbose)
            metrics = {}
            if data.test is not None:
                metrics = model.evaluate(data.test, return_dict=True, verbose=0)
            _save_models(folder, model, snapshots)
            write_metrics(folder, {**metrics, "fit_seconds": state.seconds})
        shutil.rmtree(folder / CHECKPOINTS)
    except KeyboardInterrupt:
        raise Interrupted(folder) from None
    return Run(folder, config, model, state.history, metrics, state.seconds)


def _fit(folder, config, model, data, callbacks, verbose):
    """Trains what is left to train; returns the `Checkpoints`, which know all epochs."""
    state = Checkpoints(folder, config, model, data.train, callbacks)
    training = config.training
    fit(
        model,
        data.train,
        data.validation,
        training,
        [*callbacks, state],
        # Early stopping ended this run: no epoch is left.
        epoch=training.total_epochs(len(data.train)) if state.stopped else state.epoch,
        batch=state.batch,
        verbose=verbose,
    )
    check_losses(
        state.history["loss"],
        f"A smaller optimizer.learning_rate than {config.optimizer.learning_rate:g}, or "
        f"optimizer.clipnorm, may help. The config of this run is in {str(folder)!r}.",
    )
    return state


def _save_models(folder, model, snapshots):
    _save(model, folder / MODEL_FILE)
    final = model.get_weights()
    for name, weights in snapshots.other_weights(final).items():
        model.set_weights(weights)
        _save(model, folder / name)
    model.set_weights(final)


def _save(model, path):
    with replacing(path) as partial:
        model.save(partial)


def callbacks_of(config, model, data):
    """The callbacks of a config, for its model and its data.

    Returns:
        `(callbacks, snapshots)`: the callbacks in their order, and which of them is the
        `BestAndLastWeights`.

    Raises:
        ValueError: If the training would stop early by a value that is not logged, or should tell
            of the experts of a model that has none.
    """
    sparse, validated = bool(mixtures(model)), data.validation is not None
    expert_load = config.training.expert_load
    if expert_load is not None and not sparse:
        raise ValueError(
            "training.expert_load configures the logs of experts, and the model of type "
            f"{config.model.type!r} has no mixture of experts. Leave it out."
        )
    callbacks = [ExpertLoad(**(expert_load.kwargs() if expert_load else {}))] if sparse else []
    if getattr(model, "task_weights_layer", None) is not None:
        callbacks.append(TaskWeightLogs())
    directions = _logs(data.task, validated)
    if sparse:
        directions |= dict.fromkeys(callbacks[0].to_minimize(model), "min")
    stopping = config.training.early_stopping
    if stopping is None:
        snapshots = BestAndLastWeights("val_loss" if validated else None)
        return [*callbacks, snapshots], snapshots
    if stopping.monitor not in directions:
        raise ValueError(
            "training.early_stopping.monitor must be one of the values that this training logs and "
            f"that can improve: {', '.join(directions)}. Received: {stopping.monitor!r}."
            f"{did_you_mean(stopping.monitor, directions)}"
        )
    mode = directions[stopping.monitor]
    # The model ends with the best weights, if early stopping goes back to them.
    snapshots = BestAndLastWeights(None if stopping.restore_best else stopping.monitor, mode)
    return [*callbacks, snapshots, early_stopping(stopping, mode)], snapshots


def _logs(task, validated):
    """What a training logs, and whether the best value is the "min" or the "max"."""
    directions = task.directions()
    if validated:
        directions |= {f"val_{name}": best for name, best in directions.items()}
    return directions
