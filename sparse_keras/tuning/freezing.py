"""Freezing by role: which layers of a model train."""

from collections.abc import Iterable, Sequence

import keras

from sparse_keras._internal import keras_private
from sparse_keras.tuning.compiled import weights_have_changed
from sparse_keras.tuning.roles import Part, checked_roles, parts_with, roles_of


def freeze(model: keras.layers.Layer, roles: Iterable[str]) -> None:
    """Freezes all layers with certain roles.

    It sets `layer.trainable = False`, which `layer.trainable = True` undoes. If the model is
    compiled, `fit` goes on with a new optimizer of the same settings.

    Args:
        model: A built model: one of ours, or any Keras model.
        roles: Names of roles: `"experts"`, `"router"`, `"attention"`, `"feed_forward"`,
            `"embeddings"`, `"normalization"`, `"head"` or `"other"`; see
            `sparse_keras.tuning.roles_of`.

    Raises:
        ValueError: If a role is unknown, the model has no layers with it, or nothing is left to
            train.

    Example:

    >>> model = keras.Sequential([
    ...     keras.Input((8,)),
    ...     sparse_keras.layers.MixtureOfExperts(keras.layers.Dense(4), num_experts=4),
    ...     keras.layers.Dense(1),
    ... ])
    >>> sparse_keras.freeze(model, ["experts", "head"])
    >>> [v.name for v in model.trainable_variables]
    ['router_kernel']
    """
    parts = parts_with(model, roles)
    left = [
        role
        for role, found in roles_of(model).items()
        if role not in parts and any(part.layer.trainable_variables for part in found)
    ]
    if not left:
        raise ValueError(
            f"Nothing would be left to train: the model has layers with the roles "
            f"{', '.join(roles_of(model))}, and those that are not frozen yet are to be frozen: "
            f"{', '.join(parts)}."
        )
    for part in (part for found in parts.values() for part in found):
        freeze_part(part)
    weights_have_changed(model)


def train_only(model: keras.layers.Layer, roles: Iterable[str]) -> None:
    """Freezes all layers but those with certain roles.

    Args:
        model: A built model.
        roles: Names of roles, as for `freeze`.

    Raises:
        ValueError: If a role is unknown, or the model has no layers with it.
    """
    found = roles_of(model)
    roles = checked_roles(roles, found, "roles")
    for role, parts in found.items():
        for part in parts if role not in roles else ():
            freeze_part(part)
    weights_have_changed(model)


def freeze_part(part: Part, but: Sequence[keras.layers.Layer] = ()) -> None:
    """Freezes a part of a model.

    Args:
        part: The part.
        but: Layers that stay trainable themselves, since they get new weights to train, while the
            weights that they have now are frozen.
    """
    kept = {id(layer) for layer in but}

    def visit(layer):
        inside = keras_private.all_layers(layer)
        if part.whole and not any(id(inner) in kept for inner in inside):
            layer.trainable = False
            return
        for variable in keras_private.own_trainable(layer):
            variable.trainable = False
        if part.whole:
            for inner in keras_private.sublayers(layer):
                visit(inner)

    visit(part.layer)
