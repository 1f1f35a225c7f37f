"""CrossMixture: a cross layer of DCN-V2 whose matrix is a mixture of experts."""

import keras

from sparse_keras.layers.mixtures.arguments import refuse_token_ids
from sparse_keras.layers.mixtures.mixture_of_experts import MixtureOfExperts


@keras.saving.register_keras_serializable(package="sparse_keras")
class CrossMixture(keras.layers.Layer):
    """Crosses the features of a stack's first input with what experts make of its last output.

        y = x0 * (sum over the experts e chosen for x of weight_e * expert_e(x) + bias) + x

    Each layer raises the degree of the products of features by one. With `LowRankExperts` and the
    router `"dense"`, this is DCN-V2's cross layer with a mixture of low-rank experts; with a sparse
    router, only the chosen experts are computed.

    Args:
        experts: A bank whose output has the width of its input, such as `LowRankExperts(4, 16)`, or
            a dict with its registered name under `"type"` and its arguments.
        router: Who goes where: a router, its name, or a dict with that under `"type"`.
        capacity_factor: Limit on each expert's load in training; see `MixtureOfExperts`.
        eval_capacity_factor: The same outside training.

    Call arguments:
        inputs: `[..., D]`, the output of the layer before.
        x0: `[..., D]`, the input of the first layer. `None` where `inputs` is that.
        mask: Optional bool, the leading axes of `inputs`, False for padding.
        training: Whether the call is part of training.

    Output shape:
        That of `inputs`. A mask is passed on.

    Raises:
        ValueError: If the experts' output has another width than their input.

    Example:

    >>> experts = {"type": "low_rank", "num_experts": 4, "rank": 8}
    >>> x0 = np.ones((5, 20), "float32")
    >>> x = sparse_keras.layers.CrossMixture(experts)(x0)
    >>> sparse_keras.layers.CrossMixture(experts)(x, x0=x0).shape
    TensorShape([5, 20])

    Reference:
        [DCN V2](https://arxiv.org/abs/2008.13535), section 3.3.
    """

    def __init__(
        self,
        experts,
        router="dense",
        capacity_factor=None,
        eval_capacity_factor=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.mixture = MixtureOfExperts(
            experts,
            router=router,
            capacity_factor=capacity_factor,
            eval_capacity_factor=eval_capacity_factor,
            name="mixture",
            dtype=self.dtype_policy,
        )
        refuse_token_ids(self, self.mixture.router)
        self.experts = self.mixture.experts
        self.router = self.mixture.router
        self.capacity_factor = capacity_factor
        self.eval_capacity_factor = eval_capacity_factor
        self.supports_masking = True

    def build(self, inputs_shape, x0_shape=None):
        self.mixture.build(inputs_shape)
        width = inputs_shape[-1]
        found = self.mixture.compute_output_shape(inputs_shape)[-1]
        if found != width:
            raise ValueError(
                "A cross layer multiplies its input by what its experts return, so both need the "
                f"same width. Received: input width {width}, output width {found}."
            )
        self.bias = self.add_weight(name="bias", shape=(width,), initializer="zeros")
        self.built = True

    def call(self, inputs, x0=None, mask=None, training=None):
        x0 = inputs if x0 is None else x0
        mixed = self.mixture(inputs, mask=mask, training=training)
        return x0 * (mixed + self.bias) + inputs

    def compute_output_shape(self, inputs_shape, x0_shape=None):
        return inputs_shape

    def flops_per_token(self, input_dim):
        """Multiplications and additions of the matmuls that one token meets."""
        return self.mixture.flops_per_token(input_dim)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "experts": serialize(self.experts),
            "router": serialize(self.router),
            "capacity_factor": self.capacity_factor,
            "eval_capacity_factor": self.eval_capacity_factor,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in ("experts", "router"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return super().from_config(config)
