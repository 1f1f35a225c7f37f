"""Makes a layer from a config: from a registered name, or a dict with a name and arguments."""

from collections.abc import Callable, Mapping
from typing import Any

import keras

from sparse_keras._internal.suggest import did_you_mean


def get(
    identifier: Any,
    known: Mapping[str, Callable[..., keras.layers.Layer]],
    base: type,
    kind: str,
    **defaults: Any,
) -> keras.layers.Layer:
    """Returns the layer that an identifier stands for.

    Args:
        identifier: A layer, which is returned as it is; a name; or a dict with the name under
            `"type"` and the constructor's arguments beside it.
        known: Mapping from names to what makes the layers, such as their classes.
        base: The class that all these layers, and a user's own, derive from.
        kind: What the names stand for, such as `"a router"`, for error messages.
        **defaults: Arguments of a new layer, which the identifier may override.

    Raises:
        ValueError: If the name is unknown, or arguments are missing.
    """
    if isinstance(identifier, base):
        return identifier
    if isinstance(identifier, str):
        name, arguments = identifier, {}
    elif isinstance(identifier, dict) and isinstance(identifier.get("type"), str):
        arguments = dict(identifier)
        name = arguments.pop("type")
    else:
        raise ValueError(
            f"Expected {kind}: a layer, a name, or a dict with a name under 'type'. The names are "
            f"{sorted(known)}. Received: {identifier!r}."
        )
    if name not in known:
        raise ValueError(
            f"Unknown name for {kind}: {name!r}.{did_you_mean(name, known)} The names are "
            f"{sorted(known)}."
        )
    try:
        return known[name](**defaults | arguments)
    except TypeError as error:  # Arguments are missing.
        raise ValueError(
            f"Expected {kind} with all its arguments, such as {{'type': {name!r}, ...}}. Received "
            f"{identifier!r}: {error}."
        ) from error
