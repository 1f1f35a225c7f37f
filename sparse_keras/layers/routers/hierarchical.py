"""HierarchicalRouter: a gate chooses groups of experts, and a gate in each group its experts."""

from typing import Any

import keras
from keras import ops

from sparse_keras._internal import token_choice
from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.initializers import for_group
from sparse_keras.layers.routers.balanceable import BalanceableRouter
from sparse_keras.layers.routers.refusals import refuse_conflicts
from sparse_keras.layers.routers.routing import divide_by_total
from sparse_keras.layers.routers.scores import largest
from sparse_keras.layers.validation import one_of, positive_int


@keras.saving.register_keras_serializable(package="sparse_keras")
class HierarchicalRouter(BalanceableRouter):
    """Chooses in two levels: groups of experts, and experts in each of them.

        p(g)     = softmax(x @ group_kernel)                         over groups
        p(e | g) = softmax(x @ kernel)                               over the experts of each group
        chosen   = the best groups by p(g), `groups_kept` of them,
                   and in each the best experts by p(e | g), `k / groups_kept` of them
        weight   = p(g) / sum of p of the chosen groups
                   * p(e | g) / sum of p of the experts that are chosen in g

    Neighbouring experts form a group, as they would share a device: experts 0 to E / G - 1 are the
    first group. An expert competes only with the others of its group, and the choice of groups is
    learned separately. In a flat router with groups (`TopKRouter(num_groups=...)`), the score of a
    group is that of its best experts.

    Everything else sees one router of E experts: `scores = p(g) * p(e | g)` sum to 1 over them, and
    `logits` are their logarithms. The balance loss is that of experts. There is none of groups:
    that of experts is 1 only if the groups have equal loads as well, and its gradient reaches both
    gates.

    If a single group is chosen, p(g) divided by itself would be the constant 1, and no gradient
    would reach the gate of groups. Then the divisor is the sum of the two best, as in `TopKRouter`.
    The same holds inside a group of which a single expert is chosen.

    Args:
        k: K, experts per token, the same number from each chosen group.
        num_groups: G, at least 2. It must divide E, with at least 2 experts in a group.
        groups_kept: Groups of each token; must divide k.
        normalize: How p(g) and p(e | g) become weights. `None`: as above. True divides by the sums
            of the chosen only, and needs at least two chosen at both levels. False: the weights are
            the scores.
        num_experts: E. `None` to take it from the layer that owns the router.
        balance_loss: Weight of the load-balancing loss, 1.0 at perfect balance.
        importance_loss: Weight of the importance loss.
        sequence_balance_loss: Weight of the load-balancing loss within each sequence: the mixture
            that owns the router needs inputs `[batch, time, D]`.
        mean_entropy_loss: Weight of the loss that balances the mean distribution over experts.
        token_entropy_loss: Weight of the loss that makes each token's choice more certain.
        jitter: Half width of multiplicative noise on the router's input in training.
        use_bias: Whether logits of groups and of experts have biases.
        kernel_initializer: Initializer of the `[D, E]` matrix and of the `[D, G]` matrix.
        kernel_regularizer: Regularizer of both matrices.
        seed: Seed of the jitter.

    Call arguments:
        inputs: `[N, D]`.
        mask: Optional bool `[N]`, False for padding.
        training: Whether the call is part of training.

    Returns:
        The routing, a dict; see `Router`. Slots are in the order of groups, the best group first.

    Raises:
        ValueError: If the numbers of experts, groups and choices do not go together, or a gate
            would get no gradient.

    Example:

    >>> router = sparse_keras.layers.HierarchicalRouter(
    ...     k=4, num_groups=4, groups_kept=2, num_experts=16
    ... )
    >>> routing = router(np.random.normal(size=(5, 16)).astype("float32"))
    >>> groups = np.array(routing["expert_index"]) // 4
    >>> bool((groups[:, 0] == groups[:, 1]).all() and (groups[:, 1] != groups[:, 2]).all())
    True

    Reference:
        [Hierarchical Mixtures of Experts](https://doi.org/10.1162/neco.1994.6.2.181); [Outrageously
        Large Neural Networks](https://arxiv.org/abs/1701.06538), appendix B, for sparse gates at
        both levels.
    """

    always_open = True

    def __init__(
        self,
        k: int = 2,
        num_groups: int = 2,
        groups_kept: int = 1,
        normalize: bool | str | None = None,
        num_experts: int | None = None,
        balance_loss: float = 0.01,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_experts=num_experts, balance_loss=balance_loss, **kwargs)
        self.k = positive_int("k", k)
        self.num_groups = positive_int("num_groups", num_groups)
        self.groups_kept = positive_int("groups_kept", groups_kept)
        self.normalize = one_of("normalize", normalize, (None, True, False))
        refuse_conflicts(self, token_choice.hierarchy_conflicts(self))
        self.check_bias_update()

    def check_num_experts(self) -> None:
        super().check_num_experts()
        refuse_conflicts(self, token_choice.hierarchy_misfits(self, self.num_experts))

    @property
    def experts_per_token(self) -> int:
        return self.k

    def add_logit_weights(self, input_dim: int) -> None:
        super().add_logit_weights(input_dim)
        self.group_kernel = self.add_weight(
            name="router_group_kernel",
            shape=(input_dim, self.num_groups),
            initializer=for_group(self.kernel_initializer, "router_group_kernel", 0),
            regularizer=self.kernel_regularizer,
        )
        self.group_bias = None
        if self.use_bias:
            self.group_bias = self.add_weight(
                name="router_group_bias", shape=(self.num_groups,), initializer="zeros"
            )

    def compute_logits(self, inputs: Tensor) -> Tensor:
        """Returns log p(g) + log p(e | g), `[N, E]`."""
        groups = ops.matmul(inputs, self.group_kernel)
        if self.group_bias is not None:
            groups = groups + self.group_bias
        experts = self._by_group(super().compute_logits(inputs))
        logits = ops.log_softmax(groups, axis=-1)[..., None] + ops.log_softmax(experts, axis=-1)
        return ops.reshape(logits, (-1, self.num_experts))

    def _by_group(self, values: Tensor) -> Tensor:
        return ops.reshape(values, (-1, self.num_groups, self.num_experts // self.num_groups))

    def route(self, logits: Tensor) -> dict[str, Tensor]:
        by_group = self._by_group(logits)
        _, groups = ops.top_k(_logsumexp(by_group), self.groups_kept)
        in_groups = ops.take_along_axis(by_group, groups[..., None], axis=1)
        _, experts = ops.top_k(in_groups, self.k // self.groups_kept)
        first = ops.cast(groups, "int32")[..., None] * by_group.shape[-1]
        expert_index = ops.reshape(first + ops.cast(experts, "int32"), (-1, self.k))
        is_open = ops.ones_like(expert_index, dtype="bool")
        return {
            "expert_index": expert_index,
            "weight": self.weigh(logits, expert_index, is_open),
            "is_open": is_open,
            "scores": ops.softmax(logits, axis=-1),
        }

    def weigh(self, logits: Tensor, expert_index: Tensor, is_open: Tensor) -> Tensor:
        if self.normalize is False:
            weight = ops.softmax(logits, axis=-1)
        else:
            experts = ops.arange(self.num_experts, dtype="int32")
            chosen = ops.any(ops.equal(expert_index[..., None], experts), axis=1)
            weight = self._products(self._by_group(logits), self._by_group(chosen))
        weight = ops.take_along_axis(weight, expert_index, axis=-1)
        return ops.where(is_open, weight, 0.0)

    def _products(self, logits: Tensor, chosen: Tensor) -> Tensor:
        """Returns the weight of each expert `[N, E]`, given which are chosen, `[N, G, E / G]`."""
        in_use = ops.any(chosen, axis=-1)
        of_groups = ops.softmax(_logsumexp(logits), axis=-1)
        of_groups = self._shares(of_groups, in_use, alone=self.groups_kept == 1)
        of_experts = self._shares(
            ops.softmax(logits, axis=-1), chosen, alone=self.k == self.groups_kept
        )
        # A group that is not in use has no sum to divide by.
        of_experts = ops.where(in_use[..., None], of_experts, 0.0)
        return ops.reshape(of_groups[..., None] * of_experts, (-1, self.num_experts))

    def _shares(self, scores: Tensor, chosen: Tensor, alone: bool) -> Tensor:
        """Divides scores `[..., n]` by the sum of the chosen, or of a single one and the next."""
        total = ops.sum(ops.where(chosen, scores, 0.0), axis=-1, keepdims=True)
        if alone:
            others = ops.where(chosen, 0.0, scores)
            total = total + largest(others)[..., None]
        return divide_by_total(scores, total)

    def flops_per_token(self, input_dim: int) -> int:
        return 2 * input_dim * (self.num_experts + self.num_groups)

    def get_config(self) -> dict[str, Any]:
        names = ("k", "num_groups", "groups_kept", "normalize")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _logsumexp(values: Tensor) -> Tensor:
    """Over the last axis. `ops.logsumexp` fails on an empty batch."""
    largest = ops.stop_gradient(ops.max(values, axis=-1, keepdims=True, initial=-1e30))
    return ops.log(ops.sum(ops.exp(values - largest), axis=-1)) + largest[..., 0]
