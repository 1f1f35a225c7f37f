"""What is wrong with a routing, in words: for `callbacks.ExpertLoad` and for `inspect`.

A sentence says what was seen, what it means, and what to do about it.
"""

import sys
import warnings

import numpy as np

# Of assignments to each expert, were they fair. With fewer, an expert without any may be chance.
ENOUGH = 10


class RoutingWarning(UserWarning):
    """A mixture of experts does not do what it is there for."""


def concentration(load, experts_per_token):
    """How near a load is to collapse: 0 when even, 1 when K experts take everything.

    It is the load violation of the K busiest experts together, over the largest there can be,
    `E/K - 1`. For K = 1 that is `load_violation / (E - 1)`.

    Args:
        load: `[E]`, each expert's share of the assignments.
        experts_per_token: K, the mean number of experts of a token.

    Returns:
        A float; NaN where nothing could be uneven, as every token has every expert.
    """
    num_experts = len(load)
    if not np.isfinite(experts_per_token) or not np.isfinite(load).all():
        return np.nan
    k = max(1, round(experts_per_token))
    if k >= num_experts:
        return np.nan
    busiest = np.sort(load)[-k:].sum()
    return float((busiest - k / num_experts) / (1 - k / num_experts))


def complaints(
    found,
    router,
    where,
    when,
    capacity=None,
    capacity_name="capacity_factor",
    collapse_above=0.7,
    dropped_above=0.1,
    training=True,
):
    """What is wrong with a gate.

    Args:
        found: Its statistics, with the keys of `statistics.summarize`.
        router: Its router.
        where: What to call it.
        when: When or where it was seen, such as "in epoch 3".
        capacity: The capacity factor in force, if any; `capacity_name`: the argument that it is.
        collapse_above: Concentration from which a gate counts as collapsed. `None`: never.
        dropped_above: Share of dropped assignments from which it is told. `None`: never.
        training: Whether it was seen in training.

    Returns:
        Dict from the kind, `"closed"`, `"collapse"`, `"dead"` or `"dropped"`, to a sentence or two.
    """
    told = {}
    load, num_experts = found["load"], len(found["load"])
    if found["experts_per_token"] == 0:
        told["closed"] = (
            f"{where} opened no expert {when}: its output is zero but for a shared expert, and "
            f"nothing in it learns. {_opening(router)}"
        )
    elif found["assigned"] >= ENOUGH * num_experts:
        near = concentration(load, found["experts_per_token"])
        if collapse_above is not None and near >= collapse_above:
            told["collapse"] = _collapse(found, router, where, when, training)
        elif found["dead"]:
            told["dead"] = _dead(found, router, where, when, training)
    if dropped_above is not None and found["dropped"] > dropped_above:
        limit = "" if capacity is None else f" (now {capacity:g})"
        told["dropped"] = (
            f"{where} dropped {percent(found['dropped'])} of its assignments {when}, as the "
            "experts they went to were full: those tokens got fewer experts, or none. Raise "
            f"{capacity_name}{limit}, leave it out (no limit), or make the load more even."
        )
    return told


def _collapse(found, router, where, when, training):
    load, k = found["load"], max(1, round(found["experts_per_token"]))
    num_experts = len(load)
    busiest = np.sort(np.argsort(load, kind="stable")[-k:])
    loss = found.get("balance_loss", 0.0)
    # A loss of weight 0 is not computed.
    known = f"; its balance loss is {loss:.1f}, where 1.0 is even" if loss > 0 else ""
    return (
        f"{where} has collapsed {when}: {experts(busiest)} of {num_experts} "
        f"{'take' if k > 1 else 'takes'} {percent(load[busiest].sum())} of the work, where "
        f"{percent(k / num_experts)} were fair{known}. The other {num_experts - k} hardly learn. "
        f"{_remedy(router, training)}"
    )


def _dead(found, router, where, when, training):
    dead = np.flatnonzero(found["load"] == 0)
    return (
        f"{where} has {len(dead)} dead of {len(found['load'])} experts: no token went to "
        f"{experts(dead)} {when}. What gets no token does not learn, and costs memory. "
        f"{_remedy(router, training)} Or use fewer experts."
    )


def _opening(router):
    """What to do where no expert is open, by what the router has."""
    if hasattr(router, "threshold"):
        return f"Lower its router's threshold (now {router.threshold:g})."
    for name in ("k", "capacity_factor"):
        if hasattr(router, name):
            return f"Raise its router's {name} (now {getattr(router, name):g})."
    return f"Look at what keeps its {type(router).__name__} from opening any."


def _remedy(router, training):
    if hasattr(router, "adapt"):  # It looks experts up, and learns nothing.
        return "Deal the experts out by how often tokens occur, with its router's `adapt`."
    if not router.trainable:
        return "Its router is not trained (trainable=False)."
    if getattr(router, "bias_step", 0):
        return f"Raise its router's bias_update_rate (now {router.bias_step:g})."
    advice = router.balance_advice(training)
    if advice is not None:
        return advice
    if not router.takes_balance_loss:
        return "Lower the learning rate, or take a router that has a balance_loss."
    return (
        f"Raise its router's balance_loss (now {router.balance_loss:g}), or lower the learning "
        "rate."
    )


def experts(numbers, most=8):
    """[0, 3, 5] -> "experts 0, 3 and 5"."""
    return f"expert{'' if len(numbers) == 1 else 's'} {listed(numbers, most=most)}"


def listed(numbers, count=None, most=8):
    """[0, 3, 5] -> "0, 3 and 5"; the first ones of `count`, where only these are known."""
    count = len(numbers) if count is None else count
    numbers = [str(number) for number in numbers]
    if count > min(most, len(numbers)):
        numbers = numbers[:most]
        return f"{', '.join(numbers)} and {count - len(numbers)} more"
    if len(numbers) == 1:
        return numbers[0]
    return f"{', '.join(numbers[:-1])} and {numbers[-1]}"


def percent(share):
    """0.4567 -> "46 %"; a little never reads "0 %", and almost all never "100 %"."""
    if 0 < share < 0.005:
        return "< 1 %"
    if 0.995 <= share < 1 - 1e-9:
        return "> 99 %"
    return f"{100 * share:.0f} %"


def warn(message):
    """Warns, and names the line outside of Keras and of this package that led here."""
    level, frame = 1, sys._getframe(0)
    inside = ("keras.", "sparse_keras.", "tensorflow.", "contextlib")
    while frame.f_back and f"{frame.f_globals.get('__name__', '')}.".startswith(inside):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, RoutingWarning, stacklevel=level)
