"""replace_layers: a model made again, with some of its layers replaced."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras

from sparse_keras._internal import keras_private
from sparse_keras._internal.suggest import listing
from sparse_keras.models.preprocessed_model import PreprocessedModel

_TAG = "sparse_keras_replaced"


@dataclasses.dataclass(eq=False)
class Replacement:
    """What stands in the place of a layer.

    Args:
        layer: The layer of the model that is replaced.
        by: A layer that is not built. The new model has one of its config.
        fill: Gets the layer in the new model, built, and sets its weights.
        absorbed: Layers that follow `layer` in the same Functional or Sequential model, one after
            the other, and have no place in the new one.
        ending: An activation, or another layer without weights, in the place of the last of
            `absorbed`; or `None`.
    """

    layer: keras.layers.Layer
    by: keras.layers.Layer
    fill: Callable[[Any], None]
    absorbed: tuple[keras.layers.Layer, ...] = ()
    ending: keras.layers.Layer | None = None


def replace_layers(model: keras.Model, replacements: Sequence[Replacement]) -> keras.Model:
    """Makes a model again from its config, with some of its layers replaced.

    All other weights are carried over, bit for bit. The new model shares no variable with the old
    one, which stays as it is, and is not compiled.

    Args:
        model: A built model, whose `get_config` describes the layers that are replaced: Functional,
            Sequential, or a class of its own that serializes its layers.
        replacements: What is replaced.

    Returns:
        The new model.

    Raises:
        ValueError: If the model cannot be made again from its config.
    """
    if not model.built:
        raise ValueError(
            f"{model.name!r} has no weights yet. Call it once, or `build` it, before its layers "
            "are replaced."
        )
    new = _Maker(replacements).made_again(model)
    if not new.built:
        new.build_from_config(model.get_build_config())
    if not new.built:
        raise ValueError(
            f"{model.name!r}, a {type(model).__name__}, cannot be built when it is made from its "
            "config: it needs a `build`, or a `build_from_config`."
        )
    pairs = _Pairs(replacements)
    pairs.walk(model, new)
    for old_variable, new_variable in pairs.variables:
        new_variable.assign(old_variable.value)
    for replacement in replacements:
        found = pairs.replaced.get(id(replacement))
        if found is None:
            raise ValueError(
                f"{replacement.layer.name!r} is not in the config of {model.name!r}, a "
                f"{type(model).__name__}: its `get_config` must serialize the layers inside."
            )
        replacement.fill(found)
    return new


def is_graph(layer: Any) -> bool:
    """Returns whether a layer is a Functional model, or a Sequential one that is built."""
    return isinstance(layer, keras.Sequential) or keras_private.is_functional(layer)


class _Maker:
    """Makes layers again from their configs."""

    def __init__(self, replacements: Sequence[Replacement]) -> None:
        self.replacements = {id(one.layer): one for one in replacements}
        self.absorbed = {id(layer) for one in replacements for layer in one.absorbed}
        self.endings = {id(one.absorbed[-1]): one.ending for one in replacements if one.absorbed}

    def made_again(self, layer: Any) -> Any:
        if id(layer) in self.replacements:
            return self.replacements[id(layer)].by
        if self._absorbs(layer):
            if isinstance(layer, keras.Sequential):
                return self._sequential(layer)
            return self._functional(layer)
        with contextlib.ExitStack() as tags:
            inner = self._to_replace(layer) if isinstance(layer, keras.layers.Layer) else []
            for number, part in enumerate(inner):
                tags.enter_context(_tagged(part, number))
            config = keras.saving.serialize_keras_object(layer)
        made = [keras.saving.serialize_keras_object(self.made_again(part)) for part in inner]
        return keras.saving.deserialize_keras_object(
            _replaced(config, made), custom_objects={type(layer).__name__: type(layer)}
        )

    def _absorbs(self, layer: Any) -> bool:
        return is_graph(layer) and any(id(part) in self.absorbed for part in layer.layers)

    def _to_replace(self, layer: keras.layers.Layer) -> list[Any]:
        """Lists the outermost layers inside that are not made again as they are."""
        found: dict[int, Any] = {}
        waiting = list(keras_private.sublayers(layer))
        seen = {id(layer)}
        while waiting:
            part = waiting.pop(0)
            if id(part) in seen:
                continue
            seen.add(id(part))
            if id(part) in self.replacements or self._absorbs(part):
                found[id(part)] = part
            else:
                waiting.extend(keras_private.sublayers(part))
        return list(found.values())

    def _sequential(self, model: keras.Sequential) -> keras.Sequential:
        (tensor,) = model.inputs
        layers = [keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)]
        for layer in model.layers:
            if id(layer) not in self.absorbed:
                layers.append(self.made_again(layer))
            elif self.endings.get(id(layer)) is not None:
                layers.append(self.endings[id(layer)])
        return keras.Sequential(layers, name=model.name, trainable=model.trainable)

    def _functional(self, model: keras.Model) -> keras.Model:
        gone: dict[int, Any] = {}  # From a copy of an absorbed layer to what stands in its place.
        copies = []  # Alive, so that ids stay theirs.

        def clone(layer):
            copy = layer.__class__.from_config(layer.get_config())
            if id(layer) in self.absorbed:
                gone[id(copy)] = self.endings.get(id(layer))
                copies.append(copy)
                return copy
            return self.made_again(layer)

        def call(layer, *args, **kwargs):
            if id(layer) not in gone:
                return layer(*args, **kwargs)
            ending = gone[id(layer)]
            return args[0] if ending is None else ending(args[0])

        compiled, model.compiled = model.compiled, False  # Keras would compile the new one.
        try:
            return keras.models.clone_model(model, clone_function=clone, call_function=call)
        finally:
            model.compiled = compiled


@contextlib.contextmanager
def _tagged(layer: Any, number: int) -> Iterator[None]:
    """Makes the config of a layer say which one it is, inside a `with` block."""
    get_config = layer.get_config
    vars(layer)["get_config"] = lambda: {**get_config(), _TAG: number}
    try:
        yield
    finally:
        del vars(layer)["get_config"]


def _replaced(config: Any, made: list[dict[str, Any]], built_by_owner: bool = False) -> Any:
    """Returns a serialized model with other layers in the place of the tagged ones."""
    if isinstance(config, (list, tuple)):
        return type(config)(_replaced(part, made, built_by_owner) for part in config)
    if not isinstance(config, dict):
        return config
    inner = config.get("config")
    if isinstance(inner, dict) and _TAG in inner:
        # What a Functional model knows of the layer stays: its name, and what it is called with.
        kept = {key: config[key] for key in ("name", "inbound_nodes") if key in config}
        return {**made[inner[_TAG]], **kept}
    left_out = {"compile_config"}
    if built_by_owner:
        # Paths of weights then begin with the name of the model.
        left_out.add("build_config")
    if "class_name" in config:
        built_by_owner = _builds_its_layers(config.get("registered_name"))
    return {
        key: _replaced(part, made, built_by_owner)
        for key, part in config.items()
        if key not in left_out
    }


def _builds_its_layers(name: Any) -> bool:
    """Whether a registered class is one of ours that builds the layers inside it.

    A model with its preprocessing does not: its network is built before.
    """
    if not str(name).startswith("sparse_keras>"):
        return False
    kind = keras.saving.get_registered_object(name)
    return not (isinstance(kind, type) and issubclass(kind, PreprocessedModel))


class _Pairs:
    """The weights of two models, of which one was made from the config of the other."""

    def __init__(self, replacements: Sequence[Replacement]) -> None:
        self.replacements = {id(one.layer): one for one in replacements}
        self.absorbed = {id(layer) for one in replacements for layer in one.absorbed}
        self.variables: list[tuple[keras.Variable, keras.Variable]] = []
        self.replaced: dict[int, Any] = {}
        self._seen: set[int] = set()

    def walk(self, old: Any, new: Any) -> None:
        if id(old) in self._seen:
            return
        self._seen.add(id(old))
        replacement = self.replacements.get(id(old))
        if replacement is not None:
            self.replaced[id(replacement)] = new
            return
        mine, theirs = keras_private.own_weights(old), keras_private.own_weights(new)
        shapes = [[tuple(v.shape) for v in variables] for variables in (mine, theirs)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"{old.name!r}, a {type(old).__name__}, has other weights when it is made from its "
                f"config: {shapes[1]} instead of {shapes[0]}. LoRA has to be merged before."
            )
        self.variables += zip(mine, theirs, strict=True)
        for one, other in self._sublayers(old, new):
            self.walk(one, other)

    def _sublayers(self, old: Any, new: Any) -> list[tuple[Any, Any]]:
        """Pairs the sublayers by their names, and those of one name by their order."""
        waiting: dict[str, list[Any]] = {}
        for layer in _with_weights(new):
            waiting.setdefault(layer.name, []).append(layer)
        pairs, lost = [], []
        for layer in _with_weights(old):
            if id(layer) in self.absorbed:
                continue
            replacement = self.replacements.get(id(layer))
            name = layer.name if replacement is None else replacement.by.name
            others = waiting.get(name, [])
            if others:
                pairs.append((layer, others.pop(0)))
            else:
                lost.append(layer.name)
        left = [layer.name for others in waiting.values() for layer in others]
        if lost or left:
            raise ValueError(
                f"{old.name!r}, a {type(old).__name__}, has other layers when it is made from its "
                f"config: {listing(left)} instead of {listing(lost)}."
            )
        return pairs


def _with_weights(layer: Any) -> list[Any]:
    """Lists the sublayers that have weights."""
    return [part for part in keras_private.sublayers(layer) if part.weights]
