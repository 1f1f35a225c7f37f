"""The networks of the MMoE paper's experiment, built by the library, and their weights in stacks.

Each run starts from the weights that the library's own builder draws for its seed; a run of the
batched program and the model it was taken from compute the same.
"""

import keras
import numpy as np

from benchmarks.studies.correlated_tasks import DIM
from sparse_keras import models
from sparse_keras.data import TableInputs

KINDS = {
    "shared_bottom": "shared bottom",
    "omoe": "one gate (OMoE)",
    "mmoe": "a gate per task (MMoE)",
}
TASKS = dict.fromkeys(("first", "second"), "regression")
EXPERTS = {"type": "dense", "num_experts": 8, "units": 16, "activation": "relu"}
BOTTOM = 113  # The paper's, for about as many weights as the experts have.


def build(kind):
    """The library's model of a kind, uncompiled, with weights of its own."""
    options = {"inputs": TableInputs(DIM), "tasks": TASKS, "tower": {"hidden_dims": [8]}}
    if kind == "shared_bottom":
        return models.shared_bottom(hidden_dims=[BOTTOM], **options)
    return getattr(models, kind)(experts=EXPERTS, router="dense", **options)


def ordered(model):
    """A model's trainable weights in the order of the batched program.

    First what the tasks share: kernel and bias of the experts or the bottom, then the gates; then
    for each task kernel and bias of its tower and of its head.
    """
    variables = list(model.trainable_variables)

    def taken(condition):
        found = [v for v in variables if condition(v.path)]
        variables[:] = [v for v in variables if not condition(v.path)]
        return sorted(found, key=lambda v: "bias" in v.path.split("/")[-1])

    towers = [
        variable
        for task in TASKS
        for part in ("tower", "head")
        for variable in taken(lambda path, name=f"{task}_{part}": name in path)
    ]
    gates = taken(lambda path: "router_kernel" in path)
    shared = taken(lambda path: True)
    return [*shared, *gates, *towers]


def initial_weights(kind, seeds, correlations):
    """Weights of all runs, as `BatchedRuns` takes them.

    Args:
        kind: A name of `KINDS`.
        seeds: List of S seeds, from which the library's builder draws.
        correlations: P. All correlations of a seed start from the same weights.

    Returns:
        List of float32 arrays `[P * S, ...]`.
    """
    drawn = []
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        drawn.append([keras.ops.convert_to_numpy(v) for v in ordered(build(kind))])
    stacks = [np.stack(parts) for parts in zip(*drawn, strict=True)]
    return [np.concatenate([stack] * correlations) for stack in stacks]
