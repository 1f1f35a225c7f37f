"""What early stopping monitors in contenders that do not log what the config monitors."""

from sparse_keras.schema import Config


def fallback_monitor(config: Config) -> str:
    """Returns the loss to monitor instead of a log of routers that a contender does not have."""
    return "val_loss" if config.data and config.data.validation_fraction else "loss"
