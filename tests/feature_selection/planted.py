"""Data with features that matter, known to the tests."""

import numpy as np

RELEVANT = [2, 5, 11]


def classes(rows=400, features=16, seed=0, noise=0.3):
    """Two classes that three features decide."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, features)) * rng.uniform(0.1, 10, features) + rng.normal(
        size=features
    )
    z = (x[:, RELEVANT] - x[:, RELEVANT].mean(axis=0)) / x[:, RELEVANT].std(axis=0)
    return x, (z.sum(axis=1) + noise * rng.normal(size=rows) > 0).astype(int)


def numbers(rows=400, features=16, seed=0):
    """A number to which three features add."""
    x, _ = classes(rows, features, seed)
    z = x[:, RELEVANT] / x[:, RELEVANT].std(axis=0)
    return x, z @ [1.0, -2.0, 1.5] + np.random.default_rng(seed).normal(size=rows)
