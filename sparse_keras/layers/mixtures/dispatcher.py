"""Dispatcher: the way of tokens to the experts of a bank and back. No router, no weights.

A mixture routes, and leaves the rest to its dispatcher, in four steps:

    sort      plan(...)           which row of which expert each assignment gets
    dispatch  compute(...)        tokens are copied to the rows of their experts,
    experts     ...               and the bank computes the rows
    combine   combine(...)        each token gets the weighted sum of its rows
              collect(...)        or each assignment its own row

Every mixture in which a router sends tokens to experts reads it from `Mixture.dispatcher`, which is
the one place to change it: another dispatcher, such as one that sends rows to the devices that hold
their experts, has the same four methods, and may have a plan of its own kind that adds fields to
`DispatchPlan`. Axis letters are those of `sparse_keras.ops`.
"""

from typing import Any

from keras import ops

from sparse_keras.layers.experts.base import Experts
from sparse_keras.ops import DispatchPlan, collect, combine, dispatch, sort_by_expert


class Dispatcher:
    """Dispatches on one device: assignments are sorted by expert, and each expert gets a slice.

    It has no state, so that one object serves all mixtures.

    Example:

    >>> bank = sparse_keras.layers.DenseExperts(num_experts=4, units=3)
    >>> dispatcher, tokens = Dispatcher(), np.ones((2, 5), "float32")
    >>> plan = dispatcher.plan(np.array([[0, 3], [3, 1]]), None, num_experts=4)
    >>> rows = dispatcher.compute(bank, tokens, plan)
    >>> rows.shape  # One row for each assignment.
    TensorShape([4, 3])
    >>> dispatcher.combine(rows, plan, np.full((2, 2), 0.5)).shape
    TensorShape([2, 3])
    """

    def plan(
        self,
        expert_index: Any,
        is_open: Any,
        num_experts: int,
        *,
        capacity: Any = None,
        order: Any = None,
        few_open: bool = False,
        most_open: Any = None,
    ) -> DispatchPlan:
        """Decides where each assignment goes, and which ones are dropped.

        Args:
            expert_index: Int `[N, K]`, the experts that each token was routed to.
            is_open: Bool `[N, K]`, False for an assignment that reaches no expert; or `None` if all
                are open.
            num_experts: E.
            capacity: The most rows of one expert, a scalar integer; or `None` to drop nothing.
            order: The order in which assignments take their places under a capacity; see
                `ops.sort_by_expert`.
            few_open: Whether to expect that few of the N * K assignments are open. It changes the
                speed only.
            most_open: An upper bound on the number of open assignments, if one is known that is
                less than N * K.

        Returns:
            `ops.DispatchPlan`. Mixtures read its `load`, `group_sizes` and `kept`.
        """
        return sort_by_expert(
            expert_index,
            is_open,
            num_experts,
            capacity=capacity,
            order=order,
            few_open=few_open,
            most_open=most_open,
        )

    def compute(
        self, bank: Experts, tokens: Any, plan: DispatchPlan, mask: Any = None, training: Any = None
    ) -> Any:
        """Computes each expert for the tokens that the plan sends to it.

        Args:
            bank: The expert bank.
            tokens: `[N, D]`; or whole examples `[N, ..., D]`, for a bank of such experts.
            plan: What `plan` returned.
            mask: Bool, the leading axes of examples, False for padding; or `None`.
            training: Whether the call is part of training.

        Returns:
            The experts' outputs in the plan's order, `[M', B]`, or `[M', ..., B]` of examples: what
            `combine` and `collect` take.
        """
        rows = dispatch(tokens, plan)
        more = {}
        if mask is not None:
            more["mask"] = ops.take(mask, plan.assignment % ops.shape(tokens)[0], axis=0)
        return bank(rows, plan.group_sizes, training=training, **more)

    def combine(self, rows: Any, plan: DispatchPlan, weight: Any) -> Any:
        """The weighted sum of each token's rows, `[N, B]`; zeros for a token without any.

        Args:
            rows: What `compute` returned.
            plan: What `plan` returned.
            weight: Float `[N, K]`, the weight of each assignment.
        """
        return combine(rows, plan, weight)

    def collect(self, rows: Any, plan: DispatchPlan) -> Any:
        """The row of each assignment, `[K, N, B]`; zeros where it was closed or dropped.

        Args:
            rows: What `compute` returned.
            plan: What `plan` returned.
        """
        return collect(rows, plan)
