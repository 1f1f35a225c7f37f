"""Feed-forward layers that are two `Dense`, one after the other, in a Keras model.

Dense(H, activation) [-> Activation] [-> Dropout] -> Dense(width)
"""

from __future__ import annotations

from typing import Any

import keras

from sparse_keras._internal import keras_private
from sparse_keras.models.replacing import is_graph
from sparse_keras.upcycling.feed_forward import DenseFeedForward

# What a Dense may have that a bank of experts has not.
_EXTRAS = (
    "bias_regularizer",
    "activity_regularizer",
    "kernel_constraint",
    "bias_constraint",
    "lora_rank",
    "quantization_mode",
)


def chains_of(model: Any) -> list[tuple[DenseFeedForward, bool]]:
    """Lists the pairs of `Dense` in a Functional or Sequential model, which do not overlap.

    Returns:
        List of pairs: the feed-forward layer, and whether its output is one of the model's. Models
        inside the model are left out.
    """
    if not is_graph(model) or not model.built:
        return []
    following = _Following(model)
    found, used = [], set()
    for layer in model.layers:
        if id(layer) in used or not _is_dense(layer):
            continue
        chain = following.chain(layer)
        if chain is None:
            continue
        feed_forward = _feed_forward(chain)
        if feed_forward is not None:
            used.update(id(part) for part in chain)
            found.append((feed_forward, following.ends(chain[-1])))
    return found


class _Following:
    """Which layer follows which, in a Functional or Sequential model."""

    def __init__(self, model: keras.Model) -> None:
        self.after: dict[int, list[Any]] = {}
        self.calls: dict[int, list[Any]] = {}
        self.outputs = {id(tensor) for tensor in model.outputs}
        for call in keras_private.calls_in(model):
            self.calls.setdefault(id(call.operation), []).append(call)
            for tensor in call.input_tensors:
                self.after.setdefault(id(tensor), []).append(call.operation)

    def only(self, layer: Any) -> Any:
        """The layer that alone gets the only output of a layer; `None` if there is no such one."""
        calls = self.calls.get(id(layer), [])
        if len(calls) != 1 or self.ends(layer):
            return None
        (tensor,) = calls[0].output_tensors
        after = self.after.get(id(tensor), [])
        if len(after) != 1 or len(self.calls[id(after[0])]) != 1:
            return None
        return after[0]

    def ends(self, layer: Any) -> bool:
        """Whether an output of a layer is one of the model's."""
        return any(
            id(tensor) in self.outputs
            for call in self.calls[id(layer)]
            for tensor in call.output_tensors
        )

    def chain(self, layer: Any) -> list[Any] | None:
        """A `Dense` and what follows, up to the next `Dense`."""
        calls = self.calls.get(id(layer), [])
        if len(calls) != 1 or len(calls[0].input_tensors[0].shape) not in (2, 3, 4):
            return None
        chain = [layer]
        for kinds in ((keras.layers.Activation, keras.layers.ReLU), (keras.layers.Dropout,), ()):
            after = self.only(chain[-1])
            if _is_dense(after):
                return [*chain, after]
            if isinstance(after, kinds):
                chain.append(after)
            elif isinstance(after, keras.layers.Dropout) and kinds:
                continue  # There is no layer of activation.
            else:
                return None
        return None


def _is_dense(layer: Any) -> bool:
    return type(layer) is keras.layers.Dense and not any(
        getattr(layer, name, None) is not None for name in _EXTRAS
    )


def _feed_forward(chain: list[Any]) -> DenseFeedForward | None:
    """Describes a chain; `None` if no bank computes the same."""
    up, *between, down = chain
    linear = keras.activations.linear
    activation, rate, seed = up.activation, 0.0, None
    for layer in between:
        if isinstance(layer, keras.layers.Dropout):
            if layer.noise_shape is not None:
                return None
            rate, seed = layer.rate, layer.seed
            continue
        if activation is not linear:
            return None
        activation = _activation_of(layer)
    if activation is linear or activation is None:
        return None  # Two matrices without an activation between them are no feed-forward layer.
    policies = {layer.dtype_policy.name for layer in (up, down)}
    regularizers = [keras.regularizers.serialize(layer.kernel_regularizer) for layer in (up, down)]
    if len(policies) > 1 or regularizers[0] != regularizers[1] or up.trainable != down.trainable:
        return None
    ending = None
    if down.activation is not linear:
        ending = keras.layers.Activation(
            down.activation, name=f"{down.name}_activation", dtype=down.dtype_policy
        )
    return DenseFeedForward(
        (up.name, down.name),
        up,
        kernels={"up": up.kernel, "down": down.kernel},
        biases={
            name: layer.bias
            for name, layer in (("up", up), ("down", down))
            if layer.bias is not None
        },
        activation=activation,
        dropout=rate,
        policy=up.dtype_policy,
        mixture_name=f"{up.name}_mixture",
        options={
            "kernel_initializer": up.kernel_initializer,
            "bias_initializer": up.bias_initializer,
            "kernel_regularizer": up.kernel_regularizer,
            "seed": seed if rate else None,
            "trainable": up.trainable,
        },
        absorbed=tuple(chain[1:]),
        ending=ending,
    )


def _activation_of(layer: Any) -> Any:
    """The function of a layer of activation; `None` if it has no name of its own."""
    if isinstance(layer, keras.layers.Activation):
        return layer.activation
    plain = (layer.max_value, layer.negative_slope, layer.threshold) == (None, 0.0, 0.0)
    return keras.activations.relu if plain else None
