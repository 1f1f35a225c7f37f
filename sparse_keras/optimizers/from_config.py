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


def optimizer_of(section: Any, steps_per_epoch: int, epochs: int) -> keras.optimizers.Optimizer:
    """Makes the optimizer.

    Args:
        section: The validated `optimizer` section.
        steps_per_epoch: Number of training steps in an epoch.
        epochs: Number of epochs. A schedule ends with the last one.

    Returns:
        A `keras.optimizers.Optimizer`.
    """
    arguments = section.kwargs()
    schedule = arguments.pop("schedule")
    fused = arguments.pop("fused")
    if schedule is not None:
        arguments["learning_rate"] = _schedule(
            section.schedule, section.learning_rate, steps_per_epoch, epochs
        )
    optimizer = _OPTIMIZERS[section.type](**arguments)
    return FusedOptimizer(optimizer) if fused else optimizer


def _schedule(
    section: Any, learning_rate: float, steps_per_epoch: int, epochs: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    schedules = keras.optimizers.schedules
    steps = steps_per_epoch * epochs
    if section.type == "exponential":
        return schedules.ExponentialDecay(learning_rate, steps_per_epoch, section.factor)
    if section.type == "linear":
        return schedules.PolynomialDecay(
            learning_rate, steps, learning_rate * section.final_fraction, power=1.0
        )
    if not section.warmup_epochs:
        return schedules.CosineDecay(learning_rate, steps, alpha=section.final_fraction)
    warmup = round(section.warmup_epochs * steps_per_epoch)
    return schedules.CosineDecay(
        0.0,
        steps - warmup,
        alpha=section.final_fraction,
        warmup_target=learning_rate,
        warmup_steps=warmup,
    )
