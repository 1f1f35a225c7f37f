"""dense_twin: the dense model of equal cost that a model with experts is compared with."""

from __future__ import annotations

import math
import statistics
import time
import warnings
from typing import TYPE_CHECKING

from sparse_keras._internal.roles import LORA_ROLES
from sparse_keras.callbacks import LOGS
from sparse_keras.data import load_data
from sparse_keras.evaluation.early_stopping import fallback_monitor
from sparse_keras.evaluation.widths import hidden_width, twin_has_widths
from sparse_keras.models import flops_per_example, total_params
from sparse_keras.models.cost import length_of
from sparse_keras.schema.config import check_config
from sparse_keras.training.building import build_model, build_network

if TYPE_CHECKING:
    from sparse_keras.data import Dataset
    from sparse_keras.schema import Config

EQUAL = ("active_flops", "total_params", "seconds")
# Relative difference of seconds that is close enough, and the most widths that are tried.
_CLOSE, _TRIES = 0.03, 8
_WARM_UP, _STEPS, _ROUNDS = 3, 10, 5


def dense_twin(config: Config, data: Dataset | None = None, equal: str = "active_flops") -> Config:
    """Derives the dense twin of a config: dense layers of equal cost instead of experts.

    Everything else is the same: data, stem, depth, towers, optimizer and training. (If the config
    stops early by a value that routers log, the twin monitors `val_loss`, or `loss` without
    validation data. Where `training.freeze`, `train_only` or `lora` names experts, the twin's names
    feed-forward layers, and routers are left out.) The width of the dense layers is the one whose
    cost is closest to that of the model with experts:

    * `"active_flops"`: floating-point operations for one example, including routers and shared
      experts; of texts, the longest counts. For a ThresholdRouter, this counts the most experts
      that it may open.
    * `"total_params"`: all parameters, including those of experts that an example does not use.
    * `"seconds"`: the time of a training step on this machine. It is measured, so the width differs
      between machines and, a little, between measurements.

    The dense twin of an upcycled model (`model.upcycle`) is its checkpoint, trained on as it is. It
    has the width that it has: no cost is equal.

    Args:
        config: A `Config` of a model with experts that has a dense twin: `sparse_mlp`, `dcn_mix`, a
            multi-task model, a model of texts, or a plug-in's whose section has `dense_twin`. A
            model from a `checkpoint` has one if it is upcycled.
        data: What `load_data(config)` returned. `None` to load it here.
        equal: The cost that is equal.

    Returns:
        A `Config` of a `dense_mlp`; for a multi-task model, of a `shared_bottom` with as many
        layers, all of the same width, as a row passes through in experts; for a model of texts, of
        the same model without experts, or without `upcycle`.

    Raises:
        ValueError: If the model has no dense twin, or `equal` is unknown; for `"seconds"`, if the
            config has no optimizer; if the config trains or freezes what the twin lacks. A warning
            says if the twin trains or freezes feed-forward layers that the model does not.

    Example:

    ```python
    config = sparse_keras.load_config("tabular/sparse_mlp_adult")
    twin = sparse_keras.dense_twin(config, equal="total_params")
    twin.model.hidden_dim
    ```
    """
    check_config(config)
    if equal not in EQUAL:
        raise ValueError(f"`equal` must be one of {', '.join(EQUAL)}. Received: {equal!r}.")
    if config.model.dense_twin(1) is None:
        raise ValueError(
            "`dense_twin` expects a config of a model with experts that has a dense twin. A model "
            f"of type {config.model.type!r} {_which(config.model)}has none."
        )
    if not twin_has_widths(config.model):
        return with_hidden_dim(config, 1, "before upcycling")
    data = load_data(config) if data is None else data
    if equal == "seconds":
        return _of_equal_seconds(config, data)

    def cost(config):
        network = build_network(config, data)
        if equal == "total_params":
            return total_params(network)
        return flops_per_example(network, length_of(data.inputs))

    def cost_of(hidden_dim):
        return cost(with_hidden_dim(config, hidden_dim))

    target = cost(config)

    # The cost is a polynomial of the width of degree 2 at most, which three values determine.
    cost_1, cost_2, cost_3 = (cost_of(hidden_dim) for hidden_dim in (1, 2, 3))
    quadratic = (cost_3 - 2 * cost_2 + cost_1) / 2
    linear = cost_2 - cost_1 - 3 * quadratic
    constant = cost_1 - linear - quadratic - target
    # A form of the root that does not divide by zero if the cost is linear.
    root = -2 * constant / (linear + math.sqrt(linear**2 - 4 * quadratic * constant))
    return with_hidden_dim(config, max(1, round(root)), f"equal {equal.replace('_', ' ')}")


def _which(model):
    """Says what of a checkpoint has no twin: it says itself whether it has experts."""
    return "from a checkpoint, without upcycle, " if getattr(model, "checkpoint", None) else ""


def with_hidden_dim(config: Config, hidden_dim: int, what: str = "of a given width") -> Config:
    """Returns the dense twin of a given width.

    Args:
        config: A `Config` that has a dense twin.
        hidden_dim: Width of the dense layers.
        what: What the twin's name says about its width.
    """
    values = {**config.model_dump(), "model": config.model.dense_twin(hidden_dim)}
    _without_experts(values["training"], fallback_monitor(config))
    _with_dense_roles(values["training"], config)
    # Validated again, like any other config.
    twin = type(config).model_validate(values)
    return twin.renamed(f"{config.name} (dense twin, {what})")


def _without_experts(training, fallback):
    """Adapts the values of the `training` section to a model that logs nothing about experts."""
    expert_load, stopping = training["expert_load"], training["early_stopping"]
    training["expert_load"] = None
    if stopping is not None:
        per_layer = expert_load is not None and expert_load["per_layer"]
        if (per_layer and "/" in stopping["monitor"]) or stopping["monitor"] in LOGS:
            stopping["monitor"] = fallback


def _with_dense_roles(training, config):
    """Adapts which roles of layers train: dense layers have the part of experts, no router is left.

    Raises:
        ValueError: If the dense layers have no role of their own, or nothing would train.
    """
    lora = training["lora"]
    if lora is not None and lora["roles"] is None:
        lora["roles"] = LORA_ROLES
    for section, key in ((training, "freeze"), (training, "train_only"), (lora, "roles")):
        roles = section[key] if section is not None else None
        if roles is None or not {"experts", "router"} & set(roles):
            continue
        name = f"training.{key}" if section is training else f"training.lora.{key}"
        dense = config.model.DENSE_ROLE
        if "experts" in roles and dense is None:
            raise ValueError(
                f"{name} names experts. A model of type {config.model.type!r} has no dense twin "
                f"with it, since layers beside experts are dense, too. Leave it out of {name}."
            )
        if "experts" in roles and dense not in roles and config.model.has_dense_beside_experts:
            warnings.warn(
                f"{name} names experts, and not {dense}. In the dense twin both are one: {name} "
                f"then holds for all its layers with the role {dense}, also for those that are "
                f"dense in the model with experts. Name {dense} in {name}, too, to compare equals.",
                stacklevel=4,
            )
        roles = [dense if role == "experts" else role for role in roles if role != "router"]
        if not roles and key != "freeze":
            raise ValueError(
                f"{name} names the router only, of which the dense twin has none. Nothing of it "
                f"would train. Name more roles, such as experts, in {name}."
            )
        section[key] = tuple(dict.fromkeys(roles)) or None


def _of_equal_seconds(config, data):
    """The twin whose training step takes as long, found by bisection."""
    if config.optimizer is None:
        raise ValueError(
            f"The config {config.name!r} has no optimizer section, which a training step of equal "
            "seconds needs. Expected such as optimizer: {type: adam}."
        )
    tried = {}

    def ratio(width):
        """Seconds of a dense step divided by those of a sparse one, measured in turns."""
        if width not in tried:
            dense = build_model(with_hidden_dim(config, width), data)
            tried[width] = _ratio_of_steps(dense, sparse, data)
        return tried[width]

    sparse = build_model(config, data)
    low, high = 1, hidden_width(dense_twin(config, data).model)
    while ratio(high) < 1 - _CLOSE and len(tried) < _TRIES:
        low, high = high, 2 * high
    while len(tried) < _TRIES and high - low > 1:
        if abs(min(tried.values(), key=lambda value: abs(value - 1)) - 1) <= _CLOSE:
            break
        middle = (low + high) // 2
        low, high = (middle, high) if ratio(middle) < 1 else (low, middle)
    best = min(tried, key=lambda width: abs(tried[width] - 1))
    return with_hidden_dim(config, best, "equal seconds")


def _ratio_of_steps(dense, sparse, data):
    """The median over rounds; in each, both models train a few steps one after the other."""
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
