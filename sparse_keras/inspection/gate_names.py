"""gate_names: a name for each gate of a model, also where Keras has lost the path of its layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import keras

from sparse_keras._internal import keras_private
from sparse_keras.models import PreprocessedModel


def gate_names(model: keras.Model, layers: Sequence[Any]) -> dict[tuple[int, str], str]:
    """Names the gates of a model, each differently.

    A layer of a loaded model forgets which layers it is inside: its path is its name, so that the
    mixtures of all blocks of a Transformer have the same. They are named by their place in the
    model, which is the path that they have before the model is saved.

    Args:
        model: The model.
        layers: Its layers with gates.

    Returns:
        Dict from (id of the layer, gate) to the name.
    """
    holders = _holders(model)
    names = {}
    for layer in layers:
        path = layer.path or layer.name
        outside = holders[id(layer)]
        # The layers of a Functional model have paths without its name.
        place = "/".join(one.name for one in [*outside, layer] if not _is_graph(one))
        if "/" not in path:
            path = place
        whole = "/".join(one.name for one in [*outside, layer])
        for gate in layer.gates:
            # The path of a gate is that of its layer, with the gate's name if there are several.
            ending = layer.gate_path(gate).removeprefix(layer.path or layer.name)
            names[id(layer), gate] = (path + ending, whole + ending)
    counts = Counter(path for path, _ in names.values())
    unique = {key: path if counts[path] == 1 else whole for key, (path, whole) in names.items()}
    return _numbered(unique)


def _holders(model):
    """Dict from the id of each layer to the layers that it is inside, from the outermost on."""
    core = model.core if isinstance(model, PreprocessedModel) else model
    holders: dict[int, list] = {}
    waiting: list[tuple] = [(model, []), (core, [])]  # The last comes first.
    while waiting:
        layer, outside = waiting.pop()
        if id(layer) not in holders:
            holders[id(layer)] = outside
            inner = keras_private.sublayers(layer)
            waiting.extend((one, [*outside, layer]) for one in reversed(inner))
    return holders


def _is_graph(layer):
    """Whether this is a Functional model, or a Sequential one."""
    return bool(getattr(layer, "inputs", None))


def _numbered(names):
    """Appends numbers to names that occur several times."""
    counts, seen = Counter(names.values()), Counter[str]()
    numbered = {}
    for key, name in names.items():
        seen[name] += 1
        numbered[key] = name if counts[name] == 1 else f"{name} ({seen[name]})"
    return numbered
