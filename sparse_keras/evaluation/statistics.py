"""What the numbers of several seeds say: mean and spread, and differences in pairs."""

import math
import statistics

from scipy import stats

CONFIDENCE = 0.95


def summary(values):
    """Mean and standard deviation over seeds.

    Args:
        values: A list of numbers, one for each seed; None where there is none.

    Returns:
        `{"mean": ..., "std": ..., "values": ...}`. The deviation is that of a sample, and None for
        fewer than two numbers.
    """
    known = [value for value in values if value is not None]
    return {
        "mean": statistics.fmean(known) if known else None,
        "std": statistics.stdev(known) if len(known) > 1 else None,
        "values": list(values),
    }


def paired_difference(ours, theirs, higher_is_better):
    """How much one model's metric is above another's, seed by seed.

    The interval is Student's, of the mean of the differences: with its 95 % it covers the
    difference that ever more seeds would give, if differences are normal.

    Args:
        ours: A list of numbers, one for each seed; None where there is none.
        theirs: The other model's, for the same seeds.
        higher_is_better: Whether larger values are better.

    Returns:
        A dict: `mean` of ours minus theirs; `low` and `high` of the interval, None for fewer than
        two pairs; in how many seeds ours `wins`, `ties` and `losses`; and the `verdict`: "win" or
        "loss" if the interval is on one side of 0, else "tie"; None without an interval.
    """
    pairs = zip(ours, theirs, strict=True)
    differences = [a - b for a, b in pairs if a is not None and b is not None]
    sign = 1 if higher_is_better else -1
    found = {
        "mean": statistics.fmean(differences) if differences else None,
        "low": None,
        "high": None,
        "wins": sum(sign * difference > 0 for difference in differences),
        "ties": sum(difference == 0 for difference in differences),
        "losses": sum(sign * difference < 0 for difference in differences),
        "verdict": None,
    }
    count = len(differences)
    if count > 1:
        error = statistics.stdev(differences) / math.sqrt(count)
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
        found["low"], found["high"] = found["mean"] - half, found["mean"] + half
        best, worst = sorted((sign * found["low"], sign * found["high"]), reverse=True)
        found["verdict"] = "win" if worst > 0 else "loss" if best < 0 else "tie"
    return found
