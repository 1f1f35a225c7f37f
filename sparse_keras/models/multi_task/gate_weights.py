"""Which experts a model's gates use, for given rows."""

from __future__ import annotations

import operator
from typing import Any

import keras
import numpy as np

from sparse_keras.layers.mixtures.mixture import mixtures


def gate_weights(
    model: keras.Model, x: Any, batch_size: int = 1024
) -> dict[str, dict[str, np.ndarray]]:
    """The weight that each gate of a model gives to each of its experts, outside training.

    Args:
        model: A functional model or a `PreprocessedModel`; multi-task models such as `mmoe` and
            `ple` have a gate for each task.
        x: Rows, as `model.predict` takes them.
        batch_size: Rows in a batch.

    Returns:
        Dict from the name of each mixture of experts to a dict from its gates (`"router"` for a
        MixtureOfExperts, which has one) to float32 arrays `[N, E]`. The mean over rows says how
        much a task uses each expert. `MultiGateMixtureOfExperts.expert_names(gate)` names the
        experts.

    Raises:
        ValueError: If the model has no mixture of experts among its layers.

    Example:

    >>> model = sparse_keras.models.mmoe(
    ...     inputs=sparse_keras.data.TableInputs(30),
    ...     tasks={"income": "binary", "married": "binary"},
    ...     experts={"type": "dense", "num_experts": 4, "units": 16},
    ... )
    >>> weights = sparse_keras.models.gate_weights(model, np.ones((7, 30), "float32"))
    >>> {task: array.shape for task, array in weights["mixture"].items()}
    {'income': (7, 4), 'married': (7, 4)}
    """
    core = getattr(model, "core", model)
    layers = [layer for layer in mixtures(core) if layer in core.layers]
    if not layers:
        raise ValueError(f"The model {model.name!r} has no mixture of experts among its layers.")
    if core is not model and model.preprocessor.is_raw(x):
        x = model.encode(x)
    tensors = [keras.tree.flatten(layer.input) for layer in layers]
    probe = keras.Model(core.inputs, [tensor for several in tensors for tensor in several])
    found = {layer.name: {} for layer in layers}
    for start in range(0, len(keras.tree.flatten(x)[0]), batch_size):
        here = slice(start, start + batch_size)
        batch = keras.tree.map_structure(operator.itemgetter(here), x)
        values = iter(keras.tree.flatten(probe(_as_list(core, batch))))
        for layer, several in zip(layers, tensors, strict=True):
            inputs = layer.pack_inputs([next(values) for _ in several])
            for gate, weights in layer.gate_weights(inputs).items():
                array = keras.ops.convert_to_numpy(weights)
                found[layer.name].setdefault(gate, []).append(array)
    return {
        name: {gate: np.concatenate(parts) for gate, parts in gates.items()}
        for name, gates in found.items()
    }


def _as_list(core, batch):
    """The inputs of a functional model, in the order of `core.inputs`."""
    if isinstance(batch, dict):
        return [batch[tensor.name] for tensor in core.inputs]
    return keras.tree.flatten(batch)
