"""Initial values of expert banks: an independent draw for each expert, with its own fan."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from sparse_keras._internal.seeds import derived_seed
from sparse_keras._internal.typing import Tensor

_CONSTANTS = (keras.initializers.Zeros, keras.initializers.Ones)


def per_group(initializer: Any, role: str) -> Callable[..., Tensor]:
    """Makes an initializer of `[E, ...]` from one for a single expert.

    A Keras initializer would take the expert axis of a bank's shape for a receptive field, and
    divide the standard deviation by `sqrt(E)`; and called twice, it returns the same values. So
    each expert's slice is drawn by itself, from a seed derived from (seed, role, expert). Experts
    differ from each other, and so do the matrices of one expert, even if they share one initializer
    with an integer seed.

    Args:
        initializer: A Keras initializer for one expert's weight. An initializer of your own must
            have a `seed` in its config, or return other values with each call.
        role: The weight's name within its layer, such as `"expert_up_kernel"`.

    Returns:
        A function of `(shape, dtype)`, for `add_weight(initializer=...)`.
    """

    def draw(shape: tuple, dtype: Any = None) -> Tensor:
        if isinstance(initializer, _CONSTANTS):
            return initializer(shape, dtype=dtype)  # At once, which spares a copy of the bank.
        return ops.stack(
            [for_group(initializer, role, e)(shape[1:], dtype=dtype) for e in range(shape[0])]
        )

    return draw


def for_group(initializer: Any, role: str, group: int) -> Any:
    """Returns the initializer of one expert's weight, which draws other values than any other.

    Args:
        initializer: A Keras initializer.
        role: The weight's name within its layer.
        group: Number of the expert.
    """
    seed = getattr(initializer, "seed", None)
    # Constants have no seed, and a SeedGenerator changes with each call.
    if not isinstance(initializer, keras.initializers.Initializer) or not isinstance(seed, int):
        return initializer
    config = initializer.get_config()
    if "seed" not in config:
        return initializer
    config["seed"] = derived_seed(seed, role, group)
    return type(initializer).from_config(config)
