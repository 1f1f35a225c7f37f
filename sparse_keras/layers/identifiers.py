"""Turns what a config says, a name or a mapping with a `type`, into a layer."""

from sparse_keras._internal.suggest import did_you_mean


def get(identifier, known, base, kind, **defaults):
    """Makes a layer from its registered name.

    Args:
        identifier: A layer, which is returned as it is; a name; or a dict with the name under
            `"type"` and the constructor's arguments beside it.
        known: Dict from names to classes.
        base: The class that all of them, and a user's own, derive from.
        kind: What the names stand for, for the error message.
        **defaults: Arguments of a new layer that the identifier may override.

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
        hint = did_you_mean(name, known)
        raise ValueError(f"Unknown name for {kind}: {name!r}.{hint} The names are {sorted(known)}.")
    try:
        return known[name](**defaults | arguments)
    except TypeError as error:  # Arguments that are missing.
        raise ValueError(
            f"Expected {kind} with all its arguments, such as {{'type': {name!r}, ...}}. Received "
            f"{identifier!r}: {error}."
        ) from error
