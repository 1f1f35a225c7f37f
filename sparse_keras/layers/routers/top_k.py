"""TopKRouter: every token goes to the k experts that score highest."""

from typing import Any

import keras
from keras import ops

from sparse_keras import losses
from sparse_keras._internal import token_choice
from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.routers.balanceable import BalanceableRouter
from sparse_keras.layers.routers.refusals import refuse_conflicts
from sparse_keras.layers.routers.routing import Routing, divide_by_total
from sparse_keras.layers.routers.scores import SCORES, within_best_groups
from sparse_keras.layers.validation import (
    boolean,
    loss_weight,
    number,
    one_of,
    optional_positive_int,
    positive_int,
)

_NORMALIZE = (None, True, False, "softmax")


@keras.saving.register_keras_serializable(package="sparse_keras")
class TopKRouter(BalanceableRouter):
    """Sends each token to the `k` experts with the highest scores.

        scores = softmax(x @ kernel)
        weight = scores of the k best, divided by their sum

    For k = 1 that would be the constant 1, and no gradient would reach the router. Then the divisor
    is the sum of the two best scores: the weight lies between 1/2 and 1, and the scale of outputs
    and gradients does not depend on the number of experts.

    That is the default. Families of language models differ in every step, which has options here:

        logits    = x @ kernel [+ bias] [+ noise]
        scores    = score(logits)
        selection = scores, scores + selection_bias, or logits     [-inf outside the best groups]
        chosen    = scores of the k experts with the highest selection
        weight    = chosen, chosen / sum(chosen), or softmax(chosen)      [* scale] [* expert_scale]

    `TopKRouter.preset("deepseek_v3")` is the router of DeepSeek-V3; the presets are `mixtral`,
    `qwen2_moe`, `qwen3_moe`, `olmoe`, `deepseek_v2`, `deepseek_v3`, `gpt_oss`, `granite_moe` and
    `switch`.

    Args:
        k: K, experts per token.
        num_experts: E. `None` to take it from the layer that owns the router.
        normalize: How the k chosen scores become weights. `None` divides as above, or takes the
            softmax if `score` is `"identity"`; True divides by the sum of the k chosen, which needs
            k > 1; False leaves the scores as they are, as in Switch Transformers; `"softmax"` is
            the softmax over the k chosen, which needs k > 1, too.
        balance_loss: Weight of the load-balancing loss, 1.0 at perfect balance.
        z_loss: Weight of the router z-loss.
        select_on: What the k best are chosen by. `"score"`; `"score_plus_bias"`, the score plus a
            bias of each expert that does not enter the weights (see below); or `"logits"`, which
            have the same order as the scores, even if scores round to the same number, but may
            rank groups differently.
        score: How logits become scores: `"softmax"` over all experts; `"sigmoid"` or
            `"sqrt_softplus"` of each expert by itself; or `"identity"`, the logits themselves.
        num_groups: Number of groups of neighbouring experts, which must divide E. A token's experts
            are in `groups_kept` of them, so that they are on few devices. `None` for no groups.
        groups_kept: Groups of each token, fewer than `num_groups`.
        group_score: What groups are chosen by: `"max"`, the best selection score in the group, or
            `"top2_sum"`, the sum of its best two.
        scale: Factor of all weights. It makes up for the small weights of many experts if there are
            shared experts, whose weight is 1.
        per_expert_scale: Whether each expert has a learned factor of its weights, initially 1.
        noise: Whether logits get noise in training, of a learned size for each token and expert:
            `softplus(x @ noise_kernel)` times a draw from the normal distribution. The noise
            kernel is initially zero.
        importance_loss: Weight of the importance loss.
        load_loss: Weight of the loss that balances a smooth estimate of the load. It needs `noise`.
        sequence_balance_loss: Weight of the load-balancing loss within each sequence: the mixture
            that owns the router needs inputs `[batch, time, D]`.
        mean_entropy_loss: Weight of the loss that balances the mean distribution over experts.
        token_entropy_loss: Weight of the loss that makes each token's choice more certain.
        bias_update_rate: How far each training step moves the selection bias; see below. `None`
            means 0.001 with `select_on="score_plus_bias"`, and is required otherwise.
        bias_update_every: Number of training calls between two moves of the bias. Set it to the
            optimizer's `gradient_accumulation_steps`, if it has any.
        jitter: Half width of multiplicative noise on the router's input in training.
        use_bias: Whether logits have a bias.
        kernel_initializer: Initializer of the `[D, E]` matrix.
        kernel_regularizer: Regularizer of the matrix.
        seed: Seed of the jitter and of the noise.

    Call arguments:
        inputs: `[N, D]`.
        mask: Optional bool `[N]`, False for padding.
        training: Whether the call is part of training.

    Returns:
        The routing, a dict; see `Router`. `"scores"` are never negative: with `score="identity"`
        they are the softmax of the logits, though the choice is made by the logits. With
        `noise=True` it has two more entries, float32 `[N, E]`: `"clean_logits"`, the logits without
        the noise, and `"noise_stddev"`, the size of the noise, 0 outside training.

    With `select_on="score_plus_bias"`, `selection_bias` is the weight `router_selection_bias`,
    float32 `[E]`, initially zero and not trainable: no gradient reaches it. It affects which
    experts are chosen, and so the balance, but not their weights. Each training step moves it:

        bias_e <- bias_e + bias_update_rate * sign(mean load - load_e)

    The load is that of the step, before any assignment is dropped and without padding. This
    balances without an auxiliary loss: set `balance_loss=0` to have none. A rate of 0.001 suits
    scores in [0, 1] and thousands of steps; a short training needs more. With `bias_update_rate=0`
    or `trainable=False` the bias does not change.

    Raises:
        ValueError: If arguments do not go together, such as `normalize=True` with `k=1`, where no
            gradient would reach the router; if they do not go with the number of experts, such as
            `k` above E, or groups that do not divide E; or if there is no bias to update.

    Example:

    >>> router = sparse_keras.layers.TopKRouter(k=2, num_experts=8)
    >>> routing = router(np.random.normal(size=(5, 16)).astype("float32"))
    >>> routing["expert_index"].shape
    TensorShape([5, 2])

    The router of DeepSeek-V3, with fewer experts for each token:

    >>> layer = sparse_keras.layers.MixtureOfExperts(
    ...     sparse_keras.layers.GLUExperts(num_experts=32, hidden_dim=16),
    ...     router=sparse_keras.layers.TopKRouter.preset("deepseek_v3", k=4),
    ... )
    >>> layer(np.ones((5, 16), "float32")).shape
    TensorShape([5, 16])

    Reference:
        [Outrageously Large Neural Networks](https://arxiv.org/abs/1701.06538) for k > 1, and for
        the noise, equation 4; [Switch Transformers](https://arxiv.org/abs/2101.03961) for k = 1
        with `normalize=False`; [DeepSeek-V2](https://arxiv.org/abs/2405.04434), section 2.2.2, for
        groups; [DeepSeek-V3](https://arxiv.org/abs/2412.19437), section 2.1.2, for sigmoid scores
        and the selection bias; [Auxiliary-Loss-Free Load
        Balancing](https://arxiv.org/abs/2408.15664) for how it moves.
    """

    always_open = True

    def __init__(
        self,
        k: int = 2,
        num_experts: int | None = None,
        normalize: bool | str | None = None,
        balance_loss: float = 0.01,
        z_loss: float = 0.0,
        select_on: str = "score",
        score: str = "softmax",
        num_groups: int | None = None,
        groups_kept: int | None = None,
        group_score: str = "max",
        scale: float = 1.0,
        per_expert_scale: bool = False,
        noise: bool = False,
        load_loss: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_experts=num_experts, balance_loss=balance_loss, **kwargs)
        self.z_loss = loss_weight("z_loss", z_loss)
        self.k = positive_int("k", k)
        self.normalize = one_of("normalize", normalize, _NORMALIZE)
        self.select_on = one_of("select_on", select_on, token_choice.SELECT_ON)
        self.score = one_of("score", score, token_choice.SCORES)
        self.num_groups = optional_positive_int("num_groups", num_groups)
        self.groups_kept = optional_positive_int("groups_kept", groups_kept)
        self.group_score = one_of("group_score", group_score, token_choice.GROUP_SCORES)
        self.scale = number("scale", scale, "(0, inf)")
        self.per_expert_scale = boolean("per_expert_scale", per_expert_scale)
        self.noise = boolean("noise", noise)
        self.load_loss = loss_weight("load_loss", load_loss)
        refuse_conflicts(self, token_choice.conflicts(self))
        self.check_bias_update()
        self.expert_scale = self.noise_kernel = None

    @classmethod
    def preset(cls, family: str, /, **overrides: Any) -> "TopKRouter":
        """The router of a family of models.

        Args:
            family: A key of `sparse_keras.layers.routers.PRESETS`, which says what each family
                sets, and from which source.
            **overrides: Arguments in place of the preset's.

        Returns:
            A `TopKRouter`.

        Raises:
            ValueError: If there is no such preset.

        Example:

        >>> router = sparse_keras.layers.TopKRouter.preset("mixtral", num_experts=8)
        >>> router.k, router.normalize
        (2, True)
        """
        return cls(**token_choice.with_preset(family, overrides))

    def check_num_experts(self) -> None:
        super().check_num_experts()
        refuse_conflicts(self, token_choice.misfits(self, self.num_experts))

    def build(self, input_shape: tuple) -> None:
        super().build(input_shape)

        def per_expert(name, initializer, shape=()):
            return self.add_weight(
                name=name, shape=(*shape, self.num_experts), initializer=initializer
            )

        if self.selects_by_bias:
            self.add_selection_bias()
        if self.per_expert_scale:
            self.expert_scale = per_expert("router_expert_scale", "ones")
        if self.noise:
            self.noise_kernel = per_expert("router_noise_kernel", "zeros", shape=input_shape[-1:])

    @property
    def selects_by_bias(self) -> bool:
        return self.select_on == "score_plus_bias"

    @property
    def experts_per_token(self) -> int:
        return self.k

    def decide(self, inputs: Tensor, mask: Tensor = None, training: bool | None = None) -> Routing:
        if not self.noise:
            return super().decide(inputs, mask, training)
        logits = clean = self.compute_logits(inputs)
        stddev = ops.zeros_like(clean)
        if training:
            stddev = ops.softplus(ops.matmul(inputs, self.noise_kernel))
            logits = clean + stddev * keras.random.normal(
                ops.shape(clean), dtype=clean.dtype, seed=self.seed_generator
            )
        return {
            "logits": logits,
            "clean_logits": clean,
            "noise_stddev": stddev,
            **self.route(logits),
        }

    def route(self, logits: Tensor) -> dict[str, Tensor]:
        scores = SCORES[self.score](logits)
        best = 2 if self._shares_with_next_best else self.k
        if self.select_on == "score" and self.num_groups is None:
            chosen, expert_index = ops.top_k(scores, best)
        else:
            _, expert_index = ops.top_k(self._selection(logits, scores), best)
            chosen = ops.take_along_axis(scores, expert_index, axis=-1)
        expert_index = ops.cast(expert_index[:, : self.k], "int32")
        weight = self._weights(chosen, expert_index)
        return {
            "expert_index": expert_index,
            "weight": weight,
            "is_open": ops.ones_like(weight, dtype="bool"),
            # Losses and statistics need scores that are not negative.
            "scores": ops.softmax(logits, axis=-1) if self.score == "identity" else scores,
        }

    def weigh(self, logits: Tensor, expert_index: Tensor, is_open: Tensor) -> Tensor:
        scores = SCORES[self.score](logits)
        chosen = ops.take_along_axis(scores, expert_index, axis=-1)
        if self._shares_with_next_best:
            is_chosen = ops.equal(expert_index, ops.arange(self.num_experts, dtype="int32"))
            others = ops.where(is_chosen, float("-inf"), self._selection(logits, scores))
            following = ops.argmax(others, axis=-1, keepdims=True)
            chosen = ops.concatenate(
                [chosen, ops.take_along_axis(scores, following, axis=-1)], axis=-1
            )
        return ops.where(is_open, self._weights(chosen, expert_index), 0.0)

    @property
    def _shares_with_next_best(self) -> bool:
        """Whether the weight of a single expert is its share of the two best scores."""
        return self.k == 1 and self.normalize is None and self.num_experts > 1

    def _selection(self, logits: Tensor, scores: Tensor) -> Tensor:
        """Returns what experts are chosen by, float32 `[N, E]`."""
        selection = logits if self.select_on == "logits" else scores
        if self.selection_bias is not None:
            selection = selection + self.selection_bias
        if self.num_groups is None:
            return selection
        return within_best_groups(selection, self.num_groups, self.groups_kept, self.group_score)

    def _weights(self, chosen: Tensor, expert_index: Tensor) -> Tensor:
        """Returns the weights `[N, K]` of the experts `[N, K]` by their scores.

        For k = 1, the scores may be those of the chosen expert and the next best, `[N, 2]`.
        """
        if self.normalize == "softmax" or self.score == "identity":
            chosen = ops.softmax(chosen, axis=-1)
        elif self.normalize is not False:
            chosen = divide_by_total(chosen, ops.sum(chosen, axis=-1, keepdims=True))
        weight = chosen[:, : self.k]
        if self.scale != 1.0:
            weight = weight * self.scale
        if self.expert_scale is not None:
            weight = weight * ops.take(self.expert_scale, expert_index)
        return weight

    @property
    def loss_names(self) -> tuple[str, ...]:
        more = (name for name in ("z_loss", "load_loss") if getattr(self, name))
        return (*super().loss_names, *more)

    def auxiliary_losses(
        self,
        routing: Routing,
        load: Tensor,
        mask: Tensor = None,
        num_sequences: int | Tensor | None = None,
    ) -> dict[str, tuple[Any, Tensor]]:
        pairs = super().auxiliary_losses(routing, load, mask, num_sequences)
        if self.z_loss:
            pairs["z_loss"] = (self.z_loss, losses.router_z_loss(routing["logits"], mask))
        if self.load_loss:
            value = losses.load_loss(
                routing["clean_logits"], routing["logits"], routing["noise_stddev"], self.k, mask
            )
            pairs["load_loss"] = (self.load_loss, value)
        return pairs

    def compute_output_spec(
        self, inputs: Any, mask: Any = None, training: bool | None = None
    ) -> Routing:
        spec = super().compute_output_spec(inputs, mask, training)
        if self.noise:
            spec |= {key: spec["logits"] for key in ("clean_logits", "noise_stddev")}
        return spec

    def get_config(self) -> dict[str, Any]:
        names = ("k", "normalize", "z_loss", "select_on", "score", "num_groups", "groups_kept")
        names += ("group_score", "scale", "per_expert_scale", "noise", "load_loss")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
