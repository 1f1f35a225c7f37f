"""ExpertEnsemble and EnsembleHead: the first and last layer of an ensemble of experts.

Tensors between the two have an axis of members, M, before the last: `[B, M, D]`. Keras layers that
work on the last axis, and mixtures, accept them, and share their weights among all members.
"""

from typing import Any

import keras
from keras import ops

from sparse_keras import losses
from sparse_keras._internal import keras_private
from sparse_keras._internal.typing import Tensor
from sparse_keras.layers import identifiers
from sparse_keras.layers.experts import EXPERTS, Experts
from sparse_keras.layers.experts.base import check_takes_tokens
from sparse_keras.layers.initializers import per_group
from sparse_keras.layers.ownership import ExclusiveOwner
from sparse_keras.layers.replica_losses import ReplicaLosses
from sparse_keras.layers.validation import positive_int


@keras.saving.register_keras_serializable(package="sparse_keras")
class ExpertEnsemble(ExclusiveOwner):
    """Computes every expert of a bank on every token, and stacks the outputs.

        y[:, m] = expert_m(x)

    With `TiedExperts`, whose members share one matrix, it is the first layer of a
    parameter-efficient ensemble. `EnsembleHead` is the last.

    Args:
        experts: A bank such as `TiedExperts(num_experts=8, units=64)`, or a dict with its
            registered name under `"type"` and its arguments.

    Call arguments:
        inputs: `[..., D]`.
        training: Whether the call is part of training.

    Output shape:
        `[..., M, units]`, M being the number of experts. A mask is passed on.

    Example:

    >>> experts = sparse_keras.layers.TiedExperts(num_experts=8, units=64)
    >>> layer = sparse_keras.layers.ExpertEnsemble(experts)
    >>> layer(np.ones((5, 100), "float32")).shape
    TensorShape([5, 8, 64])

    Reference:
        [BatchEnsemble](https://arxiv.org/abs/2002.06715);
        [TabM](https://arxiv.org/abs/2410.24210) for tables.
    """

    def __init__(self, experts: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        experts = identifiers.get(
            experts, EXPERTS, Experts, "an expert bank", dtype=kwargs.get("dtype")
        )
        self.experts = check_takes_tokens(self, experts)
        self.supports_masking = True
        self.own(self.experts)

    def build(self, input_shape: tuple) -> None:
        if not self.experts.built:
            self.experts.build((None, input_shape[-1]))
        self.built = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        tokens = ops.reshape(inputs, (-1, inputs.shape[-1]))
        outputs = self.experts.call_every(tokens, training=training)
        return ops.reshape(outputs, (*ops.shape(inputs)[:-1], *outputs.shape[1:]))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        width = self.experts.output_width(input_shape[-1])
        return (*input_shape[:-1], self.experts.num_experts, width)

    def flops_per_token(self, input_dim: int) -> int:
        """Returns the multiplications and additions of all experts' matmuls for one token."""
        return self.experts.num_experts * self.experts.flops_per_row(input_dim)

    def get_config(self) -> dict[str, Any]:
        experts = keras.saving.serialize_keras_object(self.experts)
        return {**super().get_config(), "experts": experts}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        experts = keras.saving.deserialize_keras_object(config["experts"])
        return super().from_config({**config, "experts": experts})


# By activation, the part of the loss that does not depend on the target. Losses are
# `normaliser(z) - y z`, up to terms that do not depend on the prediction z.
_NORMALISERS = {
    "sigmoid": lambda logits: ops.mean(ops.softplus(logits), axis=-1),
    "softmax": lambda logits: ops.logsumexp(logits, axis=-1),
    "linear": lambda values: ops.mean(ops.square(values), axis=-1),
}


@keras.saving.register_keras_serializable(package="sparse_keras")
class EnsembleHead(keras.layers.Layer):
    """Averages the predictions of an ensemble's members, but trains each member by its own loss.

        z_m = x_m @ kernel_m + bias_m        y = activation(mean over m of z_m)

    An ensemble is trained by the mean of its members' losses, not by the loss of their mean:
    otherwise members would learn to compensate for each other. For cross-entropy and squared error,
    the two differ by a gap that does not depend on the target, such as `mean of softplus(z_m) -
    softplus(mean of z_m)` for the sigmoid. In training, the layer adds this gap to the loss. So
    train the model as usual with `keras.losses.BinaryCrossentropy` (sigmoid), a categorical
    cross-entropy (softmax) or `keras.losses.MeanSquaredError` (linear), without sample weights.

    Args:
        units: Width of the output.
        activation: `"sigmoid"`, `"softmax"` or `"linear"`.
        kernel_initializer: Initializer of one member's matrix, drawn separately for each.

    Call arguments:
        inputs: `[..., M, D]`, M being the members.
        training: Whether the call is part of training.

    Output shape:
        `[..., units]`.

    Example:

    >>> layer = sparse_keras.layers.EnsembleHead(1, activation="sigmoid")
    >>> layer(np.ones((5, 8, 64), "float32")).shape
    TensorShape([5, 1])

    Reference:
        [TabM](https://arxiv.org/abs/2410.24210), section 3, for the loss;
        Krogh and Vedelsby, Neural Network Ensembles, Cross Validation, and Active Learning, 1994,
        for the gap of squared errors.
    """

    def __init__(
        self,
        units: int,
        activation: str = "linear",
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        keras_private.set_loss_list(self, ReplicaLosses())
        if activation not in _NORMALISERS:
            raise ValueError(
                f"`activation` must be one of {sorted(_NORMALISERS)}. Received: "
                f"activation={activation!r}."
            )
        self.units = positive_int("units", units)
        self.activation = activation
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape: tuple) -> None:
        *_, members, width = input_shape
        self.kernel = self.add_weight(
            name="kernel",
            shape=(members, width, self.units),
            initializer=per_group(self.kernel_initializer, "kernel"),
        )
        self.bias = self.add_weight(name="bias", shape=(members, self.units), initializer="zeros")
        self.built = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        members = ops.einsum("...md,mdu->...mu", inputs, self.kernel) + self.bias
        mean = ops.mean(members, axis=-2)
        if training:
            self.add_loss(self._gap(ops.cast(members, "float32"), ops.cast(mean, "float32")))
        return keras.activations.get(self.activation)(mean)

    def _gap(self, members: Tensor, mean: Tensor) -> Tensor:
        normaliser = _NORMALISERS[self.activation]
        gap = ops.mean(normaliser(members), axis=-1) - normaliser(mean)
        return losses.masked_mean(ops.reshape(gap, (-1,)), None)  # 0 for an empty batch.

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-2], self.units)

    def flops_per_token(self, input_dim: int) -> int:
        """Returns the multiplications and additions of the matmul for one member and example."""
        return 2 * input_dim * self.units

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": self.activation,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
