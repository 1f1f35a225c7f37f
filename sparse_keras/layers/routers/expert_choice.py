"""ExpertChoiceRouter: every expert picks its tokens, so that the load is always balanced."""

import math
from typing import Any

import keras
from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.routers.base import Router
from sparse_keras.layers.routers.routing import Routing, closed_to_padding, every_slot
from sparse_keras.layers.validation import number, one_of, optional_number
from sparse_keras.ops import expert_capacity


@keras.saving.register_keras_serializable(package="sparse_keras")
class ExpertChoiceRouter(Router):
    """Lets each expert pick the tokens that score highest with it.

        scores = softmax(x @ kernel)                      over experts
        expert e is open for its C best tokens,           C = ceil(capacity_factor * N / E)
        weight = scores, where open

    Every expert gets C tokens, and needs no loss for that. A token gets as many experts as pick it:
    from none to E, and `capacity_factor` on average.

    **A token's output depends on the other tokens of the batch.** In prediction, `predict(x)[i]` is
    not `predict(x[i:i+1])`: a token alone is picked by every expert. There are two ways to avoid
    this. With a `threshold_decay`, an expert is open outside training to each token that reaches
    its threshold: the lowest score that it picked in training, averaged over steps. With
    `group_by="example"`, experts pick among the tokens of each example.

    **It leaks the future in causal models**, such as language models: whether a token is picked
    depends on later tokens, so that the training loss looks better than the model is. A mixture
    that follows a causal layer of a functional model warns of this, and so does
    `callbacks.ExpertLoad` at the start of `fit`. They do not see causal attention inside a layer's
    `call`.

    Args:
        capacity_factor: Experts per token, on average; at most E.
        group_by: `"batch"`: an expert picks among all tokens of a batch. `"example"`: among those
            of each example, for inputs of rank 3 or 4.
        threshold_decay: Decay of the moving average of thresholds, such as 0.99; see above. The
            first steps are averaged evenly. Before the first training step there are no thresholds,
            and the `ceil(capacity_factor)` best experts of each token are open outside training.
            With `None`, experts pick outside training as well.
        num_experts: E. `None` to take it from the layer that owns the router.
        importance_loss: Weight of the importance loss. (A balance loss would be constant.)
        jitter: Half width of multiplicative noise on the router's input in training.
        use_bias: Whether logits have a bias.
        kernel_initializer: Initializer of the `[D, E]` matrix.
        kernel_regularizer: Regularizer of the matrix.
        seed: Seed of the jitter.

    Call arguments:
        inputs: `[N, D]`.
        mask: Optional bool `[N]`, False for padding, which is never picked and not counted in N.
        training: Whether the call is part of training.
        positions: The number of tokens of each example, for `group_by="example"`. The layer that
            owns the router passes it.

    Returns:
        The routing, a dict; see `Router`. K is E, and slot e is expert e.

    Raises:
        ValueError: If a `balance_loss` is given, if `capacity_factor` exceeds E, or if
            `group_by="example"` and inputs have rank 2.

    Example:

    >>> router = sparse_keras.layers.ExpertChoiceRouter(capacity_factor=2, num_experts=4)
    >>> routing = router(np.random.normal(size=(8, 16)).astype("float32"))
    >>> np.sum(routing["is_open"], axis=0)
    array([4, 4, 4, 4])

    Reference:
        [Mixture-of-Experts with Expert Choice Routing](https://arxiv.org/abs/2202.09368), section
        3.2; [Expert Threshold Routing](https://arxiv.org/abs/2603.11535) for the thresholds, used
        outside training only here.
    """

    slots_are_experts = True
    sees_other_tokens = True
    takes_balance_loss = False

    def __init__(
        self,
        capacity_factor: float = 2.0,
        group_by: str = "batch",
        threshold_decay: float | None = None,
        num_experts: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_experts=num_experts, **kwargs)
        if self.balance_loss:
            raise ValueError(
                "With an ExpertChoiceRouter every expert gets the same number of tokens: the load "
                "is always balanced, and a balance loss is constant. Leave it out. Received: "
                f"balance_loss={self.balance_loss}."
            )
        self.capacity_factor = number("capacity_factor", capacity_factor, "(0, inf)")
        self.group_by = one_of("group_by", group_by, ("batch", "example"))
        self.threshold_decay = optional_number("threshold_decay", threshold_decay, "[0, 1)")

    @property
    def experts_per_token(self) -> float:
        return self.capacity_factor

    @property
    def predicts_alone(self) -> bool:
        return self.threshold_decay is not None

    @property
    def slots(self) -> int:
        return self.num_experts

    def check_num_experts(self) -> None:
        super().check_num_experts()
        if self.capacity_factor > self.num_experts:
            raise ValueError(
                "`capacity_factor` is the experts per token on average, so that it must be at most "
                f"the number of experts. Received: capacity_factor={self.capacity_factor}, "
                f"num_experts={self.num_experts}."
            )

    def check_input_shape(self, input_shape: tuple) -> None:
        if self.group_by == "example" and len(input_shape) == 2:
            raise ValueError(
                "group_by='example' needs inputs of rank 3 or 4: in those of rank 2 each example "
                "is one token, which every expert would pick. Use group_by='batch'. Received: "
                f"input_shape={tuple(input_shape)}."
            )

    def call_arguments(self, inputs: Tensor) -> dict[str, Any]:
        if self.group_by == "batch":
            return {}
        self.check_input_shape(inputs.shape)
        return {"positions": math.prod(ops.shape(inputs)[1:-1])}

    def most_open(self, input_shape: tuple, training: bool | None = None) -> Any:
        if self.threshold_decay is not None and not training:
            return None
        groups, tokens = input_shape[0], math.prod(input_shape[1:-1])
        if self.group_by == "batch":
            groups, tokens = 1, groups * tokens
        if isinstance(tokens, int):
            capacity = math.ceil(self.capacity_factor * tokens / self.num_experts)
        else:
            capacity = expert_capacity(self.capacity_factor, tokens, self.num_experts)
        return groups * self.num_experts * capacity

    def build(self, input_shape: tuple) -> None:
        super().build(input_shape)
        self.thresholds = None
        if self.threshold_decay is not None:
            self.thresholds = self.add_training_state("router_thresholds", (self.num_experts,))
            self.threshold_steps = self.add_training_state("router_threshold_steps")

    def call(
        self,
        inputs: Tensor,
        mask: Tensor = None,
        training: bool | None = None,
        positions: int | Tensor | None = None,
    ) -> Routing:
        logits = self.compute_logits(self.prepared(inputs, mask, training))
        if self.thresholds is not None and not training:
            routing = self._by_threshold(ops.softmax(logits, axis=-1))
        else:
            routing, lowest = self._choose(logits, mask, positions)
            if self.thresholds is not None and self.trainable:
                self._remember(lowest)
        return closed_to_padding({"logits": logits, **routing}, mask)

    def route(self, logits: Tensor) -> dict[str, Tensor]:
        return self._choose(logits, None)[0]

    def weigh(self, logits: Tensor, expert_index: Tensor, is_open: Tensor) -> Tensor:
        weight = ops.take_along_axis(ops.softmax(logits, axis=-1), expert_index, axis=-1)
        return ops.where(is_open, weight, 0.0)

    def _choose(
        self, logits: Tensor, mask: Tensor | None, positions: Any = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Returns the routing, and each expert's lowest chosen score in each group, `[G, E]`.

        A group is `positions` tokens, or all tokens if it is `None`.
        """
        scores = ops.softmax(logits, axis=-1)
        groups = (1, -1) if positions is None else (-1, positions)
        grouped = ops.reshape(scores, (*groups, self.num_experts))
        # One place more, behind every token, for experts that have no token to pick.
        nobody = -ops.ones_like(ops.sum(grouped, axis=1, keepdims=True))
        if mask is None:
            counts = ops.ones_like(nobody[..., 0]) * ops.cast(ops.shape(grouped)[1], scores.dtype)
        else:
            mask = ops.reshape(mask, groups)
            # Below every score.
            grouped = ops.where(ops.expand_dims(mask, -1), grouped, -1.0)
            counts = ops.sum(ops.cast(mask, scores.dtype), axis=1, keepdims=True)
        capacity = expert_capacity(self.capacity_factor, counts, self.num_experts)
        capacity = ops.minimum(capacity, ops.cast(counts, "int32"))[..., None]  # [G, 1, 1]

        best_first = -ops.sort(-ops.stop_gradient(grouped), axis=1)
        best_first = ops.concatenate([best_first, nobody], axis=1)
        last = ops.broadcast_to(
            ops.maximum(capacity - 1, 0), (*ops.shape(capacity)[:2], self.num_experts)
        )
        lowest = ops.take_along_axis(best_first, last, axis=1)  # [G, 1, E]
        above, equal = grouped > lowest, ops.equal(grouped, lowest)
        # Among equal scores, earlier tokens are picked first.
        left = capacity - ops.sum(ops.cast(above, "int32"), axis=1, keepdims=True)
        is_open = above | (equal & (ops.cumsum(ops.cast(equal, "int32"), axis=1) <= left))
        return self._routing(scores, ops.reshape(is_open, ops.shape(scores))), lowest[:, 0]

    def _routing(self, scores: Tensor, is_open: Tensor) -> dict[str, Tensor]:
        routing = every_slot(ops.where(is_open, scores, 0.0))
        return {**routing, "is_open": is_open, "scores": scores}

    def _remember(self, lowest: Tensor) -> None:
        """Averages the thresholds over the groups of this step that have tokens, and over steps."""
        has_tokens = lowest >= 0.0  # The lowest score of a group of padding alone is -1.
        groups = ops.sum(ops.cast(has_tokens, lowest.dtype), axis=0)
        mean = ops.sum(ops.where(has_tokens, lowest, 0.0), axis=0) / ops.maximum(groups, 1.0)
        steps = self.threshold_steps + ops.cast(groups[0] > 0, lowest.dtype)
        decay = ops.minimum(self.threshold_decay, (steps - 1.0) / ops.maximum(steps, 1.0))
        decay = ops.where(groups > 0, decay, 1.0)
        self.thresholds.assign(decay * self.thresholds + (1.0 - decay) * mean)
        # A count beyond a million changes nothing, and would not fit in float32 some day.
        self.threshold_steps.assign(ops.minimum(steps, 1e6))

    def _by_threshold(self, scores: Tensor) -> dict[str, Tensor]:
        """Returns the routing that looks at each token by itself."""
        _, best = ops.top_k(scores, math.ceil(self.capacity_factor))
        experts = ops.arange(self.num_experts, dtype=best.dtype)
        is_best = ops.any(ops.equal(best[..., None], experts), axis=1)
        is_open = scores >= ops.convert_to_tensor(self.thresholds)
        trained = ops.convert_to_tensor(self.threshold_steps) > 0
        return self._routing(scores, ops.where(trained, is_open, is_best))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "capacity_factor": self.capacity_factor,
            "group_by": self.group_by,
            "threshold_decay": self.threshold_decay,
        }
