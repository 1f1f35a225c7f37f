"""Pairs instead of products: few specs in which every two values meet that meet in any."""

import itertools


def pairs_of(spec):
    return set(itertools.combinations(sorted(spec.items(), key=lambda item: item[0]), 2))


def all_pairs(specs):
    """Chooses specs, greedily, until each pair of values that any has is in a chosen one.

    Args:
        specs: Dict of names to dicts with the same keys and hashable values.

    Returns:
        The names of the chosen ones, in the order of `specs`.
    """
    missing = set().union(*map(pairs_of, specs.values()))
    chosen = set()
    while missing:
        best = max(specs, key=lambda name: len(pairs_of(specs[name]) & missing))
        chosen.add(best)
        missing -= pairs_of(specs[best])
    return [name for name in specs if name in chosen]
