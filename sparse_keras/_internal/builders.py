"""The builders that plug-ins registered, by kind and name.

The lowest end of the registry: layers, models and data look names up here, and need for it neither
pydantic nor the schema. `plugins.py` is its public face.
"""

import importlib
import warnings
from collections.abc import Mapping

# The keys of a config whose `type` may be a plug-in's.
KINDS = ("router", "experts", "model", "data")
_BUILDERS = {kind: {} for kind in KINDS}


def add(kind, name, builder):
    """Registers a builder: a callable, or `"module:attribute"`, imported on first use."""
    _BUILDERS[kind][name] = builder


class Builders(Mapping):
    """Our own builders of a kind together with those of plug-ins, by name.

    Args:
        kind: One of `KINDS`.
        own: Dict from name to builder.
    """

    def __init__(self, kind, own):
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


# Where the library's own builders of each kind are, together with those of plug-ins.
_BUILT_IN = {
    "model": "sparse_keras.models:MODELS",
    "data": "sparse_keras.data:READERS",
}


def builder_of(kind, name):
    """The builder of a registered name, the library's or a plug-in's, imported on first use."""
    return resolve(_BUILT_IN[kind])[name]


def resolve(reference):
    """`"module:attribute"` -> the attribute."""
    module, _, attribute = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"The plug-in's builder {reference!r} cannot be imported: {error}"
        ) from error


def import_all():
    """Imports every builder, which makes the Keras classes behind them known to Keras.

    One that is broken is told and left out: the model at hand may not need it.
    """
    for builders in _BUILDERS.values():
        for builder in builders.values():
            if isinstance(builder, str):
                try:
                    resolve(builder)
                except ValueError as error:
                    warnings.warn(str(error), stacklevel=2)
