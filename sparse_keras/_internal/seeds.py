"""Seeds derived from a user's seed, so that one integer serves several independent draws."""

import zlib


def derived_seed(seed: int, *path: object) -> int:
    """Returns a seed for one draw among many that start from the same integer.

    It depends on nothing but its arguments: it is the same on every machine and in every version of
    Python, which `hash` is not. Models that were trained from a seed are drawn by it, so changing
    it changes their results.

    Args:
        seed: The user's seed.
        *path: What tells this draw from the others, such as a weight's name and the number of the
            expert.

    Returns:
        An integer in `[0, 2**32)`.

    Example:

    >>> from sparse_keras._internal.seeds import derived_seed
    >>> derived_seed(0, "expert_kernel", 1) == derived_seed(0, "expert_kernel", 2)
    False
    """
    return zlib.crc32("/".join(map(str, (seed, *path))).encode())
