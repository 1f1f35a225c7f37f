"""The training loop, of `train` and of the scikit-learn estimators: Keras's `fit`, and around it

* steps instead of epochs: training ends after `training.steps`, within an epoch if need be;
* resuming: training starts after any batch of any epoch;
* stopping early, and when the loss is no number.

An epoch is a pass over the training rows. The last one may be partial; like the others it ends with
validation, and has its row of logs.
"""

from collections.abc import Iterable

import keras
import numpy as np

from sparse_keras.data.batches import check_batches
from sparse_keras.schema.sections.training import EarlyStopping, TrainingConfig


def fit(
    model: keras.Model,
    train: keras.utils.PyDataset,
    validation: keras.utils.PyDataset | None,
    training: TrainingConfig,
    callbacks: Iterable[keras.callbacks.Callback] = (),
    *,
    epoch: int = 0,
    batch: int = 0,
    verbose: str | int = "auto",
) -> keras.callbacks.History:
    """Trains a compiled model as the `training` section of a config says.

    Training that meets a loss that is NaN or infinite stops; see `check_losses`.

    Args:
        model: The compiled model.
        train: Batches to train on, such as `check_batches` accepts.
        validation: Batches to validate on at the end of each epoch. `None` for no validation.
        training: The validated `training` section. Its `epochs` or `steps` count, and nothing else
            of it.
        callbacks: Keras callbacks. They see the numbers of batches and epochs that they would see
            in a training from the start.
        epoch: Number of epochs that are finished already.
        batch: Number of batches of the next epoch that are finished already, fewer than there are.
        verbose: As in `keras.Model.fit`.

    Returns:
        The `History` of what was trained here.

    Raises:
        ValueError: If `train` cannot be trained on epoch by epoch.
    """
    check_batches(train)
    steps_per_epoch = len(train)
    total_steps = training.total_steps(steps_per_epoch)
    epochs = training.total_epochs(steps_per_epoch)
    own = [keras.callbacks.TerminateOnNaN()]
    if total_steps < epochs * steps_per_epoch:
        own.append(_StopAfter(total_steps, steps_per_epoch))
    callbacks = _Callbacks(
        [*own, *callbacks],
        batches=train,
        first_batch=batch,
        model=model,
        verbose=verbose,
        epochs=epochs,
        steps=steps_per_epoch,
    )
    if not model.optimizer.built:  # Else Keras, on TensorFlow, traces the first step twice.
        model.optimizer.build(model.trainable_variables)
    parts = [(train, epoch, epochs)]
    if batch:  # Keras's `fit` cannot start within an epoch, so that the rest is a `fit` by itself.
        parts = [(_Rest(train, batch), epoch, epoch + 1), (train, epoch + 1, epochs)]
    for number, (batches, initial_epoch, last_epoch) in enumerate(parts):
        callbacks.another_fit_follows = number + 1 < len(parts)
        model.fit(
            batches,
            validation_data=validation,
            initial_epoch=initial_epoch,
            epochs=last_epoch,
            callbacks=callbacks,
            verbose=verbose,
            shuffle=False,  # The batches shuffle their rows themselves, by (seed, epoch).
        )
        if model.stop_training:
            break
    return model.history


def early_stopping(section: EarlyStopping, mode: str) -> keras.callbacks.EarlyStopping:
    """The callback of a `training.early_stopping` section.

    Args:
        section: The validated section.
        mode: `"min"` or `"max"`, which value of the monitored log is the best.
    """
    return keras.callbacks.EarlyStopping(
        monitor=section.monitor,
        patience=section.patience,
        restore_best_weights=section.restore_best,
        mode=mode,
    )


def check_losses(losses: Iterable[float], advice: str) -> None:
    """Checks the loss of each epoch.

    Raises:
        FloatingPointError: If one is NaN or infinite. It ends with the advice.
    """
    losses = list(losses)
    if not np.isfinite(losses).all():
        raise FloatingPointError(
            f"The loss became NaN or infinite in epoch {len(losses)}. {advice}"
        )


class _StopAfter(keras.callbacks.Callback):
    """Stops training after a number of steps, counted from the first epoch."""

    def __init__(self, total_steps, steps_per_epoch):
        super().__init__()
        self.total_steps, self.steps_per_epoch = total_steps, steps_per_epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.steps_before = epoch * self.steps_per_epoch

    def on_train_batch_end(self, batch, logs=None):
        steps = self.steps_before + min(batch + 1, self.steps_per_epoch)
        if steps >= self.total_steps:
            self.model.stop_training = True


class _Callbacks(keras.callbacks.CallbackList):
    """Callbacks of a training that may be more than one `fit`, and may start within an epoch."""

    def __init__(self, callbacks, batches, first_batch, verbose, **kwargs):
        self.batches = batches
        self.first_batch = first_batch
        self.has_begun, self.last_logs = False, None
        self.another_fit_follows = False
        super().__init__(
            callbacks, add_history=True, add_progbar=verbose != 0, verbose=verbose, **kwargs
        )

    def on_train_begin(self, logs=None):
        if not self.has_begun:
            self.has_begun = True
            super().on_train_begin(logs)

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.epoch = epoch
        super().on_epoch_begin(epoch, logs)

    def on_train_batch_begin(self, batch, logs=None):
        super().on_train_batch_begin(self.first_batch + batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(self.first_batch + batch, logs)

    def on_epoch_end(self, epoch, logs=None):
        self.first_batch = 0
        self.last_logs = logs
        super().on_epoch_end(epoch, logs)

    def on_train_end(self, logs=None):
        if self.model.stop_training or not self.another_fit_follows:
            super().on_train_end(self.last_logs)

    # MLflow's autologging goes through the callbacks of a `fit`, and adds one of its own.
    def __iter__(self):
        return iter(self.callbacks)

    def append(self, callback):
        self.callbacks.append(callback)
        callback.set_params(self.params)
        callback.set_model(self.model)


class _Rest(keras.utils.PyDataset):
    """The batches of an epoch from some batch on."""

    def __init__(self, batches, first_batch):
        super().__init__(batches.workers, batches.use_multiprocessing, batches.max_queue_size)
        self.batches, self.first_batch = batches, first_batch

    def __len__(self):
        return len(self.batches) - self.first_batch

    def __getitem__(self, index):
        return self.batches[self.first_batch + index]

    def on_epoch_begin(self):
        self.batches.on_epoch_begin()

    def on_epoch_end(self):
        self.batches.on_epoch_end()
