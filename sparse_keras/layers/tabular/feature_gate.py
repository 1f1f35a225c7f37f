"""FeatureGate: one learned gate for each feature, so that a network selects its own inputs."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.validation import (
    group_numbers,
    loss_weight,
    number,
    one_of,
    optional_int,
)

# The stretched interval and temperature of the hard-concrete distribution, as in the paper.
_LOW, _HIGH, _TEMPERATURE = -0.1, 1.1, 2.0 / 3.0


@keras.saving.register_keras_serializable(package="sparse_keras")
class FeatureGate(keras.layers.Layer):
    """Multiplies each feature by a learned gate that can close completely.

    With `gate="threshold"`, a sigmoid gate with a threshold:

        g_j = sigmoid(logit_j)
        y_j = x_j * g_j    if g_j > threshold, else 0

    In training the gradient ignores the threshold, so that a closed gate can open again.

    With `gate="hard_concrete"`, a gate that is exactly 0 or 1 with positive probability, and is
    sampled in training:

        s_j = sigmoid((log u - log(1 - u) + logit_j) / t)    u ~ U(0, 1), in training
        s_j = sigmoid(logit_j)                               otherwise
        g_j = clip(s_j * 1.2 - 0.1, 0, 1)

    Args:
        gate: `"hard_concrete"` or `"threshold"`.
        threshold: The value a gate must exceed to be open. For hard-concrete gates only
            `selected_features` uses it, on the gate without noise.
        penalty: Cost of one open gate. The penalty times the sum of the sigmoid gates, or of the
            probabilities that hard-concrete gates are not 0, is added to the loss as a regularizer.
            A feature stays open if it lowers the loss by more than that.
        initial_gate: Initial value of every sigmoid, in (0, 1).
        groups: Optional list of D integers, the group of each feature, numbered from 0. Features of
            a group share one gate: for example, the bins of a column are selected together. `gates`
            and `selected_features` then return values and indices of groups.
        seed: Seed of the samples.

    Call arguments:
        inputs: Tensor `[..., D]`.
        training: Whether the call is part of training.

    Output shape:
        That of `inputs`. A mask is passed on.

    Example:

    >>> layer = sparse_keras.layers.FeatureGate(gate="threshold", penalty=0.01)
    >>> layer(np.ones((5, 3), "float32")).shape
    TensorShape([5, 3])
    >>> layer.selected_features()
    array([0, 1, 2])

    Reference:
        [Learning Sparse Neural Networks through L0 Regularization](https://arxiv.org/abs/1712.01312),
        equations 10 to 13; the straight-through gradient is that of
        [Bengio et al.](https://arxiv.org/abs/1308.3432), section 4.
    """

    def __init__(
        self,
        gate: str = "hard_concrete",
        threshold: float = 0.5,
        penalty: float = 0.01,
        initial_gate: float = 0.9,
        groups: Sequence[int] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.gate = one_of("gate", gate, ("hard_concrete", "threshold"))
        self.threshold = number("threshold", threshold, "[0, 1)")
        self.penalty = loss_weight("penalty", penalty)
        self.initial_gate = number("initial_gate", initial_gate, "(0, 1)")
        self.groups = group_numbers("groups", groups)
        self.seed = optional_int("seed", seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        width = input_shape[-1]
        if self.groups is not None and len(self.groups) != width:
            raise ValueError(
                f"`groups` must name a group for each of the {width} features. Received: "
                f"{len(self.groups)} groups."
            )
        self.logits = self.add_weight(
            name="gate_logits",
            shape=(width if self.groups is None else max(self.groups) + 1,),
            initializer=keras.initializers.Constant(
                math.log(self.initial_gate / (1.0 - self.initial_gate))
            ),
            # Gates decide what is exactly 0, so they are float32 under every dtype policy.
            dtype="float32",
            autocast=False,
            regularizer=self._price if self.penalty else None,
        )
        self.built = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        gates = self._sampled_gates() if training else self._gates()
        if self.groups is not None:
            gates = ops.take(gates, self.groups)
        return inputs * ops.cast(gates, inputs.dtype)

    def _gates(self) -> Tensor:
        """Returns the gates without noise, float32 `[D]`."""
        gates = ops.sigmoid(self.logits)
        if self.gate == "hard_concrete":
            return ops.clip(gates * (_HIGH - _LOW) + _LOW, 0.0, 1.0)
        return ops.where(gates > self.threshold, gates, ops.zeros_like(gates))

    def _sampled_gates(self) -> Tensor:
        """Returns the gates of a training step, float32 `[D]`."""
        if self.gate == "threshold":
            gates = ops.sigmoid(self.logits)
            return gates + ops.stop_gradient(self._gates() - gates)
        uniform = keras.random.uniform(
            self.logits.shape, 1e-6, 1.0 - 1e-6, dtype="float32", seed=self.seed_generator
        )
        noise = ops.log(uniform) - ops.log(1.0 - uniform)
        gates = ops.sigmoid((noise + self.logits) / _TEMPERATURE)
        return ops.clip(gates * (_HIGH - _LOW) + _LOW, 0.0, 1.0)

    def _price(self, logits: Tensor) -> Tensor:
        if self.gate == "hard_concrete":
            logits = logits - _TEMPERATURE * math.log(-_LOW / _HIGH)
        return self.penalty * ops.sum(ops.sigmoid(logits))

    def gates(self) -> np.ndarray:
        """Returns the gates that inference uses, a NumPy array `[D]`.

        Raises:
            ValueError: If the layer is not built.
        """
        if not self.built:
            raise ValueError(f"{self.name!r} has no gates before it has seen an input.")
        return ops.convert_to_numpy(self._gates())

    def selected_features(self) -> np.ndarray:
        """Returns the indices of features whose gates exceed the threshold, in ascending order."""
        return np.flatnonzero(self.gates() > self.threshold)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "gate": self.gate,
            "threshold": self.threshold,
            "penalty": self.penalty,
            "initial_gate": self.initial_gate,
            "groups": self.groups,
            "seed": self.seed,
        }
