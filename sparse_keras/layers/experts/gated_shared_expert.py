"""GatedSharedExpert: a shared expert with a gate for each token."""

from typing import Any

import keras
from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.flops import layer_flops, matrix_flops
from sparse_keras.layers.masks import call_with_mask


@keras.saving.register_keras_serializable(package="sparse_keras")
class GatedSharedExpert(keras.layers.Wrapper):
    """Multiplies the output of a layer by a gate: one number for each token.

        y = sigmoid(x @ kernel) * layer(x)

    As the `shared_expert` of a `MixtureOfExperts`, it lets each token decide how much it uses the
    shared expert.

    Args:
        layer: The Keras layer that is gated. It must keep the leading axes of its input.
        kernel_initializer: Initializer of the gate's `[D, 1]` matrix. The gate has no bias.
        kernel_regularizer: Regularizer of the matrix.

    Call arguments:
        inputs: `[..., D]`.
        mask: Optional bool mask, passed to the layer if it takes one.
        training: Whether the call is part of training.

    Output shape:
        That of `layer`. A mask is passed on.

    Raises:
        ValueError: If `layer` is not a Keras layer, or does not keep the leading axes.

    Example:

    >>> layer = sparse_keras.layers.MixtureOfExperts(
    ...     sparse_keras.layers.GLUExperts(num_experts=8, hidden_dim=16),
    ...     router="qwen2_moe",
    ...     shared_expert=sparse_keras.layers.GatedSharedExpert(keras.layers.Dense(32)),
    ... )
    >>> layer(np.ones((4, 32), "float32")).shape
    TensorShape([4, 32])

    Reference:
        `shared_expert_gate` of Qwen2-MoE in [Hugging Face's
        transformers](https://github.com/huggingface/transformers); a test compares the two.
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(layer, keras.layers.Layer):
            raise ValueError(f"`layer` must be a Keras layer. Received: {layer!r}.")
        super().__init__(layer, **kwargs)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        super().build(input_shape)
        output_shape = tuple(self.layer.compute_output_shape(input_shape))
        if output_shape[:-1] != tuple(input_shape[:-1]):
            raise ValueError(
                "A gate for each token needs a layer with one output for each token. Received: "
                f"input shape {tuple(input_shape)}, output shape {output_shape} of "
                f"{self.layer.name!r}."
            )
        self.kernel = self.add_weight(
            name="gate_kernel",
            shape=(input_shape[-1], 1),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )

    def call(self, inputs: Tensor, mask: Tensor = None, training: bool | None = None) -> Tensor:
        gate = ops.sigmoid(ops.matmul(inputs, self.kernel))
        return gate * ops.cast(call_with_mask(self.layer, inputs, mask), self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return self.layer.compute_output_shape(input_shape)

    def flops_per_example(self, input_shape: tuple[int | None, ...]) -> int | None:
        """Counts the multiplications and additions of the matmuls for one example `[B, ..., D]`.

        The first axis does not matter. Returns `None` if those of the layer are not known.
        """
        flops = layer_flops(self.layer, input_shape)
        return None if flops is None else flops + matrix_flops(self.kernel, input_shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
