"""MixtureOfExperts: a router, a bank of experts, and the dispatch of tokens between them."""

import math
from typing import Any

import keras
from keras import ops

from sparse_keras._internal import keras_private
from sparse_keras.layers.flops import layer_flops
from sparse_keras.layers.masks import call_with_mask
from sparse_keras.layers.mixtures.mixture import OneGateMixture
from sparse_keras.layers.mixtures.resolve import resolve_bank, resolve_router
from sparse_keras.layers.mixtures.routing_hooks import apply_hooks
from sparse_keras.layers.mixtures.tokens import (
    as_examples,
    as_tokens,
    by_expert,
    check_input_shape,
    token_mask_of,
)
from sparse_keras.layers.routers.scores import largest
from sparse_keras.layers.validation import one_of, optional_number
from sparse_keras.ops import expert_capacity, order_by_priority, order_by_score
from sparse_keras.ops.csr import is_csr

# Choices of a token of which few are open, as a rule, if any may be closed.
_MANY_SLOTS = 5
DROP_ORDERS = ("position", "batch_priority", "score")


@keras.saving.register_keras_serializable(package="sparse_keras")
class MixtureOfExperts(OneGateMixture):
    """Sends each token to a few of many experts, and adds up their weighted outputs.

        y = sum over the experts e chosen for x of weight_e * expert_e(x)    [+ shared_expert(x)]

    Only the chosen experts are computed: the cost grows with K, not with E. By default no
    assignment is ever dropped, and one token's output does not depend on the others.

    Args:
        experts: An expert bank such as `MLPExperts(num_experts=8, hidden_dim=256)`, which computes
            in its own dtype policy, or a Keras layer as the template of every expert. A
            `keras.layers.Dense` becomes `DenseExperts`, any other layer `LayerExperts`.
        num_experts: E. Required with a template. A bank already has it.
        k: K, experts per token, for a router that has a `k`. Defaults to 2.
        router: A router, or the name of one: `"top_k"` (the default),
            `"threshold"`, `"relu"`, ..., or of a family of models, such as `"deepseek_v3"` (see
            `TopKRouter`).
        shared_expert: Optional Keras layer that computes every token; its output is added. It gets
            zeros for padding, and the mask if it takes one. See also `GatedSharedExpert`.
        capacity_factor: `None` for no limit, or the limit in training: an expert takes at most
            `ceil(capacity_factor * N * K / E)` assignments, N * K being the open assignments of
            all tokens that are not padding. A dropped assignment contributes nothing.
        eval_capacity_factor: The same outside training. `None`, the default, drops nothing there.
        drop_order: Which assignments an expert drops beyond its capacity. `"position"`: later
            choices before first choices, then later tokens before earlier ones.
            `"batch_priority"`: later choices before first choices, then tokens whose best score is
            low before others, as in V-MoE. `"score"`: those of the lowest scores, whatever choice
            they are. Scores are the router's, before weights are normalized.

    Call arguments:
        inputs: Tensor `[..., D]` of rank 2, 3 or 4. All axes but the last are tokens. Experts that
            need whole examples, such as convolutions, get examples `[B, ..., D]` of rank 2 to 5
            instead; their router gets the mean over the positions of an example, without padding.
        mask: Optional bool tensor with the leading axes of `inputs` (or the first of them). Tokens
            where it is False are padding: they reach no expert, count in no loss, statistic or
            capacity, and get zeros from the routed experts. Experts of whole examples get zeros
            there, and the mask if they take one.
        training: Whether the call is part of training. Auxiliary losses are added and statistics
            updated only then.
        return_routing: Whether to return the routing as well.
        token_ids: The id of each token, int with the leading axes of `inputs`, for a router that
            needs them: `HashRouter`.

    Output shape:
        The shape of `inputs`, except that the last axis is the output width of the experts. Experts
        of whole examples determine the other axes, too, and N is the number of examples. With
        `return_routing=True`, a pair of it and a dict whose first axis is the N tokens in the order
        of the flattened input: `"expert_index"`
        int32 `[N, K]`, `"weight"` float32 `[N, K]` (0 where closed or padding), `"is_open"` bool
        `[N, K]` (False where closed, padding or dropped), `"scores"` and `"logits"` float32
        `[N, E]`.

    Raises:
        ValueError: If `experts` is neither a bank nor a template, if numbers of experts differ, if
            k exceeds E, or if the input is sparse or has another rank.

    Example:

    >>> layer = sparse_keras.layers.MixtureOfExperts(
    ...     keras.layers.Dense(64, activation="relu"), num_experts=16, k=2
    ... )
    >>> layer(np.ones((32, 100), "float32")).shape
    TensorShape([32, 64])

    With a bank, a router of its own and a shared expert:

    >>> layer = sparse_keras.layers.MixtureOfExperts(
    ...     sparse_keras.layers.MLPExperts(num_experts=8, hidden_dim=256),
    ...     router=sparse_keras.layers.TopKRouter(k=2, balance_loss=0.01),
    ...     shared_expert=keras.layers.Dense(64),
    ... )
    >>> layer(np.ones((4, 10, 64), "float32")).shape
    TensorShape([4, 10, 64])

    Reference:
        [Outrageously Large Neural Networks](https://arxiv.org/abs/1701.06538);
        [V-MoE](https://arxiv.org/abs/2106.05974), section 4, for `"batch_priority"`.
    """

    def __init__(
        self,
        experts: Any,
        num_experts: int | None = None,
        k: int | None = None,
        router: Any = None,
        shared_expert: keras.layers.Layer | None = None,
        capacity_factor: float | None = None,
        eval_capacity_factor: float | None = None,
        drop_order: str = "position",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.router = resolve_router(router, k)
        self.experts = resolve_bank(experts, num_experts, kwargs.get("dtype"))
        self.num_experts = self.experts.num_experts
        self.router.set_num_experts(self.num_experts)
        self.k = getattr(self.router, "k", None)
        if shared_expert is not None and not isinstance(shared_expert, keras.layers.Layer):
            raise ValueError(f"`shared_expert` must be a Keras layer. Received: {shared_expert!r}.")
        self.shared_expert = shared_expert
        self.capacity_factor = optional_number("capacity_factor", capacity_factor, "(0, inf)")
        self.eval_capacity_factor = optional_number(
            "eval_capacity_factor", eval_capacity_factor, "(0, inf)"
        )
        self.drop_order = self._checked_drop_order(drop_order)
        self.supports_masking = True
        self.own(*self.exclusive_sublayers())

    def exclusive_sublayers(self) -> tuple[keras.layers.Layer | None, ...]:
        """The sublayers that no other layer may have."""
        return self.router, self.experts, self.shared_expert

    def build(self, input_shape: Any) -> None:
        ranks = (2, 3, 4, 5) if self._by_example else (2, 3, 4)
        check_input_shape(self, input_shape, ranks)
        if not self.router.built:
            self.router.build((None, input_shape[-1]))
        self.build_experts(input_shape)
        if self.shared_expert is not None:
            shared_shape = tuple(self.shared_expert.compute_output_shape(input_shape))
            shape = self.compute_output_shape(input_shape)
            if shared_shape[1:] != shape[1:]:
                raise ValueError(
                    f"`shared_expert` must have the experts' output shape, {shape}. Received: "
                    f"output shape {shared_shape}."
                )
        self.input_spec = keras.layers.InputSpec(
            min_ndim=2, max_ndim=ranks[-1], axes={-1: input_shape[-1]}
        )
        self.add_statistics()
        self.built = True

    def build_experts(self, input_shape: Any) -> None:
        """Builds the experts and the shared expert."""
        if not self.experts.built:
            rows = input_shape[1:] if self._by_example else input_shape[-1:]
            self.experts.build((None, *rows))
        if self.shared_expert is not None and not self.shared_expert.built:
            self.shared_expert.build(input_shape)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if is_csr(inputs):
            raise ValueError(
                "MixtureOfExperts takes dense inputs: its experts multiply whole rows. Received: "
                f"a sparse {type(inputs).__name__} of shape {tuple(inputs.shape)}. Put "
                "layers.SparseProjection(units) before it, which takes sparse ones."
            )
        return super().__call__(inputs, *args, **kwargs)

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool | None = None,
        return_routing: bool = False,
        token_ids: Any = None,
    ) -> Any:
        if mask is None and token_ids is not None:
            # Keras fills in the mask only if there is one input.
            mask = keras_private.mask_of(inputs)
        token_mask = None if mask is None else token_mask_of(mask, inputs)
        tokens = as_tokens(self, inputs, token_mask)

        routed, routed_mask = self._routed(tokens, token_mask, inputs)
        own = self._route(routed, routed_mask, inputs, training, token_ids)
        routing = apply_hooks(self, "router", own, routed_mask, training)
        most_open = self.router.most_open(ops.shape(self._seen(routed, inputs)), training)
        capacity = self._capacity(routing["is_open"], training)
        plan = self.dispatcher.plan(
            routing["expert_index"],
            None if self.router.always_open and mask is None else routing["is_open"],
            self.num_experts,
            capacity=capacity,
            order=None if capacity is None else self._order(routing),
            few_open=not self.router.always_open and self.router.slots >= _MANY_SLOTS,
            # A bound of the router does not hold for a routing that a hook put in its place.
            most_open=most_open if routing is own else None,
        )
        if self._by_example:
            outputs = self._of_examples(tokens, token_mask, inputs, plan, routing, training)
        else:
            rows = self.dispatcher.compute(self.experts, tokens, plan, training=training)
            outputs = self.dispatcher.combine(rows, plan, routing["weight"])
            outputs = ops.reshape(outputs, (*ops.shape(inputs)[:-1], outputs.shape[-1]))
        outputs = ops.cast(outputs, self.compute_dtype)

        if self.shared_expert is not None:
            shared = call_with_mask(
                self.shared_expert, ops.reshape(tokens, ops.shape(inputs)), mask
            )
            outputs = outputs + ops.cast(shared, self.compute_dtype)
        if training:
            kept, examples = ops.sum(plan.group_sizes), ops.shape(inputs)[0]
            loss = self.record("router", routing, plan.load, kept, routed_mask, examples)
            if loss is not None:
                self.add_loss(loss)
        if return_routing:
            is_open = routing["is_open"] if plan.kept is None else ops.transpose(plan.kept)
            return outputs, {**routing, "is_open": is_open}
        return outputs

    @property
    def sees_other_tokens(self) -> bool:
        drops = not self.capacity_factor is self.eval_capacity_factor is None
        return super().sees_other_tokens or (drops and not self._only_earlier_tokens_displace)

    @property
    def predicts_alone(self) -> bool:
        return super().predicts_alone and self.eval_capacity_factor is None

    @property
    def _only_earlier_tokens_displace(self) -> bool:
        """Whether a token finds an expert full because of earlier tokens, if at all.

        A second choice gives way to the first choices of later tokens. And how many slots a router
        leaves open, if any may be closed, decides the capacity.
        """
        one_choice = self.router.always_open and self.router.slots == 1
        return self.drop_order == "position" and one_choice

    @property
    def _by_example(self):
        return self.experts.route_by == "example"

    def _routed(self, tokens, token_mask, inputs):
        """Returns the input of the router, `[N, D]`, and its mask: tokens, or means of examples."""
        if self._by_example:
            return as_examples(tokens, token_mask, ops.shape(inputs))
        return tokens, token_mask

    def _seen(self, routed, inputs):
        """Returns the input of the router, with the axes of the inputs if tokens are routed."""
        return routed if self._by_example else inputs

    def _route(self, routed, mask, inputs, training=None, token_ids=None):
        given = {}
        if token_ids is not None:
            given["token_ids"] = token_ids
            if not self.router.takes_token_ids:
                raise ValueError(
                    f"A {type(self.router).__name__} does not use `token_ids`. Leave them out."
                )
        arguments = self.router.call_arguments(self._seen(routed, inputs), **given)
        return self.router(routed, mask=mask, training=training, **arguments)

    def _of_examples(self, tokens, token_mask, inputs, plan, routing, training):
        """Returns the combined outputs of experts of whole examples."""
        examples = ops.reshape(tokens, ops.shape(inputs))
        mask = None if token_mask is None else ops.reshape(token_mask, ops.shape(inputs)[:-1])
        rows = self.dispatcher.compute(self.experts, examples, plan, mask, training)
        outputs = self.dispatcher.combine(rows, plan, routing["weight"])
        if mask is not None and self._keeps_positions(inputs.shape, outputs.shape):
            outputs = ops.where(ops.expand_dims(mask, -1), outputs, ops.zeros_like(outputs))
        return outputs

    def _keeps_positions(self, input_shape, output_shape):
        """Whether the experts return one output for each position of their input."""
        return not self._by_example or (
            self.experts.passes_mask and tuple(input_shape[:-1]) == tuple(output_shape[:-1])
        )

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        if previous_mask is None:
            return None
        output_shape = self.compute_output_shape(inputs.shape)
        return previous_mask if self._keeps_positions(inputs.shape, output_shape) else None

    def _capacity(self, is_open, training):
        factor = self.capacity_factor if training else self.eval_capacity_factor
        if factor is None:
            return None
        assignments = ops.sum(ops.cast(is_open, "int32"))
        return expert_capacity(factor, assignments, self.num_experts)

    def _order(self, routing):
        """Returns the order in which assignments fill the experts, or `None` for the tokens'."""
        index, scores = routing["expert_index"], routing["scores"]
        if self.drop_order == "score":
            return order_by_score(ops.take_along_axis(scores, index, axis=-1))
        if self.drop_order == "batch_priority":
            return order_by_priority(largest(scores), index.shape[1])
        return None

    def _checked_drop_order(self, drop_order):
        one_of("drop_order", drop_order, DROP_ORDERS)
        if drop_order != "position" and self.capacity_factor is self.eval_capacity_factor is None:
            raise ValueError(
                "`drop_order` has no effect if nothing is dropped. Pass a `capacity_factor` or "
                f"an `eval_capacity_factor`. Received: drop_order={drop_order!r}."
            )
        return drop_order

    def gate_weights(self, inputs: Any, mask: Any = None, token_ids: Any = None) -> dict[str, Any]:
        """Returns the weight that the router gives to each expert, outside training.

        Args:
            inputs: As for a call.
            mask: As for a call.
            token_ids: As for a call.

        Returns:
            `{"router": float32 [N, E]}`, the N tokens in the order of the flattened input.
        """
        inputs = ops.convert_to_tensor(inputs)
        if not self.built:
            self.build(tuple(inputs.shape))
        token_mask = None if mask is None else token_mask_of(mask, inputs)
        tokens = as_tokens(self, inputs, token_mask)
        routed = self._routed(tokens, token_mask, inputs)
        routing = self._route(*routed, inputs, token_ids=token_ids)
        return {"router": by_expert(routing, self.router)[0]}

    def flops_per_token(self, input_dim: int) -> int | None:
        """Counts the multiplications and additions of the matmuls for one token.

        They are those of the router, of `experts_per_token` experts and of the shared expert.
        Returns `None` if those of a template or of the shared expert are not known.
        """
        return self._flops((None, input_dim), self.experts.flops_per_row(input_dim))

    def flops_per_example(self, input_shape: tuple[int | None, ...]) -> int | None:
        """Counts the same for one example `[B, ..., D]`; the first axis does not matter."""
        if self._by_example:
            return self._flops(input_shape, self.experts.flops_per_example(input_shape))
        expert = self.experts.flops_per_row(input_shape[-1])
        positions = input_shape[1:-1]
        if None in positions:
            return None
        return self._flops(input_shape, expert, math.prod(positions))

    def _flops(
        self, input_shape: tuple[int | None, ...], expert: int | None, tokens: int = 1
    ) -> int | None:
        """Adds up router, experts and shared expert, from the operations of one expert."""
        shared = 0
        if self.shared_expert is not None:
            shared = layer_flops(self.shared_expert, input_shape)
        if None in (expert, shared):
            return None
        experts = round(self.router.experts_per_token * expert)
        return tokens * (self.router.flops_per_token(input_shape[-1]) + experts) + shared

    def total_params(self) -> int:
        """Counts the weights, without the statistics of the routing."""
        return self._params_beside_experts() + self.experts.count_params()

    def active_params(self) -> int:
        """Counts the weights that one token uses."""
        active = self.experts.active_params(self.router.experts_per_token)
        return self._params_beside_experts() + active

    def _params_beside_experts(self) -> int:
        shared = self.shared_expert.count_params() if self.shared_expert is not None else 0
        return self.router.matrix_params() + shared

    def compute_output_shape(self, input_shape: Any) -> Any:
        if self._by_example:
            return (input_shape[0], *self.experts.output_shape(tuple(input_shape))[1:])
        return (*input_shape[:-1], self.experts.output_width(input_shape[-1]))

    def compute_output_spec(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool | None = None,
        return_routing: bool = False,
        token_ids: Any = None,
    ) -> Any:
        outputs = keras.KerasTensor(
            self.compute_output_shape(inputs.shape), dtype=self.compute_dtype
        )
        if not return_routing:
            return outputs
        leading = inputs.shape[:1] if self._by_example else inputs.shape[:-1]
        tokens = None if None in leading else math.prod(leading)
        flat = keras.KerasTensor((tokens, inputs.shape[-1]), dtype=self.compute_dtype)
        return outputs, self.router.compute_output_spec(flat)

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "experts": serialize(self.experts),
            "num_experts": self.num_experts,
            "k": self.k,
            "router": serialize(self.router),
            "shared_expert": None if self.shared_expert is None else serialize(self.shared_expert),
            "capacity_factor": self.capacity_factor,
            "eval_capacity_factor": self.eval_capacity_factor,
            "drop_order": self.drop_order,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MixtureOfExperts":
        config = dict(config)
        for name in ("experts", "router", "shared_expert"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return super().from_config(config)
