"""dense_twin: the dense model that a sparse one has to beat, at an equal cost of one's choice."""

import math
import statistics
import time

from sparse_keras.callbacks import LOGS
from sparse_keras.data import load_data
from sparse_keras.evaluation.early_stopping import fallback_monitor
from sparse_keras.models import flops_per_example, total_params
from sparse_keras.training.building import build_model, build_network

EQUAL = ("active_flops", "total_params", "seconds")
_COSTS = {"active_flops": flops_per_example, "total_params": total_params}
# How close the seconds come, and how many widths are tried for that.
_CLOSE, _TRIES = 0.03, 8
_WARM_UP, _STEPS, _ROUNDS = 3, 10, 5


def dense_twin(config, data=None, equal="active_flops"):
    """Derives the dense config of equal cost.

    Everything but the blocks stays: data, stem, depth, towers, optimizer, training. (Where that
    stops early by what routers log, the twin does by `val_loss`, or `loss` without validation.)
    The blocks become dense, with the width that brings their cost closest to that of the sparse
    model:

    * `"active_flops"`: the floating-point operations of one example, router and shared expert
      included. For a ThresholdRouter, that is the cost of the most experts it may open.
    * `"total_params"`: all parameters, those of experts that an example does not meet too.
    * `"seconds"`: the time of a training step on this machine, which is measured: on another
      machine, and a little each time, the width is another.

    Args:
        config: A `Config` whose model is sparse: `sparse_mlp`, or a model of several tasks.
        data: What `load_data(config)` returned. `None` to load it here.
        equal: The cost that is equal.

    Returns:
        A `Config` whose model is `dense_mlp`; against a model of several tasks `shared_bottom`,
        with as many layers as a row passes through in experts, all of one width.

    Raises:
        ValueError: If the model has no dense twin, or `equal` is none of these; for `"seconds"`,
            if the config has no optimizer.

    Example:

    ```python
    config = sparse_keras.load_config("tabular/sparse_mlp_adult")
    twin = sparse_keras.dense_twin(config, equal="total_params")
    twin.model.hidden_dim
    ```
    """
    if equal not in EQUAL:
        raise ValueError(f"`equal` must be one of {', '.join(EQUAL)}. Received: {equal!r}.")
    if config.model.dense_twin(1) is None:
        raise ValueError(
            "`dense_twin` expects a config of a model with experts that has a dense twin. A model "
            f"of type {config.model.type!r} has none."
        )
    data = load_data(config) if data is None else data
    if equal == "seconds":
        return _of_equal_seconds(config, data)
    cost = _COSTS[equal]
    target = cost(build_network(config, data))

    def cost_of(hidden_dim):
        return cost(build_network(with_hidden_dim(config, hidden_dim), data))

    # The cost is a polynomial of the width of degree 2 at most, so three values give it whole.
    one, two, three = (cost_of(hidden_dim) for hidden_dim in (1, 2, 3))
    quadratic = (three - 2 * two + one) / 2
    linear = two - one - 3 * quadratic
    constant = one - linear - quadratic - target
    # The root in a form that has no division by zero where the cost is linear.
    root = -2 * constant / (linear + math.sqrt(linear**2 - 4 * quadratic * constant))
    return with_hidden_dim(config, max(1, round(root)), f"equal {equal.replace('_', ' ')}")


def with_hidden_dim(config, hidden_dim, what="of a width"):
    """The dense config that is the sparse one but for its blocks.

    Args:
        config: A `Config` that has a dense twin.
        hidden_dim: Width of the dense blocks.
        what: What its name says of it.
    """
    values = {**config.model_dump(), "model": config.model.dense_twin(hidden_dim)}
    _without_experts(values["training"], fallback_monitor(config))
    # Validated afresh: a twin is a config like any other.
    twin = type(config).model_validate(values)
    return twin.renamed(f"{config.name} (dense twin, {what})")


def _without_experts(training, watched):
    """Makes the section `training` that of a model that logs nothing of experts."""
    told, stopping = training["expert_load"], training["early_stopping"]
    training["expert_load"] = None
    if stopping is not None:
        of_a_layer = told is not None and told["per_layer"] and "/" in stopping["monitor"]
        if of_a_layer or stopping["monitor"] in LOGS:
            stopping["monitor"] = watched


def width_of(twin):
    """The width of a dense twin's blocks, by which twins differ."""
    model = twin.model
    return model.hidden_dim if hasattr(model, "hidden_dim") else model.hidden_dims[0]


def _of_equal_seconds(config, data):
    """The width whose training step takes as long, by halving the interval that it is in."""
    if config.optimizer is None:
        raise ValueError(
            f"The config {config.name!r} has no optimizer section, without which there is no "
            "training step whose seconds could be equal."
        )
    tried = {}

    def ratio(width):
        """Seconds of the dense step over those of the sparse one, measured in turns."""
        if width not in tried:
            dense = build_model(with_hidden_dim(config, width), data)
            tried[width] = _ratio_of_steps(dense, sparse, data)
        return tried[width]

    sparse = build_model(config, data)
    low, high = 1, width_of(dense_twin(config, data))
    while ratio(high) < 1 - _CLOSE and len(tried) < _TRIES:
        low, high = high, 2 * high
    while len(tried) < _TRIES and high - low > 1:
        if abs(min(tried.values(), key=lambda found: abs(found - 1)) - 1) <= _CLOSE:
            break
        middle = (low + high) // 2
        low, high = (middle, high) if ratio(middle) < 1 else (low, middle)
    best = min(tried, key=lambda width: abs(tried[width] - 1))
    return with_hidden_dim(config, best, "equal seconds")


def _ratio_of_steps(dense, sparse, data):
    """The median over rounds, in each of which both train some steps one after the other."""
    batches = [data.train[index] for index in range(min(len(data.train), _STEPS))]
    for model in (dense, sparse):
        _train(model, batches, _WARM_UP)
    ratios = [
        _train(dense, batches, _STEPS) / _train(sparse, batches, _STEPS) for _ in range(_ROUNDS)
    ]
    return statistics.median(ratios)


def _train(model, batches, steps):
    start = time.perf_counter()
    for step in range(steps):
        model.train_on_batch(*batches[step % len(batches)])
    return time.perf_counter() - start
