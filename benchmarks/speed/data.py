"""The numbers that all subjects of a case share: inputs, upstream gradients, router matrices."""

import functools

import numpy as np

# Inputs of one repetition. Decoding takes more, because few tokens meet few experts.
INPUTS, DECODE_INPUTS = 4, 32


def num_inputs(case):
    return DECODE_INPUTS if case.table == "decode" else INPUTS


def inputs(case, repetition, count):
    """`count` inputs [N, D], new ones for each repetition: nothing learnt from a routing recurs."""
    rng = np.random.default_rng([1, repetition])
    return [rng.standard_normal((case.tokens, case.width), dtype="float32") for _ in range(count)]


def upstream(case):
    """The gradient [N, D] that flows into the output."""
    return np.random.default_rng(2).standard_normal((case.tokens, case.width), dtype="float32")


def fit_arrays(case):
    """Inputs and targets of one call of `fit`."""
    rng = np.random.default_rng(3)
    rows = (case.fit_steps + 1) * case.tokens  # The first step is not timed.
    x = rng.standard_normal((rows, case.width), dtype="float32")
    return x, rng.standard_normal((rows, 1 if case.head else case.width), dtype="float32")


def router_matrix(case, layer=0):
    """The router's matrix [D, E], as Glorot's uniform initializer draws it."""
    limit = (6 / (case.width + case.experts)) ** 0.5
    rng = np.random.default_rng([4, layer])
    return rng.uniform(-limit, limit, (case.width, case.experts)).astype("float32")


@functools.cache
def distinct_experts(case):
    """How many experts one input opens, on average over the first inputs, rounded."""
    matrix = router_matrix(case)
    opened = []
    for repetition in range(8):
        for x in inputs(case, repetition, num_inputs(case)):
            opened.append(len(np.unique(np.argsort(x @ matrix, axis=-1)[:, -case.k :])))
    return round(np.mean(opened))
