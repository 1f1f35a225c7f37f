"""Ablations: a config against itself with one part of its mixtures changed.

The changes are other numbers of experts at the same k, a router frozen at its random
initialization, and a uniform ensemble of all experts without a router. Imports no Keras, like
`contenders.py`.
"""

from collections.abc import Sequence

from sparse_keras.evaluation.contenders import REFERENCE, Contender, select
from sparse_keras.evaluation.early_stopping import fallback_monitor
from sparse_keras.schema import Config
from sparse_keras.schema.core.errors import ConfigError
from sparse_keras.schema.sections.routers import ROUTERS

EXPERTS = (1, 2, 4, 8, 16, 32)
# The keys of a model section that hold its experts; of a multi-task model, the shared ones.
_BANKS = ("experts", "shared_experts")


def ablations_of(config: Config, names: Sequence[str] | None = None) -> list[Contender]:
    """Returns the ablations of a config.

    Args:
        config: A `Config` whose model has experts and a router.
        names: Names of the ablations to return. None for all. "moe", the config itself, is always
            included.

    Returns:
        A list of `Contender`, the config itself first.

    Raises:
        ConfigError: If the model has no experts behind a router, or there is no ablation of a name.
    """
    bank = _bank(config)
    own = getattr(config.model, bank).num_experts
    contenders = [Contender(REFERENCE, f"as it is, E = {own}", lambda config, data, recall: config)]
    contenders += [
        Contender(f"experts_{number}", f"E = {number}", _changed(_with_experts, number))
        for number in EXPERTS
        if number != own and _fits(config.model, number)
    ]
    router = config.model.router
    if router.kwargs().get("trainable"):
        frozen = "router frozen at its random initialization"
        contenders.append(Contender("frozen_router", frozen, _changed(_with_frozen_router)))
    if router.type != "uniform":
        uniform = "uniform ensemble of all experts"
        contenders.append(Contender("uniform", uniform, _changed(_with_uniform_router)))
    return select(contenders, names, "an ablation of this config")


def _bank(config):
    for bank in _BANKS:
        if hasattr(config.model, bank) and hasattr(config.model, "router"):
            return bank
    raise ConfigError(
        f"An ablation changes parts of a mixture of experts, and a model of type "
        f"{config.model.type!r} has no experts behind a router."
    )


def _changed(change, *arguments):
    def make(config, data, recall):
        values = config.model_dump()
        change(values["model"], *arguments)
        stopping = values["training"]["early_stopping"]
        # A router of another type does not log the loss that is monitored.
        if stopping and "/" in stopping["monitor"] and change is _with_uniform_router:
            stopping["monitor"] = fallback_monitor(config)
        return type(config).model_validate(values).renamed(f"{config.name} (ablation)")

    return make


def _fits(model, number):
    """Whether a router that needs groups can form them from this number of experts."""
    if model.router.type != "hierarchical":
        return True
    own, segments = getattr(model, "task_experts", None), getattr(model, "segments", 1)
    most = segments * (number + (own.num_experts if own else 0))
    router = model.router.model_copy(update={"k": segments * model.router.k})
    return not [*router.misfits(most)]


def _with_experts(model, number):
    for bank in _BANKS:
        if bank in model:
            model[bank]["num_experts"] = number
    router = model["router"]
    # A task's gate sees its own experts beside the shared ones.
    most = number + model.get("task_experts", {}).get("num_experts", 0)
    for key in ("k", "max_experts", "capacity_factor"):
        if router.get(key) is not None:
            router[key] = min(router[key], most)
    # The groups may not divide another number of experts.
    if router.get("num_groups") is not None and router["type"] != "hierarchical":
        router["num_groups"] = None
        del router["groups_kept"], router["group_score"]
    if router.get("load_loss") and router["k"] == most:
        router["load_loss"] = 0.0  # All experts are used; nothing to balance.
    # A single normalised weight would be 1, whatever the router's scores are.
    if 1 in (router.get("k"), router.get("max_experts")) and router.get("normalize"):
        router["normalize"] = None if router["normalize"] == "softmax" else False
    _leave_out_unused(router)


def _with_frozen_router(model):
    model["router"]["trainable"] = False
    _leave_out_unused(model["router"])


def _leave_out_unused(router):
    """Removes keys that have no effect with the changed values, which are not allowed."""
    section = ROUTERS.sections[router["type"]].model_construct(**router)
    for key in section.unused():
        router.pop(key, None)


def _with_uniform_router(model):
    model["router"] = {"type": "uniform"}
    # If all experts are used, splitting them into segments changes nothing.
    if "segments" in model:
        model["segments"] = 1
