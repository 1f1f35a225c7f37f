"""CrossMixture: a cross layer of DCN-V2 whose matrix is a mixture of experts."""

from typing import Any

import keras

from sparse_keras.layers.mixtures.mixture_of_experts import MixtureOfExperts
from sparse_keras.layers.mixtures.resolve import refuse_token_ids


@keras.saving.register_keras_serializable(package="sparse_keras")
class CrossMixture(keras.layers.Layer):
    """Crosses the first input of a stack of layers with a mixture of experts of its last output.

        y = x0 * (sum over the experts e chosen for x of weight_e * expert_e(x) + bias) + x

    Each layer raises the degree of the products of features by one. With `LowRankExperts` and the
    router `"dense"`, this is DCN-V2's cross layer with a mixture of low-rank experts; with a sparse
    router, only the chosen experts are computed.

    Args:
        experts: A bank whose output has the width of its input, such as `LowRankExperts(4, 16)`, or
            a dict with its registered name under `"type"` and its arguments.
        router: A router, its name, or a dict with that name under `"type"`.
        capacity_factor: Limit on each expert's load in training; see `MixtureOfExperts`.
        eval_capacity_factor: The same outside training.

    Call arguments:
        inputs: `[..., D]`, the output of the layer before.
        x0: `[..., D]`, the input of the first layer. `None` if that is `inputs`.
        mask: Optional bool, the leading axes of `inputs`, False for padding.
        training: Whether the call is part of training.

    Output shape:
        That of `inputs`. A mask is passed on.

    Raises:
        ValueError: If the output width of the experts is not their input width.

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
        experts: Any,
        router: Any = "dense",
        capacity_factor: float | None = None,
        eval_capacity_factor: float | None = None,
        **kwargs: Any,
    ) -> None:
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

    def build(self, inputs_shape: Any, x0_shape: Any = None) -> None:
        self.mixture.build(inputs_shape)
        width = inputs_shape[-1]
        output_width = self.mixture.compute_output_shape(inputs_shape)[-1]
        if output_width != width:
            raise ValueError(
                "A cross layer multiplies its input by the output of its experts, so both need the "
                f"same width. Received: input width {width}, output width {output_width}."
            )
        self.bias = self.add_weight(name="bias", shape=(width,), initializer="zeros")
        self.built = True

    def call(
        self, inputs: Any, x0: Any = None, mask: Any = None, training: bool | None = None
    ) -> Any:
        x0 = inputs if x0 is None else x0
        mixed = self.mixture(inputs, mask=mask, training=training)
        return x0 * (mixed + self.bias) + inputs

    def compute_output_shape(self, inputs_shape: Any, x0_shape: Any = None) -> Any:
        return inputs_shape

    def flops_per_token(self, input_dim: Any) -> int | None:
        """Counts the multiplications and additions of the matmuls for one token."""
        return self.mixture.flops_per_token(input_dim)

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "experts": serialize(self.experts),
            "router": serialize(self.router),
            "capacity_factor": self.capacity_factor,
            "eval_capacity_factor": self.eval_capacity_factor,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "CrossMixture":
        config = dict(config)
        for name in ("experts", "router"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return super().from_config(config)
