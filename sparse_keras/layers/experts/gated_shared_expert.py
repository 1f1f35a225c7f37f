"""GatedSharedExpert: a shared expert of which each token takes as much as a gate lets through."""

import keras
from keras import ops

from sparse_keras.layers.mixtures.arguments import call_masked


@keras.saving.register_keras_serializable(package="sparse_keras")
class GatedSharedExpert(keras.layers.Wrapper):
    """Multiplies what a layer returns by a gate: one number for each token.

        y = sigmoid(x @ kernel) * layer(x)

    As the `shared_expert` of a `MixtureOfExperts` it lets each token decide how much of what all
    tokens share it takes.

    Args:
        layer: The Keras layer behind the gate. It keeps the leading axes of its input.
        kernel_initializer: Initializer of the gate's `[D, 1]` matrix. The gate has no bias.
        kernel_regularizer: Regularizer of the matrix.

    Call arguments:
        inputs: `[..., D]`.
        mask: Optional bool mask, which the layer gets if it takes one.
        training: Whether the call is part of training; the same.

    Output shape:
        That of `layer`. A mask is passed on.

    Raises:
        ValueError: If `layer` is no Keras layer, or does not keep the leading axes.

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
        transformers](https://github.com/huggingface/transformers), which a test equals.
    """

    def __init__(
        self, layer, kernel_initializer="glorot_uniform", kernel_regularizer=None, **kwargs
    ):
        if not isinstance(layer, keras.layers.Layer):
            raise ValueError(f"`layer` must be a Keras layer. Received: {layer!r}.")
        super().__init__(layer, **kwargs)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.supports_masking = True

    def build(self, input_shape):
        super().build(input_shape)
        found = tuple(self.layer.compute_output_shape(input_shape))
        if found[:-1] != tuple(input_shape[:-1]):
            raise ValueError(
                "A gate of each token needs a layer that returns something for each token. "
                f"Received: input shape {tuple(input_shape)}, output shape {found} of "
                f"{self.layer.name!r}."
            )
        self.kernel = self.add_weight(
            name="gate_kernel",
            shape=(input_shape[-1], 1),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )

    def call(self, inputs, mask=None, training=None):
        gate = ops.sigmoid(ops.matmul(inputs, self.kernel))
        return gate * ops.cast(call_masked(self.layer, inputs, mask), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
