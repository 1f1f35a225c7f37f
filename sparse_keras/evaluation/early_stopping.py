"""What early stopping monitors in contenders that do not log what the config monitors."""

from sparse_keras.schema import Config


def fallback_monitor(config: Config) -> str:
    """Returns the loss to monitor instead of a log of routers that a contender does not have."""
    validated = config.data is not None and config.data.why_no_validation is None
    return "val_loss" if validated else "loss"
