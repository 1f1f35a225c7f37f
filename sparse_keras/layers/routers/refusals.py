"""Errors of routers whose arguments do not go together."""

from collections.abc import Iterable

import keras

from sparse_keras.layers.routers.base import Router

# Arguments that change nothing in a router without weights and losses.
_OF_WEIGHTS_OR_LOSSES = (
    "balance_loss",
    "importance_loss",
    "jitter",
    "use_bias",
    "kernel_initializer",
    "kernel_regularizer",
    "seed",
)


def refuse_arguments_without_effect(
    router: Router, when: str = "", allowed: tuple[str, ...] = ()
) -> None:
    """Checks the arguments of a router without weights and losses.

    Args:
        router: The router.
        when: What makes it one without weights, for the error message.
        allowed: Names of arguments that do have an effect.

    Raises:
        ValueError: If one of `balance_loss`, `importance_loss`, `jitter`, `use_bias`,
            `kernel_initializer`, `kernel_regularizer` and `seed` is not the default.
    """
    given, default = Router.get_config(router), Router().get_config()
    names = [name for name in _OF_WEIGHTS_OR_LOSSES if name not in allowed]
    changed = [f"{name}={given[name]!r}" for name in names if given[name] != default[name]]
    if changed:
        kind = f"{type(router).__name__} {when}".strip()
        raise ValueError(
            f"A {kind} has no weights and no losses. Leave out what has no effect. Received: "
            f"{', '.join(changed)}."
        )


def refuse_conflicts(router: keras.layers.Layer, conflicts: Iterable[tuple[str, str]]) -> None:
    """Raises a ValueError at the first of `(argument, reason)`, as `token_choice` yields them."""
    for argument, reason in conflicts:
        names = dict.fromkeys((argument, "k"))
        received = ", ".join(f"{name}={getattr(router, name)!r}" for name in names)
        raise ValueError(f"`{argument}`: {reason}. Received: {received}.")
