"""Resolves the arguments `experts` and `router` of a mixture to a bank and a router."""

from typing import Any

import keras

from sparse_keras._internal.seeds import derived_seed
from sparse_keras.layers import identifiers
from sparse_keras.layers.experts import EXPERTS, DenseExperts, Experts, LayerExperts
from sparse_keras.layers.initializers import for_group
from sparse_keras.layers.names import variable_name
from sparse_keras.layers.routers import Router, router_from
from sparse_keras.layers.validation import optional_positive_int


def resolve_bank(experts: Any, num_experts: int | None, dtype: Any) -> Experts:
    """Returns the bank that `experts` is, names, or is the template of.

    Args:
        experts: A bank, its registered name, a dict with that name under `"type"` and its
            arguments, or a Keras layer as the template of every expert.
        num_experts: E. Required with a template. A bank already has it.
        dtype: Dtype policy of a bank that is made here; `None` for the default.

    Raises:
        ValueError: If `experts` is none of these, or if `num_experts` is missing or differs from
            that of the bank.
    """
    num_experts = optional_positive_int("num_experts", num_experts)
    if isinstance(experts, (str, dict)):
        experts = identifiers.get(experts, EXPERTS, Experts, "an expert bank", dtype=dtype)
    if isinstance(experts, Experts):
        if num_experts not in (None, experts.num_experts):
            raise ValueError(
                f"The bank {experts.name!r} has {experts.num_experts} experts. Received: "
                f"num_experts={num_experts}."
            )
        return experts
    if not isinstance(experts, keras.layers.Layer) or isinstance(experts, (Router, type)):
        raise ValueError(
            "`experts` must be an expert bank ("
            + ", ".join(bank.__name__ for bank in EXPERTS.values())
            + f") or a Keras layer as template. Received: {experts!r}."
        )
    if num_experts is None:
        raise ValueError(
            "A template needs `num_experts`, such as MixtureOfExperts(keras.layers.Dense(64), "
            "num_experts=16)."
        )
    if type(experts) is keras.layers.Dense:
        return _bank_of_dense(experts, num_experts, dtype)
    return LayerExperts(experts, num_experts)


def refuse_token_ids(layer: keras.layers.Layer, *routers: Router) -> None:
    """Raises a ValueError if a router needs the ids of tokens, and its owner passes none."""
    for router in routers:
        if router.takes_token_ids:
            raise ValueError(
                f"{type(layer).__name__} passes no token ids to its routers. Received: "
                f"{router.name!r}, a {type(router).__name__}, which looks experts up by them. Use "
                "it in a MixtureOfExperts."
            )


def _bank_of_dense(template: keras.layers.Dense, num_experts: int, dtype: Any) -> DenseExperts:
    unsupported = [
        name
        for name in ("activity_regularizer", "lora_rank", "quantization_config")
        if getattr(template, name, None) is not None
    ]
    if unsupported:
        raise ValueError(
            f"A Dense with {' and '.join(unsupported)} cannot be the template of experts."
        )
    if template.built:
        raise ValueError(
            f"The template {template.name!r} is built already; every expert starts from weights of "
            "its own. Pass a new Dense."
        )
    names = ("units", "activation", "use_bias", "trainable")
    parts = ("kernel", "bias")
    kinds = ("initializer", "regularizer", "constraint")
    names += tuple(f"{part}_{kind}" for part in parts for kind in kinds)
    return DenseExperts(
        num_experts,
        dtype=dtype or template.dtype_policy,
        **{name: getattr(template, name) for name in names},
    )


def resolve_router(router: Any, k: int | None) -> Router:
    """Returns the router that `router` is or names: a TopKRouter for `None`.

    Args:
        router: A router, its registered name, a dict with that name under `"type"` and its
            arguments, or `None`.
        k: K, for a router that has a `k`; or `None`.

    Raises:
        ValueError: If there is no such router, or if its k is not `k`.
    """
    k = optional_positive_int("k", k)
    router = "top_k" if router is None else router
    if isinstance(router, str) and k is not None:
        router = {"type": router, "k": k}
    router = router_from(router)
    if k not in (None, getattr(router, "k", None)):
        raise ValueError(
            f"`k` and the router disagree. Received: k={k}, and a {type(router).__name__} with "
            f"k={getattr(router, 'k', None)}."
        )
    return router


def with_own_seeds(identifier: Any, role: str) -> Any:
    """Gives one of several layers that are made from one dict its own integer seeds.

    Otherwise an initializer with an integer seed would give several banks or routers equal values.

    Args:
        identifier: What `identifiers.get` takes. Anything but a dict is returned as it is.
        role: A string that differs from layer to layer.
    """
    if not isinstance(identifier, dict):
        return identifier
    own = dict(identifier)
    for key, value in own.items():
        if key == "seed" and isinstance(value, int):
            own[key] = derived_seed(value, role)
        elif key.endswith("_initializer") and not isinstance(value, str):
            own[key] = for_group(keras.initializers.get(value), role, 0)
    return own


def separate(identifier: Any, role: str) -> Any:
    """Returns what one of several layers gets of a bank or router: a layer of its own, if it is
    one, with seeds of its own.

    Args:
        identifier: A layer, or what `identifiers.get` takes.
        role: A string that differs from layer to layer.
    """
    if not isinstance(identifier, keras.layers.Layer):
        return with_own_seeds(identifier, role)
    config = identifier.get_config()
    seeded = {key: value for key, value in config.items() if _has_seed(key, value)}
    return type(identifier).from_config({**config, **with_own_seeds(seeded, role)})


def _has_seed(key: str, value: Any) -> bool:
    """Whether this is a user's seed, or an initializer with one."""
    if isinstance(value, dict) and key.endswith("_initializer"):
        return value["config"].get("seed") is not None
    return key == "seed" and value is not None


def resolve_banks(experts: Any, dtype: Any) -> dict[str, Experts]:
    """Returns the groups of experts of a MultiGateMixtureOfExperts: a bank for each name."""
    if isinstance(experts, (Experts, str)) or not isinstance(experts, dict) or "type" in experts:
        experts = {"experts": experts}
    if not experts:
        raise ValueError("`experts` must be a bank, or a dict of banks. Received: an empty dict.")
    banks = {}
    for group, bank in experts.items():
        name = variable_name(group if group.endswith("experts") else f"{group}_experts")
        bank = with_own_seeds(bank, group)
        banks[group] = identifiers.get(
            bank, EXPERTS, Experts, "an expert bank", name=name, dtype=dtype
        )
    return banks


def resolve_routers(routers: Any) -> dict[str, Router]:
    """Returns the gates of a MultiGateMixtureOfExperts: a router for each name."""
    if not isinstance(routers, dict) or not routers:
        raise ValueError(
            "`routers` must be a dict with a router for each gate, such as "
            f"{{'income': 'dense', 'married': 'dense'}}. Received: {routers!r}."
        )
    return {
        gate: router_from(with_own_seeds(router, gate), name=variable_name(f"{gate}_router"))
        for gate, router in routers.items()
    }


def resolve_visible(
    visible: dict[str, list[str]] | None, experts: dict[str, Experts], routers: dict[str, Router]
) -> dict[str, list[str]]:
    """Returns the groups that each gate of `visible` sees, in the order of the groups."""
    visible = {} if visible is None else visible
    if not isinstance(visible, dict) or not all(
        isinstance(groups, (list, tuple)) for groups in visible.values()
    ):
        raise ValueError(
            "`visible` must be None, or a dict from gates to lists of the groups of experts that "
            f"they see. Received: visible={visible!r}."
        )
    visible = {gate: list(groups) for gate, groups in visible.items()}
    for gate, groups in visible.items():
        if gate not in routers:
            raise ValueError(
                f"`visible` names the gate {gate!r}. The gates are {list(routers)}, the keys of "
                "`routers`."
            )
        unknown = [group for group in groups if group not in experts]
        if unknown or not groups or len(set(groups)) < len(groups):
            raise ValueError(
                f"`visible` must name some of the groups {list(experts)}, each once. Received: "
                f"{groups} for the gate {gate!r}."
            )
    return {
        gate: [group for group in experts if group in groups] for gate, groups in visible.items()
    }
