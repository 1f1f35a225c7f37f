"""train and Run: from a config to a folder that holds everything about the run."""

from __future__ import annotations

import functools
import os
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from sparse_keras.callbacks.tensorboard import check_installed
from sparse_keras.data import Dataset, load_data
from sparse_keras.data.batches import check_batches, epochs_of
from sparse_keras.data.dataset import check_dataset
from sparse_keras.models import preprocessed
from sparse_keras.schema import Config
from sparse_keras.schema.config import check_config
from sparse_keras.training.building import build_network, compile_model
from sparse_keras.training.callbacks import (
    tensorboard_callbacks,
    training_callbacks,
    write_samples,
)
from sparse_keras.training.evaluation import evaluate
from sparse_keras.training.loop import check_losses, fit
from sparse_keras.training.runs.folder import RunFolder
from sparse_keras.training.runs.resuming import Checkpoints
from sparse_keras.training.runs.starting import start_run
from sparse_keras.training.thresholds import task_of_training, tune_threshold


@dataclass(frozen=True)
class Run:
    """A finished training.

    Attributes:
        path: The run's folder, a `pathlib.Path`.
        config: The `Config` it was trained from.
        model: The trained model. Where the data have a preprocessor, as tables and texts have, it
            is a `PreprocessedModel`, whose `core` is what `build_model` built; a language model is
            a `TextGenerator`.
        history: Dict from each log's name to its values, one for each epoch. With
            `training.steps`, the last epoch may be partial.
        metrics: Dict with the test metrics, computed exactly; `None` where one is undefined.
        seconds: Training time in seconds, the sum over all parts of a resumed run.
    """

    path: pathlib.Path
    config: Config = field(repr=False)
    model: keras.Model = field(repr=False)
    history: dict[str, list[float]] = field(repr=False)
    metrics: dict[str, float | None]
    seconds: float


class Interrupted(KeyboardInterrupt):
    """Raised when Ctrl-C interrupts training. `folder` is the run's, from which it can resume,
    unless the run was `finished` just before."""

    def __init__(self, folder: pathlib.Path, finished: bool = False) -> None:
        super().__init__(
            f"The run was finished already: load_model({str(folder)!r})."
            if finished
            else f"Training was interrupted. Resume it with train(config, resume={str(folder)!r})."
        )
        self.folder, self.finished = folder, finished


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
    * `samples.jsonl`: the texts of `training.samples`;
    * `model.keras`: preprocessing and network, for `sparse_keras.load_model`;
    * `last.keras`, with the last epoch's weights, if early stopping restored those of the best; or
      `best.keras`, with the best epoch's weights, if training ended with worse ones. The best epoch
      is that of `training.early_stopping.monitor`, or of `val_loss` without early stopping. Each
      model has its own threshold, if `training.threshold` says that it is tuned;
    * `metrics.json`: the test metrics, at the model's threshold, and the seconds of training.
      Written last: without it, the run is not finished.

    A run that was killed, at any moment, resumes from its newest checkpoint. On the CPU it ends
    with the same weights, bit for bit, as without the break, unless a layer or callback draws from
    TensorFlow's global generator of random numbers, whose state cannot be saved.

    Args:
        config: A `Config` from `load_config`.
        data: What `load_data(config)` returned. `None` to load it here.
        output: Folder in which the run's own folder is made. Unused with `resume`.
        callbacks: More Keras callbacks. `ExpertLoad` and early stopping come before them. With
            `resume`, pass the same ones: attributes that training changed are restored if they hold
            numbers, strings, arrays, or lists, tuples and dicts of these. A callback with other
            state has a `state_dict()` and a `load_state_dict(state)`, which is called after
            `on_train_begin`, and within an epoch again after `on_epoch_begin`. One with a method
            `show_samples(epoch, samples)` gets the texts of `training.samples`, to show them
            instead of `callbacks.Samples`.
        verbose: As in `keras.Model.fit`.
        resume: Folder of an unfinished run of the same config, to go on with it there. `None` to
            start a new run.
        tensorboard: Whether to write logs for TensorBoard to `tensorboard` in the run's folder.

    Returns:
        A `Run`.

    Raises:
        ValueError: If the config has no data or no optimizer, stops early by a value that is not
            logged, has a `training.class_weight` or `training.threshold` that does not fit the
            target, has `training.expert_load` and a model without experts, or `training.samples`
            with prompts that the model does not take; if `resume` is no
            unfinished run of this config; if `data.train` cannot be resumed (see
            `data/batches.py`); if `tensorboard` is not installed. Nothing is written then.
        FloatingPointError: If the loss becomes NaN or infinite.
        OSError: If a file cannot be written. A note says how to resume the training.
        Interrupted: On Ctrl-C while training: a `KeyboardInterrupt` with the run's `folder`.

    Example:

    ```python
    run = sparse_keras.train(sparse_keras.load_config("tabular/sparse_mlp_adult"))
    run.metrics["auc"]
    ```
    """
    check_config(config)
    if data is not None:
        check_dataset(data)
    if config.optimizer is None:
        raise ValueError(
            f"The config {config.name!r} has no optimizer section, which training needs, such as "
            "optimizer: {type: adam}."
        )
    if tensorboard:
        check_installed()
    folder = None if resume is None else RunFolder(resume)
    if folder is not None:
        folder.check_resumable(config, keras.backend.backend())
    data = load_data(config) if data is None else data
    check_batches(data.train)
    batches = epochs_of(data.train, config.training.steps_per_epoch)
    task = task_of_training(data.task, config.training)
    keras.utils.set_random_seed(config.training.seed)
    model = build_network(config, data)
    if data.preprocessor is not None:
        model = preprocessed(model, data.preprocessor, task.threshold)
    compile_model(model, config, data)
    own, best_and_last = training_callbacks(config, model, data)
    if folder is None:
        folder = start_run(output, config, keras.backend.backend(), data)
    if tensorboard:
        own = tensorboard_callbacks(own, folder.tensorboard)
    write_samples(own, folder.samples, shown_by=callbacks)
    try:
        with folder.lock():
            if resume is not None:  # Once more: another process may have finished it meanwhile.
                folder.check_resumable(config, data=data)
            state = Checkpoints(folder, config, model, batches, [*own, *callbacks])
            epochs = config.training.total_epochs(len(batches))
            fit(
                model,
                batches,
                data.validation,
                config.training,
                [*own, *callbacks, state],
                # Early stopping ended the run before it broke off: no epoch is left.
                epoch=epochs if state.stopped else state.epoch,
                batch=state.batch,
                verbose=verbose,
            )
            check_losses(
                state.history["loss"],
                "A smaller optimizer.learning_rate than "
                f"{config.optimizer.learning_rate:g}, or optimizer.clipnorm, may help. The config "
                f"of this run is in {str(folder.path)!r}.",
            )
            tune = functools.partial(
                tune_threshold, model, config.training.threshold, data.validation
            )
            tune()
            metrics = {}
            if data.test is not None:
                metrics = evaluate(model, data.test, task)
            folder.save_model(model)
            best_and_last.save_others(model, folder, tune)
            folder.finish({**metrics, "fit_seconds": state.seconds})
    except KeyboardInterrupt:
        raise Interrupted(folder.path, folder.is_finished) from None
    except OSError as error:  # Such as a full disk.
        error.add_note(f"The training can be resumed with: {folder.resuming_command}")
        raise
    return Run(folder.path, config, model, state.history, metrics, state.seconds)
