"""Initial values of banks: one independent draw for each expert, with the expert's own fan."""

import keras
from keras import ops

from sparse_keras._internal.seeds import derived_seed


def per_group(initializer, role):
    """Makes an initializer of `[E, ...]` out of one for a single expert.

    A Keras initializer given a bank's shape takes the expert axis for a receptive field, which
    divides the standard deviation by `sqrt(E)`; and called twice it returns the same values. So
    each expert's slice is drawn on its own, from a seed made of (seed, role, expert). Experts
    differ from each other, and so do the matrices of one expert, even where one initializer with an
    integer seed serves all of them.

    Args:
        initializer: A Keras initializer for one expert's weight. One of your own has to have a
            `seed` in its config, or to return other values with each call.
        role: The weight's name within its layer, such as `"expert_up_kernel"`.

    Returns:
        A function of `(shape, dtype)`, for `add_weight(initializer=...)`.
    """

    def draw(shape, dtype=None):
        return ops.stack(
            [for_group(initializer, role, e)(shape[1:], dtype=dtype) for e in range(shape[0])]
        )

    return draw


def for_group(initializer, role, group):
    """The initializer of one group's weight: another draw than that of any other group."""
    seed = getattr(initializer, "seed", None)
    # Constants have no seed; a SeedGenerator moves on with each call by itself.
    if not isinstance(initializer, keras.initializers.Initializer) or not isinstance(seed, int):
        return initializer
    config = initializer.get_config()
    if "seed" not in config:
        return initializer
    derived = derived_seed(seed, role, group)
    return initializer.__class__.from_config({**config, "seed": derived})
