"""What each part of a mixture is worth: a config against itself with one part changed.

The number of experts at the same k, a router that stays as it was drawn at random, and an ensemble
of all experts without a router. Without Keras, as `sides.py`.
"""

from sparse_keras.evaluation.contenders import REFERENCE, Side, chosen, loss_to_watch
from sparse_keras.schema.core.errors import ConfigError
from sparse_keras.schema.sections.routers import ROUTERS

EXPERTS = (1, 2, 4, 8, 16, 32)
# Where a model has its experts: those of a model of several tasks that the tasks share.
_BANKS = ("experts", "shared_experts")


def ablations_of(config, names=None):
    """The sides of an ablation.

    Args:
        config: The `Config`, whose model has experts and a router.
        names: Names of the sides to take. None for all; "moe", the config itself, takes part
            always.

    Returns:
        A list of `Side`, that of the config itself first.

    Raises:
        ValueError: If the model has no experts behind a router, or there is no such side.
    """
    bank = _bank(config)
    own = getattr(config.model, bank).num_experts
    sides = [Side(REFERENCE, f"as it is, E = {own}", lambda config, data, recall: config)]
    sides += [
        Side(f"experts_{number}", f"E = {number}", _changed(_with_experts, number))
        for number in EXPERTS
        if number != own and _fits(config.model, number)
    ]
    router = config.model.router
    if router.kwargs().get("trainable"):
        frozen = "router frozen as drawn at random"
        sides.append(Side("frozen_router", frozen, _changed(_with_frozen_router)))
    if router.type != "uniform":
        uniform = "uniform ensemble of all experts"
        sides.append(Side("uniform", uniform, _changed(_with_uniform_router)))
    return chosen(sides, names, "an ablation of this config")


def _bank(config):
    for bank in _BANKS:
        if hasattr(config.model, bank) and hasattr(config.model, "router"):
            return bank
    raise ConfigError(
        f"An ablation takes parts of a mixture away, and a model of type {config.model.type!r} has "
        "no experts behind a router."
    )


def _changed(change, *arguments):
    def make(config, data, recall):
        values = config.model_dump()
        change(values["model"], *arguments)
        stopping = values["training"]["early_stopping"]
        # A router of another type logs other losses than the one that is watched.
        if stopping and "/" in stopping["monitor"] and change is _with_uniform_router:
            stopping["monitor"] = loss_to_watch(config)
        return type(config).model_validate(values).renamed(f"{config.name} (ablation)")

    return make


def _fits(model, number):
    """Whether a router that cannot be without its groups can have them of so many experts."""
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
    # Experts of a task's own are there beside the shared ones.
    most = number + model.get("task_experts", {}).get("num_experts", 0)
    for key in ("k", "max_experts", "capacity_factor"):
        if router.get(key) is not None:
            router[key] = min(router[key], most)
    # Groups of so many experts do not divide any number of them.
    if router.get("num_groups") is not None and router["type"] != "hierarchical":
        router["num_groups"] = None
        del router["groups_kept"], router["group_score"]
    if router.get("load_loss") and router["k"] == most:
        router["load_loss"] = 0.0  # Nothing to balance.
    # The weight of one expert would be 1, normalised, whatever the router says.
    if 1 in (router.get("k"), router.get("max_experts")) and router.get("normalize"):
        router["normalize"] = None if router["normalize"] == "softmax" else False
    _leave_out_unused(router)


def _with_frozen_router(model):
    model["router"]["trainable"] = False
    _leave_out_unused(model["router"])


def _leave_out_unused(router):
    """Takes out what has no effect beside the changed values, and so may not be given."""
    section = ROUTERS.sections[router["type"]].model_construct(**router)
    for key in section.unused():
        router.pop(key, None)


def _with_uniform_router(model):
    model["router"] = {"type": "uniform"}
    # Without a choice, segments of experts are as good as whole ones.
    if "segments" in model:
        model["segments"] = 1
