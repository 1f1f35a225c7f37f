"""Hooks on routings: what a router decided can be seen, or replaced, before tokens are sent.

Each mixture shows every routing to the hooks in place, after its router and before it dispatches:

    def show(layer, gate, routing, mask, training):
        found.append(values_of(routing["expert_index"], "my function"))

    with hooked(show), eagerly(model):
        model.predict(x)

A hook is Python: it runs when Keras runs Python, which in a compiled function is once, while it is
traced, with tensors that have no values. `eagerly(model)` makes `fit`, `evaluate` and `predict` of
a model run each step in Python for a while.
"""

import contextlib

from sparse_keras._internal import keras_private
from sparse_keras.ops.backend import concrete

_HOOKS = []  # A list, not a context variable: replicas of a strategy run in other threads.


@contextlib.contextmanager
def hooked(hook):
    """Shows each routing of every mixture to a hook.

    Args:
        hook: Called as `hook(layer, gate, routing, mask, training)`: the Mixture, the gate's name
            (`"router"` for an only gate), what its router returned (a dict; see `Router`), bool
            `[N]` or `None`, and the call's `training`. It returns another routing to use instead,
            or `None`.
    """
    _HOOKS.append(hook)
    try:
        yield hook
    finally:
        _HOOKS.remove(hook)


def shown(layer, gate, routing, mask, training):
    """The routing after all hooks. Mixtures call this; nobody else need."""
    if keras_private.infers_shapes():
        return routing  # Nothing is routed.
    for hook in tuple(_HOOKS):
        replaced = hook(layer, gate, routing, mask, training)
        routing = routing if replaced is None else replaced
    return routing


def values_of(tensor, purpose):
    """A tensor's values, a NumPy array.

    Args:
        tensor: Tensor, or `None`, which is returned.
        purpose: What needs them, for the error message.

    Raises:
        ValueError: If a function is being traced, so that there are no values.
    """
    if tensor is None:
        return None
    values = concrete(tensor)
    if values is None:
        raise ValueError(
            f"{purpose} needs a model that runs eagerly, and this call is inside a compiled "
            "function (`tf.function`, `jax.jit`, `jax.vmap` or `torch.compile`), which runs Python "
            "only once. Call the model itself, or `fit`, `evaluate` or `predict` of the very model "
            "that was given, which run eagerly meanwhile."
        )
    return values


@contextlib.contextmanager
def eagerly(model):
    """Makes `fit`, `evaluate` and `predict` of a model run eagerly, and gives back what was.

    Its compiled functions are kept aside: no time is spent on tracing them again.
    """
    names = ("run_eagerly", "train_function", "test_function", "predict_function")
    before = {name: getattr(model, name) for name in names if hasattr(model, name)}
    for name in before:
        setattr(model, name, True if name == "run_eagerly" else None)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(model, name, value)
