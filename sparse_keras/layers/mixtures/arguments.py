"""What a mixture is made of: banks and routers, from what its user gives."""

import inspect
import weakref

import keras

from sparse_keras._internal.seeds import derived_seed
from sparse_keras.layers import identifiers
from sparse_keras.layers.experts import EXPERTS, DenseExperts, Experts, LayerExperts
from sparse_keras.layers.initializers import for_group
from sparse_keras.layers.routers import Router, router_from

# The parts of all layers there are.
_OWNED = weakref.WeakSet()


def claim(*parts):
    """Refuses parts that another layer owns: Keras saves such a model, but cannot load it."""
    parts = [part for part in parts if part is not None]
    # What is in a GatedSharedExpert, or another wrapper, belongs to it.
    parts += [part.layer for part in parts if isinstance(part, keras.layers.Wrapper)]
    for part in parts:
        if part in _OWNED:
            raise ValueError(
                f"{part.name!r} is already part of another mixture of experts. Give each its own."
            )
    _OWNED.update(parts)


def bank_of(experts, num_experts, dtype):
    """The bank that `experts` is, names, or is the template of."""
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


def token_bank_of(layer, experts):
    """A bank of experts that get tokens. Of whole examples, only a MixtureOfExperts routes them."""
    if experts.route_by != "token":
        raise ValueError(
            f"{type(layer).__name__} gives tokens to its experts. Received: {experts.name!r}, "
            "whose experts need whole examples. Only MixtureOfExperts routes those."
        )
    return experts


def refuse_token_ids(layer, *routers):
    """Raises a ValueError if a router needs the ids of tokens, and its owner passes none."""
    for router in routers:
        if router.takes_token_ids:
            raise ValueError(
                f"{type(layer).__name__} passes no token ids to its routers. Received: "
                f"{router.name!r}, a {type(router).__name__}, which looks experts up by them. Use "
                "it in a MixtureOfExperts."
            )


def call_masked(layer, inputs, mask):
    """Calls a layer, with the mask if it takes one."""
    takes = "mask" in inspect.signature(layer.call).parameters
    return layer(inputs, **({"mask": mask} if takes else {}))


def _bank_of_dense(template, num_experts, dtype):
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


def router_of(router, k):
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


def with_own_seeds(identifier, role):
    """A dict that several layers are made from, with the integer seeds of one of them.

    Else experts of several banks, or several routers, would start from equal values where one
    initializer with an integer seed serves all.

    Args:
        identifier: What `identifiers.get` takes. Anything but a dict is returned as it is.
        role: What tells this layer from the others.
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
