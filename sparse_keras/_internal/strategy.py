"""The distribution strategy of a model: `tf.distribute`, which Keras supports on TensorFlow."""

import contextlib
from typing import Any


def strategy_scope(model: Any) -> contextlib.AbstractContextManager[Any]:
    """Returns a context in which new variables are those of the model's strategy, if it has one.

    Variables that are made outside of it cannot be updated by the model's training step.
    """
    strategy = getattr(model, "distribute_strategy", None)
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def num_replicas(model: Any) -> int:
    """Returns the number of replicas that a step of the model runs on; 1 without a strategy."""
    strategy = getattr(model, "distribute_strategy", None)
    return getattr(strategy, "num_replicas_in_sync", 1)
