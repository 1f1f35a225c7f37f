"""record: keeps the routings of a model while it is called."""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np

from sparse_keras.layers.mixtures.routing_hooks import eagerly, hooked, values_of
from sparse_keras.routing.gates import gates_of
from sparse_keras.routing.recording import ARRAYS, RecordedGate, Recording


@contextlib.contextmanager
def record(model: keras.layers.Layer) -> Iterator[Recording]:
    """Records which experts every gate of a model chooses.

    Inside the `with` block, `fit`, `evaluate` and `predict` of the model run eagerly. Calls of the
    model itself are recorded too.

    Args:
        model: A Keras model, or a layer, with mixtures of experts in it.

    Yields:
        A `Recording`, which grows with each call.

    Raises:
        ValueError: If the model has no mixture of experts, if it is called in a compiled function,
            or if nothing was recorded at the end.

    Example:

    >>> layer = sparse_keras.layers.MixtureOfExperts(keras.layers.Dense(1), num_experts=4, k=2)
    >>> model = keras.Sequential([keras.Input((3,)), layer])
    >>> x = np.random.normal(size=(6, 3)).astype("float32")
    >>> with sparse_keras.routing.record(model) as recording:
    ...     y = model.predict(x, verbose=0)
    >>> recording.gates[0].calls[0]["expert_index"].shape
    (6, 2)
    >>> with sparse_keras.routing.replay(model, recording):
    ...     again = model.predict(x, verbose=0)
    >>> np.allclose(y, again)
    True
    """
    gates = gates_of(model)
    recording = Recording([RecordedGate(path, e) for path, e in gates.values()])
    numbers = {gate: n for n, gate in enumerate(gates)}

    def add(layer, gate, routing, mask, training):
        n = numbers.get((id(layer), gate))
        if n is not None:
            recording.gates[n].path = layer.gate_path(gate)  # Unbuilt layers had none before.
            values = {key: values_of(routing[key], "routing.record") for key in ARRAYS}
            recording.gates[n].calls.append(
                {key: np.array(value, ARRAYS[key]) for key, value in values.items()}
            )

    with hooked(add), eagerly(model):
        yield recording
    if not any(gate.calls for gate in recording.gates):
        raise ValueError(
            f"routing.record recorded no routing of {model.name!r}. Call the model, or its `fit`, "
            "`evaluate` or `predict`, inside the `with` block. Functions that were compiled "
            "before, such as `predict` of a model around this one, do not run Python any more: "
            "pass that model to `record` instead."
        )
