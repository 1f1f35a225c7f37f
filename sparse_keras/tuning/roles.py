"""Roles of layers: what each part of a model is for. Freezing and LoRA choose layers by them.

experts         expert banks, and the shared experts beside them
router          routers, which select the experts of each token
attention       attention layers, with all their matrices
feed_forward    dense feed-forward layers of Transformers
embeddings      embeddings of tokens, positions and columns; a head that shares their matrix
normalization   normalization layers outside of attention
head            the last layers before the outputs of a Functional model
other           everything else with weights
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import keras

from sparse_keras._internal import keras_private
from sparse_keras._internal.roles import ROLES
from sparse_keras._internal.suggest import did_you_mean
from sparse_keras.layers.experts import Experts
from sparse_keras.layers.mixtures.gated_layer import GatedLayer
from sparse_keras.layers.routers.contract import RouterContract
from sparse_keras.layers.transformer.feed_forward import FeedForward

# Of layers of Keras, KerasHub and others, by what is in the names of their classes.
_ROLES_BY_CLASS_NAME = {
    "Attention": "attention",
    "Experts": "experts",
    "Embedding": "embeddings",
    "Norm": "normalization",
}


@dataclass(frozen=True)
class Part:
    """A layer with a role.

    Args:
        layer: The layer.
        whole: Whether the layers inside it have the role, too, or only its own weights.
    """

    layer: keras.layers.Layer
    whole: bool = True

    @property
    def variables(self) -> list[keras.Variable]:
        """The weights that can be trained: not those made with `trainable=False`."""
        layers = keras_private.all_layers(self.layer) if self.whole else [self.layer]
        return [v for layer in layers for v in keras_private.own_trainable(layer)]


def roles_of(model: keras.layers.Layer) -> dict[str, list[Part]]:
    """Sorts the layers of a model by their role.

    Args:
        model: A built model or layer.

    Returns:
        Dict from each role that the model has, in the order of `ROLES`, to its parts. Every weight
        that can be trained is in exactly one.

    Raises:
        ValueError: If the model is not built.
    """
    if not model.built:
        raise ValueError(
            f"{model.name!r} is not built yet: it has no weights. Call it on some inputs first."
        )
    found: dict[str, list[Part]] = {role: [] for role in ROLES}
    given = {id(layer): "head" for layer in _heads(model)}
    seen = set()

    def visit(layer: keras.layers.Layer) -> None:
        if id(layer) in seen:
            return
        seen.add(id(layer))
        role = given.get(id(layer)) or _role_of(layer)
        if role is not None:
            part = Part(layer)
            if part.variables:
                found[role].append(part)
            seen.update(id(inner) for inner in keras_private.all_layers(layer))
            return
        given.update(_given_by(layer))
        if keras_private.own_trainable(layer):
            found["other"].append(Part(layer, whole=False))
        for inner in keras_private.sublayers(layer):
            visit(inner)

    visit(model)
    return {role: parts for role, parts in found.items() if parts}


def _role_of(layer: keras.layers.Layer) -> str | None:
    if isinstance(layer, Experts):
        return "experts"
    if isinstance(layer, RouterContract):
        return "router"
    if isinstance(layer, FeedForward):
        return "feed_forward"
    if isinstance(layer, (keras.Model, GatedLayer)):
        return None
    name = type(layer).__name__
    return next((role for part, role in _ROLES_BY_CLASS_NAME.items() if part in name), None)


def _given_by(layer: keras.layers.Layer) -> dict[int, str]:
    """The roles that a layer gives to layers inside it, by their ids."""
    given = {}
    if (shared := getattr(layer, "shared_expert", None)) is not None:
        given[id(shared)] = "experts"
    if isinstance(layer, GatedLayer) and hasattr(layer, "router_weights"):
        # A block of KerasHub: its router is a layer that is not one of ours.
        weights = {id(weight) for weight in layer.router_weights()}
        for inner in keras_private.all_layers(layer):
            if any(id(weight) in weights for weight in keras_private.own_weights(inner)):
                given[id(inner)] = "router"
    return given


def _heads(model: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The last layers with weights before each output of a Functional model."""
    waiting = keras.tree.flatten(getattr(model, "outputs", None) or [])
    heads = []
    while waiting:
        call = keras_private.call_that_made(waiting.pop())
        if call is None or isinstance(call.operation, keras.layers.InputLayer):
            continue
        if getattr(call.operation, "weights", None):
            if isinstance(call.operation, keras.Model):  # What is inside has roles of its own.
                heads += _heads(call.operation)
            elif not isinstance(call.operation, GatedLayer) and _role_of(call.operation) is None:
                heads.append(call.operation)
        else:
            waiting += call.input_tensors
    return heads


def parts_with(
    model: keras.layers.Layer, roles: Iterable[str], argument: str = "roles"
) -> dict[str, list[Part]]:
    """Returns the parts of a model with certain roles.

    Args:
        model: A built model or layer.
        roles: Names of roles.
        argument: What to call `roles` in an error.

    Raises:
        ValueError: If a role is unknown or the model has none of it.
    """
    found = roles_of(model)
    return {role: found[role] for role in checked_roles(roles, found, argument)}


def checked_roles(roles: Iterable[str], found: dict[str, Any], argument: str) -> tuple[str, ...]:
    """Returns roles, each once, if all of them are in `found`.

    Raises:
        ValueError: If there are none, or one is unknown or not in `found`.
    """
    if isinstance(roles, str) or not isinstance(roles, Iterable):
        raise ValueError(f"`{argument}` must be a list of roles. Received: {roles!r}.")
    roles = tuple(dict.fromkeys(roles))
    if not roles:
        raise ValueError(f"`{argument}` must name at least one role. Received: none.")
    for role in roles:
        if role not in ROLES:
            raise ValueError(
                f"`{argument}` names an unknown role: {role!r}.{did_you_mean(str(role), ROLES)} "
                f"The roles are {', '.join(ROLES)}."
            )
        if role not in found:
            raise ValueError(
                f"`{argument}` names {role!r}, but the model has no layers with that role. It has "
                f"{', '.join(found) or 'none'}."
            )
    return roles
