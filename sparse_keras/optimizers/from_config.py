"""Makes the optimizer and learning-rate schedule of a config's `optimizer` section."""

from typing import Any

import keras

from sparse_keras.optimizers.fused_optimizer import FusedOptimizer

_OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
}


def optimizer_of(
    section: Any, steps_per_epoch: int, total_steps: int
) -> keras.optimizers.Optimizer:
    """Makes the optimizer.

    Args:
        section: The validated `optimizer` section.
        steps_per_epoch: Number of training steps in an epoch, the unit of `warmup_epochs` and of
            exponential decay.
        total_steps: Number of training steps. A schedule ends with the last one.

    Returns:
        A `keras.optimizers.Optimizer`.

    Raises:
        ValueError: If the warmup is as long as the training, or longer.
    """
    arguments = section.kwargs()
    schedule = arguments.pop("schedule")
    fused = arguments.pop("fused")
    if schedule is not None:
        arguments["learning_rate"] = _schedule(
            section.schedule, section.learning_rate, steps_per_epoch, total_steps
        )
    optimizer = _OPTIMIZERS[section.type](**arguments)
    return FusedOptimizer(optimizer) if fused else optimizer


def _schedule(
    section: Any, learning_rate: float, steps_per_epoch: int, total_steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    schedules = keras.optimizers.schedules
    if section.type == "exponential":
        return schedules.ExponentialDecay(learning_rate, steps_per_epoch, section.factor)
    if section.type == "linear":
        return schedules.PolynomialDecay(
            learning_rate, total_steps, learning_rate * section.final_fraction, power=1.0
        )
    if not section.warmup_epochs and section.warmup_steps is None:
        return schedules.CosineDecay(learning_rate, total_steps, alpha=section.final_fraction)
    warmup = section.warmup_steps
    if warmup is None:
        warmup = round(section.warmup_epochs * steps_per_epoch)
    if warmup >= total_steps:
        key, received = "warmup_steps", f"{warmup} steps"
        if section.warmup_steps is None:
            key = "warmup_epochs"
            received = f"{section.warmup_epochs:g} epochs of {steps_per_epoch} steps each"
        raise ValueError(
            f"optimizer.schedule.{key} must be shorter than the training of {total_steps} "
            f"steps. Received: {received}. Choose a shorter warmup, or more training.steps."
        )
    return schedules.CosineDecay(
        0.0,
        total_steps - warmup,
        alpha=section.final_fraction,
        warmup_target=learning_rate,
        warmup_steps=warmup,
    )
