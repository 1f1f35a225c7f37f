"""Seeds derived from a user's seed."""

from sparse_keras._internal.seeds import derived_seed


def test_seeds_are_the_same_for_ever():
    # crc32 of b"0/expert_kernel/1": another value would change the results of every model.
    assert derived_seed(0, "expert_kernel", 1) == 89489638
    assert derived_seed(7, "tower") == 2658837308


def test_each_place_has_its_own():
    seeds = {
        derived_seed(s, role, e) for s in range(3) for role in ("up", "down") for e in range(9)
    }
    assert len(seeds) == 54 and all(0 <= seed < 2**32 for seed in seeds)
