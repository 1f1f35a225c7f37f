"""Hooks on routings, which read or replace the decision of a router before tokens are dispatched.

Each layer that routes passes every routing to the hooks, before it dispatches tokens:

    def collect(layer, gate, routing, mask, training):
        indices.append(values_of(routing["expert_index"], "my function"))

    with hooked(collect), eagerly(model):
        model.predict(x)

A hook is a Python function. In a compiled function, Python runs only once, when the function is
traced, with tensors that have no values. Inside `eagerly(model)`, `fit`, `evaluate` and `predict`
of the model run each step in Python.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from sparse_keras._internal import keras_private
from sparse_keras.ops.backend import concrete
from sparse_keras.ops.primitives import python_loops

Hook = Callable[[Any, str, dict[str, Any], Any, bool | None], dict[str, Any] | None]

# A list, not a context variable: replicas of a strategy run in other threads.
_HOOKS: list[Hook] = []


@contextlib.contextmanager
def hooked(hook: Hook) -> Iterator[Hook]:
    """Passes each routing of every layer to a hook.

    Args:
        hook: Called as `hook(layer, gate, routing, mask, training)`: the `GatedLayer`, the gate's
            name (`"router"` for an only gate), what its router returned (a dict; see `Router`),
            bool `[N]` or `None`, and the call's `training`. It returns another routing to use
            instead, or `None`.
    """
    _HOOKS.append(hook)
    try:
        yield hook
    finally:
        _HOOKS.remove(hook)


def is_hooked() -> bool:
    """Returns whether any hook waits for routings."""
    return bool(_HOOKS)


def apply_hooks(
    layer: Any, gate: str, routing: dict[str, Any], mask: Any, training: bool | None
) -> dict[str, Any]:
    """Returns the routing after all hooks."""
    if keras_private.infers_shapes():
        return routing  # Nothing is routed.
    for hook in tuple(_HOOKS):
        replaced = hook(layer, gate, routing, mask, training)
        routing = routing if replaced is None else replaced
    return routing


def values_of(tensor: Any, purpose: str) -> np.ndarray | None:
    """Returns the values of a tensor as a NumPy array.

    Args:
        tensor: Tensor, or `None`, which is returned.
        purpose: What needs the values, for the error message.

    Raises:
        ValueError: If the tensor has no values because a function is being traced.
    """
    if tensor is None:
        return None
    values = concrete(tensor)
    if values is None:
        raise ValueError(
            f"{purpose} needs a model that runs eagerly, and this call is inside a compiled "
            "function (`tf.function`, `jax.jit`, `jax.vmap` or `torch.compile`), which runs Python "
            "only once. Call the model itself, or `fit`, `evaluate`, `predict` or `generate` of "
            "the model that was passed, which run eagerly inside the `with` block."
        )
    return values


@contextlib.contextmanager
def eagerly(model: keras.layers.Layer) -> Iterator[None]:
    """Makes `fit`, `evaluate` and `predict` of a model run eagerly inside a `with` block.

    So does `generate` of a task of KerasHub. The compiled functions of the model are restored
    afterwards, without tracing them again.
    """
    names = ("run_eagerly", *keras_private.COMPILED_FUNCTIONS)
    before = {name: getattr(model, name) for name in names if hasattr(model, name)}
    for name in before:
        setattr(model, name, True if name == "run_eagerly" else None)
    try:
        # The loops of `generate`.
        with python_loops() if hasattr(model, "generate") else contextlib.nullcontext():
            yield
    finally:
        for name, value in before.items():
            setattr(model, name, value)
