"""DenseFeedForward: a feed-forward layer, of whatever class, as experts are made from it."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np

from sparse_keras.layers import Experts, FeedForward, GLUExperts, MixtureOfExperts, MLPExperts
from sparse_keras.models.feed_forward_matrices import MATRICES, float32_array


@dataclasses.dataclass(eq=False)
class DenseFeedForward:
    """A feed-forward layer that may become a mixture of experts.

        y = (activation(x @ gate) * (x @ up)) @ down        with a gate
        y = activation(x @ up) @ down                       without

    Args:
        names: What `layers` may call it, the name that is shown first.
        layer: The layer that is replaced.
        kernels: Dict from `"gate"`, if there is one, `"up"` and `"down"` to the variables of the
            matrices, `[D, H]` and `[H, output width]`.
        biases: The same of biases; a matrix without one is left out.
        activation: The activation function.
        dropout: Rate of the dropout on the hidden units.
        policy: The dtype policy in which it computes.
        mixture_name: The name of the mixture in its place.
        options: More arguments of the bank.
        absorbed: Layers after `layer` that are part of it; see `Replacement`.
        ending: What stands after the mixture; see `Replacement`.
        mixture_class: The class of the mixture.
    """

    names: tuple[str, ...]
    layer: keras.layers.Layer
    kernels: dict[str, Any]
    biases: dict[str, Any]
    activation: Any
    dropout: float
    policy: Any
    mixture_name: str
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    absorbed: tuple[keras.layers.Layer, ...] = ()
    ending: keras.layers.Layer | None = None
    mixture_class: type[MixtureOfExperts] = MixtureOfExperts

    @property
    def input_dim(self) -> int:
        return self.kernels["up"].shape[0]

    @property
    def hidden_dim(self) -> int:
        return self.kernels["up"].shape[1]

    @property
    def output_dim(self) -> int:
        return self.kernels["down"].shape[1]

    def values(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Returns the kernels and the biases as float32 arrays."""

        def arrays(variables):
            return {name: float32_array(variable) for name, variable in variables.items()}

        return arrays(self.kernels), arrays(self.biases)

    def bank(self, num_experts: int, hidden_dim: int) -> Experts:
        """Makes a bank of such feed-forward layers, whose weights are not those of this one."""
        width = None if self.output_dim == self.input_dim else self.output_dim
        return (GLUExperts if "gate" in self.kernels else MLPExperts)(
            num_experts,
            hidden_dim,
            activation=self.activation,
            use_bias=bool(self.biases),
            output_dim=width,
            dropout=self.dropout,
            dtype=self.policy,
            name="experts",
            **self.options,
        )


def of_feed_forward(layer: FeedForward, names: tuple[str, ...]) -> DenseFeedForward:
    """Describes a `FeedForward` of this library."""
    parts = {name: getattr(layer, name) for name in MATRICES if getattr(layer, name) is not None}
    return DenseFeedForward(
        names,
        layer,
        kernels={name: part.kernel for name, part in parts.items()},
        biases={name: part.bias for name, part in parts.items() if part.bias is not None},
        activation=layer.activation,
        dropout=layer.dropout,
        policy=layer.dtype_policy,
        mixture_name="mixture",
        options={
            "kernel_initializer": layer.kernel_initializer,
            "kernel_regularizer": layer.kernel_regularizer,
            "seed": layer.seed,
            "trainable": layer.trainable,
        },
    )
