"""A generated multi-label problem with something for experts, and for feature gates, to find.

Only 10 inputs matter. Three hidden hyperplanes cut their space into 8 regions, and in each region
the labels follow another rule: one linear model is wrong almost everywhere, while one per region
is right.
"""

import numpy as np
import pandas as pd

from sparse_keras.data.tabular.readers.raw import RawTable
from sparse_keras.data.tabular.splits import hold_out
from sparse_keras.data.tabular.targets import Target

HYPERPLANES = 3
INFORMATIVE = 10  # inputs that matter; the others are noise
INPUTS_USED = 4  # of the informative ones, by each hyperplane and each rule
REGION_SHIFT = 0.5  # standard deviation of a rule's constant, beside a signal of 1
NOISE = 0.3  # standard deviation, beside a signal of 1


def read(options):
    """Returns a generated `RawTable`: columns x000.. and label_00.., rows independent.

    Args:
        options: Anything with `num_samples`, `num_features`, `num_labels`, `seed`,
            `test_fraction` and `split_seed`.
    """
    x, labels = generate_multilabel(
        options.num_samples, options.num_features, options.num_labels, options.seed
    )
    names = _names("label_", options.num_labels, width=2)
    frame = pd.concat(
        [
            pd.DataFrame(x, columns=_names("x", options.num_features, width=3)),
            pd.DataFrame(labels, columns=names),
        ],
        axis=1,
    )
    target = Target("labels", "multilabel", tuple(names))
    train, test = hold_out(
        frame, target, options.test_fraction, options.split_seed, name="data.test_fraction"
    )
    return RawTable("generated_multilabel", train, test, target)


def generate_multilabel(num_samples, num_features, num_labels, seed):
    """Draws inputs and labels.

    Inputs are standard normal; 10 drawn ones are informative. The signs of 3 hyperplanes give the
    region of a row. Each pair of region and label has a linear rule of its own, on 4 informative
    inputs and a constant; noise is added, and the label is on where the sum is among the highest
    `rate` of all rows. The rates of the labels spread evenly from 0.1 to 0.5.

    Args:
        num_samples: Rows, N.
        num_features: Inputs, D.
        num_labels: Labels, L.
        seed: Non-negative integer.

    Returns:
        `(x, labels)`: float32 `[N, D]` and int8 `[N, L]` of zeros and ones.
    """
    rng = np.random.default_rng(seed)
    regions = 2**HYPERPLANES
    x = rng.standard_normal((num_samples, num_features)).astype("float32")
    informative = rng.choice(num_features, min(INFORMATIVE, num_features), replace=False)
    z = x[:, informative]
    cuts = _sparse_directions(rng, HYPERPLANES, len(informative))
    rules = _sparse_directions(rng, regions * num_labels, len(informative))
    rules = rules.reshape(regions, num_labels, len(informative))
    shifts = REGION_SHIFT * rng.standard_normal((regions, num_labels))

    region_of_row = (z @ cuts.T > 0) @ 2 ** np.arange(HYPERPLANES)
    score = np.empty((num_samples, num_labels))
    for region in range(regions):
        rows = region_of_row == region
        score[rows] = z[rows] @ rules[region].T + shifts[region]
    score += NOISE * rng.standard_normal(score.shape)
    rates = rng.permutation(np.linspace(0.1, 0.5, num_labels))
    threshold = [np.quantile(score[:, label], 1.0 - rate) for label, rate in enumerate(rates)]
    return x, (score > threshold).astype("int8")


def _sparse_directions(rng, count, num_inputs):
    """Unit vectors `[count, num_inputs]`, each with at most `INPUTS_USED` entries."""
    directions = np.zeros((count, num_inputs))
    used = min(INPUTS_USED, num_inputs)
    for direction in directions:
        chosen = rng.choice(num_inputs, used, replace=False)
        direction[chosen] = rng.standard_normal(used)
        direction /= np.linalg.norm(direction)
    return directions


def _names(prefix, count, width):
    width = max(width, len(str(count - 1)))
    return [f"{prefix}{index:0{width}d}" for index in range(count)]
