"""SoftMixtureOfExperts: experts compute mixtures of a sequence's tokens, and nothing is chosen."""

import math

import keras
from keras import ops

from sparse_keras.layers.mixtures.arguments import bank_of, claim, token_bank_of
from sparse_keras.layers.mixtures.mixture import (
    OneGateMixture,
    as_tokens,
    check_input_shape,
    token_mask_of,
)
from sparse_keras.layers.mixtures.routing_hooks import shown
from sparse_keras.layers.routers.base import Router
from sparse_keras.layers.routers.routing import closed_to_padding, every_slot
from sparse_keras.layers.validation import positive_int


@keras.saving.register_keras_serializable(package="sparse_keras")
class SoftMixtureOfExperts(OneGateMixture):
    """Gives each expert a few slots, each a weighted mean of all tokens of a sequence.

        logits = normalize(x) @ (scale * normalize(phi))      [T, S],  S = E * slots_per_expert
        slots = softmax(logits over tokens).T @ x             [S, D]
        y = softmax(logits over slots) @ experts(slots)       [T, B]

    There is no choice, so that nothing is dropped and every weight gets a gradient. The experts
    compute S rows for each sequence, however long it is: S equal to the number of tokens costs what
    one expert for each token costs. The rest costs `6 * T * S * D` or so, little where S is small.

    **It cannot be used in causal models**: each slot is a mean of all tokens, later ones included.
    A layer that is called behind a causal layer of a functional model warns of that, and so does
    `callbacks.ExpertLoad` at the start of `fit`; causal attention hidden inside a layer's `call` is
    not found.

    Args:
        experts: What is computed: an expert bank, such as `MLPExperts(num_experts=8,
            hidden_dim=256)`, or a Keras layer as the template of every expert, one that works on
            single tokens: a `Dense`, or a Sequential of some.
        num_experts: E. Needed with a template; a bank knows its own.
        slots_per_expert: Slots of each expert, for each example.
        normalize: Whether tokens and the columns of phi have length 1, and a learned scale: without
            it, the softmaxes of wide layers come near to a choice of one token.
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
        The shape of `inputs` with the experts' width as last axis. With `return_routing=True` the
        pair of it and a dict like a router's, in which each token is open to every expert, with
        the summed weight of the expert's slots. Two more keys, `"dispatch"` and `"combine"`, are
        both softmaxes, float32 `[batch, T, S]`; slot s belongs to expert `s // slots_per_expert`.

    In statistics, an expert's load is the weight that tokens give to its slots, 1 for each token
    over all experts.

    Raises:
        ValueError: If inputs are of rank 2: slots would be means over a batch, and what a row gets
            would depend on the rows beside it.

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
        experts,
        num_experts=None,
        slots_per_expert=1,
        normalize=True,
        kernel_initializer="glorot_uniform",
        kernel_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        bank = bank_of(experts, num_experts, kwargs.get("dtype"))
        self.experts = token_bank_of(self, bank)
        self.num_experts = self.experts.num_experts
        self.slots_per_expert = positive_int("slots_per_expert", slots_per_expert)
        self.normalize = normalize
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.router = _SlotRouter(
            slots_per_expert,
            normalize,
            num_experts=self.num_experts,
            kernel_initializer=self.kernel_initializer,
            kernel_regularizer=self.kernel_regularizer,
            name="router",
        )
        self.supports_masking = True
        claim(self.experts)

    @property
    def num_slots(self):
        """S, the slots of all experts."""
        return self.num_experts * self.slots_per_expert

    def build(self, input_shape):
        check_input_shape(self, input_shape)
        for part in (self.router, self.experts):
            if not part.built:
                part.build((None, input_shape[-1]))
        self.input_spec = keras.layers.InputSpec(min_ndim=3, max_ndim=4, axes={-1: input_shape[-1]})
        self.add_statistics()
        self.built = True

    def call(self, inputs, mask=None, training=None, return_routing=False):
        leading, width = ops.shape(inputs)[:-1], inputs.shape[-1]
        token_mask = None if mask is None else token_mask_of(mask, inputs)
        tokens = as_tokens(self, inputs, token_mask)
        routing = self.router(tokens, mask=token_mask, examples=leading[0])
        if shown(self, "router", routing, token_mask, training) is not routing:
            raise ValueError(
                f"{self.name!r} sends no token to an expert, so that no other routing can be used "
                "in it. Replace routings in mixtures with a router only."
            )
        sequences = ops.reshape(tokens, (leading[0], -1, width))
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

    def gate_weights(self, inputs, mask=None):
        """The weight that tokens give to the slots of each expert.

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

    def flops_per_token(self, input_dim):
        """Multiplications and additions for one token, without the experts: those compute slots,
        as many for a short sequence as for a long one."""
        width = self.experts.output_width(input_dim)
        return 2 * self.num_slots * (2 * input_dim + width)

    def flops_per_example(self, input_shape):
        """Multiplications and additions of the matmuls for one example `[B, ..., D]`; the first
        axis does not matter. `None` where those of a template are not known."""
        *positions, input_dim = input_shape[1:]
        expert = self.experts.flops_per_row(input_dim)
        if None in (expert, *positions):
            return None
        return math.prod(positions) * self.flops_per_token(input_dim) + self.num_slots * expert

    def total_params(self):
        """The number of weights, without what is remembered of the routing."""
        return self.router.count_params() + self.experts.count_params()

    def active_params(self):
        """The number of weights that one token meets: all."""
        return self.total_params()

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.experts.output_width(input_shape[-1]))

    def compute_output_spec(self, inputs, mask=None, training=None, return_routing=False):
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

    def get_config(self):
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
    def from_config(cls, config):
        experts = keras.saving.deserialize_keras_object(config["experts"])
        return super().from_config({**config, "experts": experts})


class _SlotRouter(Router):
    """How much of each token is in each slot, and how much of each slot a token gets back."""

    slots_are_experts = True
    sees_other_tokens = True
    takes_balance_loss = False

    def __init__(self, slots_per_expert, normalize, **kwargs):
        super().__init__(**kwargs)
        self.slots_per_expert = slots_per_expert
        self.normalize = normalize

    @property
    def experts_per_token(self):
        return self.num_experts

    def check_input_shape(self, input_shape):
        if len(input_shape) == 2:
            raise ValueError(
                "SoftMixtureOfExperts mixes the tokens of each example: it expects inputs of rank "
                "3 or 4, [batch, ..., D]. With rank 2 it would mix the rows of a batch, so that "
                "what a row gets depends on the rows beside it; use MixtureOfExperts there. "
                f"Received: input_shape={tuple(input_shape)}."
            )

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="router_kernel",
            shape=(input_shape[-1], self.num_experts * self.slots_per_expert),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        if self.normalize:
            self.scale = self.add_weight(name="router_scale", shape=(), initializer="ones")
        self.built = True

    def call(self, inputs, mask=None, training=None, examples=1):
        phi = ops.convert_to_tensor(self.kernel)
        if self.normalize:
            inputs, phi = _of_length_1(inputs, 1), self.scale * _of_length_1(phi, 0)
        logits = ops.reshape(ops.matmul(inputs, phi), (examples, -1, phi.shape[-1]))
        combine = ops.softmax(logits, axis=-1)
        if mask is not None:
            # Not `[..., None]`: LiteRT cannot add an axis so where two have no static size.
            kept = ops.expand_dims(ops.reshape(mask, (examples, -1)), -1)
            # Far below any logit, and finite: an example of padding alone has no maximum.
            logits = ops.where(kept, logits, -1e30)
            combine = ops.where(kept, combine, 0.0)
        dispatch = ops.softmax(logits, axis=1)
        if mask is not None:
            dispatch = ops.where(kept, dispatch, 0.0)

        shape = (-1, self.num_experts, self.slots_per_expert)
        weight = ops.sum(ops.reshape(combine, shape), axis=-1)
        routing = {
            **every_slot(weight),
            "scores": weight,
            "logits": ops.log(ops.maximum(weight, 1e-20)),
            "dispatch": dispatch,
            "combine": combine,
        }
        return closed_to_padding(routing, mask)

    def compute_output_spec(self, inputs, mask=None, training=None, examples=None):
        spec = super().compute_output_spec(inputs, mask, training)
        slots = self.num_experts * self.slots_per_expert
        for key in ("dispatch", "combine"):
            spec[key] = keras.KerasTensor((examples, None, slots), dtype="float32")
        return spec


def _of_length_1(values, axis):
    """Values divided by their Euclidean norm; zeros, as padding is, stay zeros."""
    squares = ops.sum(values * values, axis=axis, keepdims=True)
    return values * ops.rsqrt(ops.maximum(squares, 1e-12))
