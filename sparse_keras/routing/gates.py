"""gates_of: the gates of a model, in the order in which they are recorded and replayed."""

import keras

from sparse_keras._internal.strategy import num_replicas
from sparse_keras.layers.mixtures.gated_layer import SPARSIFY_FIRST, gated_layers


def gates_of(model: keras.layers.Layer) -> dict[tuple[int, str], tuple[str, int]]:
    """Lists the gates of a model, in order.

    Returns:
        Dict from (id of the gate's layer, gate's name) to (the gate's path, number of experts).

    Raises:
        ValueError: If there is none, or if the model runs on several replicas.
    """
    gates = {
        (id(layer), gate): (layer.gate_path(gate), router.num_experts)
        for layer in gated_layers(model)
        for gate, router in layer.gates.items()
    }
    if not gates:
        raise ValueError(
            f"There is no mixture of experts in {model.name!r}. {SPARSIFY_FIRST} A model that "
            "makes its layers in `build` must be built before."
        )
    if (replicas := num_replicas(model)) > 1:
        raise ValueError(
            f"{model.name!r} runs on {replicas} replicas, whose calls have no order. Record and "
            "replay it on one."
        )
    return gates
