"""How a training step moves a selection bias, which balances the load of experts without a loss."""

from typing import Any

from keras import ops


def move_selection_bias(
    bias: Any, load_since_move: Any, load: Any, rate: float, every: int = 1
) -> None:
    """Moves the bias of each expert against its load, once in `every` calls.

        bias_e <- bias_e + rate * sign(mean load - load_e)

    Under a distribution strategy the load is that of all replicas, if both variables aggregate by
    their mean.

    Args:
        bias: Variable `[E]`.
        load_since_move: Variable `[E + 1]`, the load since the last move and the number of calls.
            It is a variable even if it lives for one call only: replicas see each other's load
            through it. (Only the sign of the difference from the mean load counts, so that the
            mean over replicas serves as well as their sum.)
        load: Float32 `[E]`, the open assignments of this call.
        rate: How far a move goes.
        every: Number of calls between two moves.

    Reference:
        [Auxiliary-Loss-Free Load Balancing](https://arxiv.org/abs/2408.15664), algorithm 1.
    """
    load_since_move.assign_add(ops.concatenate([load, ops.ones((1,), "float32")]))
    since = ops.convert_to_tensor(load_since_move)
    load, calls = since[:-1], since[-1]
    move = rate * ops.sign(ops.mean(load) - load)
    # `where`, not `cond`: replicas cannot synchronize inside a branch.
    due = calls >= every
    bias.assign_add(ops.where(due, move, ops.zeros_like(move)))
    load_since_move.assign(ops.where(due, ops.zeros_like(since), since))
