"""Statistics over seeds: mean and standard deviation, and paired differences."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

CONFIDENCE = 0.95
# The interval of two pairs is 25 standard errors wide, if their difference is one at all.
MIN_PAIRS = 3


def summary(values: Sequence[float | None]) -> dict[str, Any]:
    """Summarises a number over seeds.

    Args:
        values: One number per seed; None where it is undefined.

    Returns:
        `{"mean": ..., "std": ..., "values": ...}`. `std` is the sample standard deviation, None for
        fewer than two numbers.
    """
    known = [value for value in values if value is not None]
    return {
        "mean": statistics.fmean(known) if known else None,
        "std": statistics.stdev(known) if len(known) > 1 else None,
        "values": list(values),
    }


def paired_difference(
    ours: Sequence[float | None], theirs: Sequence[float | None], higher_is_better: bool
) -> dict[str, Any]:
    """Compares one metric of two models, paired by seed.

    The interval is the 95 % confidence interval of the mean difference by Student's t, which
    assumes that differences are normally distributed.

    Args:
        ours: One number per seed; None where it is undefined.
        theirs: The other model's, for the same seeds.
        higher_is_better: Whether larger values are better.

    Returns:
        A dict: `mean`, of ours minus theirs; `low` and `high`, the ends of the interval, None for
        fewer than three pairs, whose interval would be too wide to say anything; `wins`, `ties`
        and `losses`, the numbers of seeds; and `verdict`: "win" or "loss" if the interval excludes
        0, otherwise "tie"; None without an interval.
    """
    pairs = zip(ours, theirs, strict=True)
    differences = [a - b for a, b in pairs if a is not None and b is not None]
    sign = 1 if higher_is_better else -1
    result = {
        "mean": statistics.fmean(differences) if differences else None,
        "low": None,
        "high": None,
        "wins": sum(sign * difference > 0 for difference in differences),
        "ties": sum(difference == 0 for difference in differences),
        "losses": sum(sign * difference < 0 for difference in differences),
        "verdict": None,
    }
    count = len(differences)
    if count >= MIN_PAIRS:
        from scipy import stats  # Imports NumPy, which a light verb does not need.

        error = statistics.stdev(differences) / math.sqrt(count)
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
        result["low"], result["high"] = result["mean"] - half, result["mean"] + half
        best, worst = sorted((sign * result["low"], sign * result["high"]), reverse=True)
        result["verdict"] = "win" if worst > 0 else "loss" if best < 0 else "tie"
    return result
