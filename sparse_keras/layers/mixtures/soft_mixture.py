"""SoftMixtureOfExperts: experts compute weighted means of the tokens of a sequence."""

import math
from typing import Any

import keras
from keras import ops

from sparse_keras.layers.experts.base import check_takes_tokens
from sparse_keras.layers.mixtures.mixture import OneGateMixture
from sparse_keras.layers.mixtures.resolve import resolve_bank
from sparse_keras.layers.mixtures.routing_hooks import apply_hooks
from sparse_keras.layers.mixtures.slot_router import SlotRouter, tokens_of_each
from sparse_keras.layers.mixtures.tokens import (
    as_tokens,
    check_input_shape,
    token_mask_of,
)
from sparse_keras.layers.validation import boolean, positive_int


@keras.saving.register_keras_serializable(package="sparse_keras")
class SoftMixtureOfExperts(OneGateMixture):
    """Gives each expert a few slots, each a weighted mean of all tokens of a sequence.

        logits = normalize(x) @ (scale * normalize(phi))      [T, S],  S = E * slots_per_expert
        slots = softmax(logits over tokens).T @ x             [S, D]
        y = softmax(logits over slots) @ experts(slots)       [T, B]

    No token is assigned to an expert, so nothing is dropped, and every weight gets a gradient. The
    experts compute S rows for each sequence, however long it is: with S equal to the number of
    tokens, they cost as much as one expert for each token. Routing and mixing add about
    `6 * T * S * D` operations, which is little if S is small.

    **It cannot be used in causal models**: each slot is a mean of all tokens, later ones included.
    The layer warns if it is called after a causal layer of a functional model, and
    `callbacks.ExpertLoad` warns at the start of `fit`. Causal attention inside the `call` of a
    layer is not recognized.

    Args:
        experts: An expert bank, such as `MLPExperts(num_experts=8,
            hidden_dim=256)`, or a Keras layer as the template of every expert, one that works on
            single tokens: a `Dense`, or a Sequential of some.
        num_experts: E. Required with a template. A bank already has it.
        slots_per_expert: Slots of each expert, for each example.
        normalize: Whether to scale tokens and the columns of phi to length 1, and the product by a
            learned scale. Without it, the softmaxes of wide layers almost select a single token.
        kernel_initializer: Initializer of phi, `[D, S]`.
        kernel_regularizer: Regularizer of phi.

    Call arguments:
        inputs: Tensor `[batch, ..., D]` of rank 3 or 4. All axes between the first and the last
            are the tokens of an example.
        mask: Optional bool tensor with the leading axes of `inputs` (or the first of them). Tokens
            where it is False are padding: they are in no slot, count in no statistic, and get
            zeros.
        training: Whether the call is part of training. Statistics are updated only then.
        return_routing: Whether to return the routing as well.

    Output shape:
        The shape of `inputs`, except that the last axis is the output width of the experts. With
        `return_routing=True`, a pair of it and a routing, in which every expert is open for each
        token, with the summed weight of the expert's slots. Two more keys, `"dispatch"` and
        `"combine"`, are the two softmaxes, float32 `[batch, T, S]`; slot s belongs to expert
        `s // slots_per_expert`.

    In statistics, an expert's load is the weight that tokens give to its slots, 1 for each token
    over all experts.

    Raises:
        ValueError: If inputs have rank 2: slots would be means over the batch, so that the output
            of a row would depend on the other rows.

    Example:

    >>> layer = sparse_keras.layers.SoftMixtureOfExperts(
    ...     sparse_keras.layers.MLPExperts(num_experts=8, hidden_dim=256), slots_per_expert=2
    ... )
    >>> layer(np.ones((4, 10, 64), "float32")).shape
    TensorShape([4, 10, 64])

    Reference:
        [From Sparse to Soft Mixtures of Experts](https://arxiv.org/abs/2308.00951), section 2.
    """

    def __init__(
        self,
        experts: Any,
        num_experts: int | None = None,
        slots_per_expert: int = 1,
        normalize: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        bank = resolve_bank(experts, num_experts, kwargs.get("dtype"))
        self.experts = check_takes_tokens(self, bank)
        self.num_experts = self.experts.num_experts
        self.slots_per_expert = positive_int("slots_per_expert", slots_per_expert)
        self.normalize = boolean("normalize", normalize)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.router = SlotRouter(
            slots_per_expert,
            normalize,
            num_experts=self.num_experts,
            kernel_initializer=self.kernel_initializer,
            kernel_regularizer=self.kernel_regularizer,
            name="router",
        )
        self.supports_masking = True
        self.own(self.experts)

    @property
    def num_slots(self) -> int:
        """S, the number of slots of all experts."""
        return self.num_experts * self.slots_per_expert

    def build(self, input_shape: Any) -> None:
        check_input_shape(self, input_shape)
        for part in (self.router, self.experts):
            if not part.built:
                part.build((None, input_shape[-1]))
        self.input_spec = keras.layers.InputSpec(min_ndim=3, max_ndim=4, axes={-1: input_shape[-1]})
        self.add_statistics()
        self.built = True

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool | None = None,
        return_routing: bool = False,
    ) -> Any:
        leading, width = ops.shape(inputs)[:-1], inputs.shape[-1]
        token_mask = None if mask is None else token_mask_of(mask, inputs)
        tokens = as_tokens(self, inputs, token_mask)
        routing = self.router(tokens, mask=token_mask, examples=leading[0])
        if apply_hooks(self, "router", routing, token_mask, training) is not routing:
            raise ValueError(
                f"{self.name!r} sends no token to an expert, so its routing cannot be replaced. "
                "Replace routings of other mixtures only."
            )
        sequences = ops.reshape(tokens, (leading[0], tokens_of_each(leading[0]), width))
        to_slots = ops.cast(routing["dispatch"], sequences.dtype)
        slots = ops.matmul(ops.transpose(to_slots, (0, 2, 1)), sequences)  # [batch, S, D]

        # Rows sorted by expert, of which each has slots in every example.
        grouped = (leading[0], self.num_experts, self.slots_per_expert)
        rows = ops.transpose(ops.reshape(slots, (*grouped, width)), (1, 0, 2, 3))
        sizes = ops.cast(leading[0] * self.slots_per_expert, "int32")
        sizes = ops.broadcast_to(sizes, (self.num_experts,))
        rows = self.experts(ops.reshape(rows, (-1, width)), sizes, training=training)
        width = rows.shape[-1]
        rows = ops.reshape(rows, (grouped[1], grouped[0], grouped[2], width))
        slots = ops.reshape(ops.transpose(rows, (1, 0, 2, 3)), (leading[0], self.num_slots, width))

        outputs = ops.matmul(ops.cast(routing["combine"], slots.dtype), slots)
        outputs = ops.cast(ops.reshape(outputs, (*leading, width)), self.compute_dtype)
        if training:
            load = ops.sum(routing["weight"], axis=0)
            self.record("router", routing, load, ops.sum(load), token_mask, leading[0])
        return (outputs, routing) if return_routing else outputs

    def gate_weights(self, inputs: Any, mask: Any = None) -> dict[str, Any]:
        """Returns the weight that tokens give to the slots of each expert.

        Args:
            inputs: As for a call.
            mask: As for a call.

        Returns:
            `{"router": float32 [N, E]}`, the N tokens in the order of the flattened input.
        """
        inputs = ops.convert_to_tensor(inputs)
        if not self.built:
            self.build(tuple(inputs.shape))
        token_mask = None if mask is None else token_mask_of(mask, inputs)
        tokens = as_tokens(self, inputs, token_mask)
        routing = self.router(tokens, mask=token_mask, examples=ops.shape(inputs)[0])
        return {"router": routing["weight"]}

    def flops_per_token(self, input_dim: Any) -> int | None:
        """Counts the multiplications and additions for one token, without the experts.

        The experts compute the same number of slots for a short sequence as for a long one; see
        `flops_per_example`.
        """
        width = self.experts.output_width(input_dim)
        return 2 * self.num_slots * (2 * input_dim + width)

    def flops_per_example(self, input_shape: tuple[int | None, ...]) -> int | None:
        """Counts the multiplications and additions of the matmuls for one example `[B, ..., D]`.

        The first axis does not matter. Returns `None` if those of a template are not known.
        """
        *positions, input_dim = input_shape[1:]
        expert = self.experts.flops_per_row(input_dim)
        if None in (expert, *positions):
            return None
        return math.prod(positions) * self.flops_per_token(input_dim) + self.num_slots * expert

    def total_params(self) -> int:
        """Counts the weights, without the statistics of the routing."""
        return self.router.count_params() + self.experts.count_params()

    def active_params(self) -> int:
        """Counts the weights that one token uses: all."""
        return self.total_params()

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], self.experts.output_width(input_shape[-1]))

    def compute_output_spec(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool | None = None,
        return_routing: bool = False,
    ) -> Any:
        outputs = keras.KerasTensor(
            self.compute_output_shape(inputs.shape), dtype=self.compute_dtype
        )
        if not return_routing:
            return outputs
        leading = inputs.shape[:-1]
        tokens = None if None in leading else math.prod(leading)
        routing = self.router.compute_output_spec(
            keras.KerasTensor((tokens, inputs.shape[-1])), examples=leading[0]
        )
        if None not in leading[1:]:
            for key in ("dispatch", "combine"):
                shape = (leading[0], math.prod(leading[1:]), self.num_slots)
                routing[key] = keras.KerasTensor(shape, dtype="float32")
        return outputs, routing

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "experts": keras.saving.serialize_keras_object(self.experts),
            "num_experts": self.num_experts,
            "slots_per_expert": self.slots_per_expert,
            "normalize": self.normalize,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "SoftMixtureOfExperts":
        experts = keras.saving.deserialize_keras_object(config["experts"])
        return super().from_config({**config, "experts": experts})
