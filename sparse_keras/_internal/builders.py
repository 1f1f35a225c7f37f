"""The builders that plug-ins have registered, by kind and name.

Layers, models and data look names up here, so that they need neither pydantic nor the schema.
`schema/plugins.py` is the public interface.
"""

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any

# The keys of a config whose `type` may name a plug-in.
KINDS = ("router", "experts", "model", "data")
_BUILDERS: dict[str, dict[str, Callable[..., Any] | str]] = {kind: {} for kind in KINDS}


def add(kind: str, name: str, builder: Callable[..., Any] | str) -> None:
    """Registers a builder: a callable, or `"module:attribute"`, which is imported on first use."""
    _BUILDERS[kind][name] = builder


class Builders(Mapping[str, Callable[..., Any]]):
    """The builders of a kind by name: our own and those of plug-ins.

    Args:
        kind: One of `KINDS`.
        own: Our own builders, by name.
    """

    def __init__(self, kind: str, own: Mapping[str, Callable[..., Any]]):
        self._registered = _BUILDERS[kind]
        self._own = own

    def __getitem__(self, name):
        if name in self._own:
            return self._own[name]
        builder = self._registered[name]
        return resolve(builder) if isinstance(builder, str) else builder

    def __iter__(self):
        yield from self._own
        yield from self._registered

    def __len__(self):
        return len(self._own) + len(self._registered)


# Where our own builders of each kind are, together with those of plug-ins.
_BUILT_IN = {
    "model": "sparse_keras.models:MODELS",
    "data": "sparse_keras.data:DATASETS",
}


def builder_of(kind: str, name: str) -> Callable[..., Any]:
    """Returns the builder of a registered name, ours or a plug-in's, and imports it if needed."""
    return resolve(_BUILT_IN[kind])[name]


def resolve(reference: str) -> Any:
    """Imports what `"module:attribute"` names.

    Raises:
        ValueError: If there is no such module or attribute.
    """
    module, _, attribute = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"The builder {reference!r} cannot be imported: {error}") from error


def import_all() -> None:
    """Imports every builder, so that the Keras classes behind them are registered.

    A builder that fails to import raises a warning and is skipped, since the model at hand may not
    need it.
    """
    for builders in _BUILDERS.values():
        for builder in builders.values():
            if isinstance(builder, str):
                try:
                    resolve(builder)
                except ValueError as error:
                    warnings.warn(str(error), stacklevel=2)
