"""Sizes rounded up, so that what is compiled serves several of them."""


def power_of_two(size: int) -> int:
    """Returns the least power of two that is not less than a size."""
    return 1 << max(int(size) - 1, 0).bit_length()
