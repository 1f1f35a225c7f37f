"""The optimizer and the learning-rate schedule that a config's `optimizer` section describes."""

import keras

from sparse_keras.optimizers.fused_optimizer import FusedOptimizer

_OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
}


def optimizer_of(section, steps_per_epoch, epochs):
    """Makes the optimizer.

    Args:
        section: The validated `optimizer` section.
        steps_per_epoch: Steps in an epoch, by which a schedule counts.
        epochs: Epochs of the training, at whose end a schedule ends.

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


def _schedule(section, learning_rate, steps_per_epoch, epochs):
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
