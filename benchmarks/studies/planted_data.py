"""Data with planted regions: rows lie in clusters, and clusters have rules of their own, or not.

    x = c_r + s z,    z ~ N(0, I),    r uniform among R regions
    y = sqrt(strength) w_r . z + sqrt(1 - strength) f(x) + noise

Region r has its own linear rule w_r of where a row lies in it. f is one smooth function of x, a sum
of random waves, that knows nothing of regions. Both parts have variance 1, so that the target's
variance and the noise's share of it are the same at every strength. Strength 1 is regions alone,
strength 0 has none: the same inputs with a smooth target.

Axis letters: B rows, D features, R regions, W waves.
"""

import numpy as np

DIM = 10
REGIONS = 32
SPREAD = 0.5  # s, a region's standard deviation; its centre is drawn from N(0, I)
WAVES = 64
FREQUENCY = 1.5
NOISE_VARIANCE = 0.01


def draw(seed, strength, sizes):
    """Parts of one problem: training, validation and test rows, or any others.

    Inputs, rules, waves and noise of a seed are the same at every strength.

    Args:
        seed: Non-negative integer.
        strength: Share of the target's variance that regions explain, from 0 to 1.
        sizes: Number of rows of each part.

    Returns:
        List of `(x, y, region)`: float32 `[B, D]`, float32 `[B, 1]`, int `[B]`.
    """
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(REGIONS, DIM))
    rules = rng.normal(size=(REGIONS, DIM))
    rules /= np.linalg.norm(rules, axis=1, keepdims=True)
    waves = rng.normal(size=(DIM, WAVES)) * FREQUENCY / DIM**0.5
    phases = rng.uniform(0.0, 2.0 * np.pi, WAVES)
    heights = rng.normal(size=WAVES)

    region = rng.integers(REGIONS, size=sum(sizes))
    z = rng.normal(size=(len(region), DIM))
    x = centres[region] + SPREAD * z
    regional = np.sum(rules[region] * z, axis=1)
    smooth = np.cos(x @ waves + phases) @ heights
    smooth = (smooth - smooth.mean()) / smooth.std()
    noise = rng.normal(size=len(region)) * NOISE_VARIANCE**0.5
    y = strength**0.5 * regional + (1.0 - strength) ** 0.5 * smooth + noise

    ends = np.cumsum(sizes)[:-1]
    columns = (x.astype("float32"), y.astype("float32")[:, None], region)
    return list(zip(*(np.split(column, ends) for column in columns), strict=True))
