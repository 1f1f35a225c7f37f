"""Problems of a routing, described in words: for `callbacks.ExpertLoad` and for `inspect`.

A sentence says what was measured, what it means, and what to do about it.
"""

import sys
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

# Assignments per expert, on average, below which no gate is judged: an expert without tokens may
# be chance.
ENOUGH = 10


class RoutingWarning(UserWarning):
    """Warns that a mixture of experts collapsed, has dead experts, or drops or skips tokens."""


def concentration(load: np.ndarray, experts_per_token: float) -> float:
    """Measures how close a load is to collapse: 0 when even, 1 when K experts take everything.

    This is the load violation of the K busiest experts together, divided by its largest possible
    value, `E/K - 1`. For K = 1 it is `load_violation / (E - 1)`.

    Args:
        load: `[E]`, each expert's share of the assignments.
        experts_per_token: K, the mean number of experts per token.

    Returns:
        A float; NaN where the load cannot be uneven, because every token uses every expert.
    """
    num_experts = len(load)
    if not np.isfinite(experts_per_token) or not np.isfinite(load).all():
        return np.nan
    k = max(1, round(experts_per_token))
    if k >= num_experts:
        return np.nan
    busiest = np.sort(load)[-k:].sum()
    return float((busiest - k / num_experts) / (1 - k / num_experts))


def routing_problems(
    statistics: Mapping,
    router,
    gate: str,
    when: str,
    capacity: float | None = None,
    capacity_name: str = "capacity_factor",
    collapse_above: float | None = 0.7,
    dropped_above: float | None = 0.1,
    training: bool = True,
) -> dict[str, str]:
    """Describes what is wrong with the routing of one gate.

    Args:
        statistics: The gate's statistics, with the keys of `statistics.summarize`.
        router: Its `layers.Router`.
        gate: The gate's name, the subject of each sentence.
        when: When or on what data it was measured, such as "in epoch 3".
        capacity: The capacity factor in force, or `None`.
        capacity_name: The argument that sets it.
        collapse_above: Concentration from which a gate counts as collapsed. `None`: never.
        dropped_above: Share of dropped assignments above which they are a problem. `None`: never.
        training: Whether the statistics were measured in training.

    Returns:
        Dict from the kind of problem, `"closed"`, `"collapse"`, `"dead"` or `"dropped"`, to one or
        more sentences. Empty if all is well, or there were too few tokens to judge.
    """
    problems = {}
    load, num_experts = statistics["load"], len(statistics["load"])
    if statistics["experts_per_token"] == 0:
        problems["closed"] = (
            f"{gate} opened no expert {when}: its output is zero apart from a shared expert, and "
            f"its experts learn nothing. {_how_to_open(router)}"
        )
    elif statistics["assigned"] >= ENOUGH * num_experts:
        measured = concentration(load, statistics["experts_per_token"])
        if collapse_above is not None and measured >= collapse_above:
            problems["collapse"] = _collapse(statistics, router, gate, when, training)
        elif statistics["dead"]:
            problems["dead"] = _dead(statistics, router, gate, when, training)
    if dropped_above is not None and statistics["dropped"] > dropped_above:
        limit = "" if capacity is None else f" (now {capacity:g})"
        problems["dropped"] = (
            f"{gate} dropped {percent(statistics['dropped'])} of its assignments {when}, because "
            "their experts were full: these tokens used fewer experts, or none. Raise "
            f"{capacity_name}{limit}, leave it out (no limit), or make the load more even."
        )
    return problems


def _collapse(statistics, router, gate, when, training):
    load, k = statistics["load"], max(1, round(statistics["experts_per_token"]))
    num_experts = len(load)
    busiest = np.sort(np.argsort(load, kind="stable")[-k:])
    loss = statistics.get("balance_loss", 0.0)
    # A loss of weight 0 is not computed.
    balance = f"; its balance loss is {loss:.1f}, where 1.0 is even" if loss > 0 else ""
    return (
        f"{gate} has collapsed {when}: {experts(busiest)} of {num_experts} "
        f"{'take' if k > 1 else 'takes'} {percent(load[busiest].sum())} of the work, where an even "
        f"share is {percent(k / num_experts)}{balance}. The other {num_experts - k} hardly learn. "
        f"{_remedy(router, training)}"
    )


def _dead(statistics, router, gate, when, training):
    dead = np.flatnonzero(statistics["load"] == 0)
    return (
        f"{gate} has {len(dead)} dead of {len(statistics['load'])} experts: no token went to "
        f"{experts(dead)} {when}. Experts without tokens do not learn, but use memory. "
        f"{_remedy(router, training)} Or use fewer experts."
    )


def _how_to_open(router):
    """Advice for a gate that opens no expert, by the arguments that its router has."""
    if hasattr(router, "threshold"):
        return f"Lower its router's threshold (now {router.threshold:g})."
    for name in ("k", "capacity_factor"):
        if hasattr(router, name):
            return f"Raise its router's {name} (now {getattr(router, name):g})."
    return f"Check what keeps its {type(router).__name__} from opening any."


def _remedy(router, training):
    """Advice for an uneven load, by the kind of router."""
    if hasattr(router, "adapt"):  # It looks experts up in a table, and learns nothing.
        return "Assign the experts by token frequency, with its router's `adapt`."
    if not router.trainable:
        return "Its router is frozen (trainable=False), so that no balance loss changes it."
    if getattr(router, "bias_step", 0):
        return f"Raise its router's bias_update_rate (now {router.bias_step:g})."
    advice = router.balance_advice(training)
    if advice is not None:
        return advice
    if not router.takes_balance_loss:
        return "Lower the learning rate, or use a router that has a balance_loss."
    return (
        f"Raise its router's balance_loss (now {router.balance_loss:g}), or lower the learning "
        "rate."
    )


def experts(numbers: Sequence[int], most: int = 8) -> str:
    """[0, 3, 5] -> "experts 0, 3 and 5"."""
    return f"expert{'' if len(numbers) == 1 else 's'} {listed(numbers, most=most)}"


def listed(numbers: Sequence[int], count: int | None = None, most: int = 8) -> str:
    """[0, 3, 5] -> "0, 3 and 5".

    Args:
        numbers: The numbers; the first ones, if there are more than `numbers` holds.
        count: How many there are in all. `None`: `numbers` holds them all.
        most: How many to list before "and ... more".
    """
    count = len(numbers) if count is None else count
    words = [str(number) for number in numbers]
    if count > min(most, len(words)):
        words = words[:most]
        return f"{', '.join(words)} and {count - len(words)} more"
    if len(words) == 1:
        return words[0]
    return f"{', '.join(words[:-1])} and {words[-1]}"


def percent(share: float) -> str:
    """0.4567 -> "46 %". A small share never reads "0 %", nor one just below 1 "100 %"."""
    if 0 < share < 0.005:
        return "< 1 %"
    if 0.995 <= share < 1 - 1e-9:
        return "> 99 %"
    return f"{100 * share:.0f} %"


def warn(message: str) -> None:
    """Issues a `RoutingWarning` that points at the user's line, outside of Keras and this package.

    Args:
        message: The sentences.
    """
    level, frame = 1, sys._getframe(0)
    inside = ("keras.", "keras_hub.", "sparse_keras.", "tensorflow.", "contextlib")
    while frame.f_back and f"{frame.f_globals.get('__name__', '')}.".startswith(inside):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, RoutingWarning, stacklevel=level)
