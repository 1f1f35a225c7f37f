"""MetricInfo: what a metric is called, which of its values are good, and who shows it."""

from __future__ import annotations

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class MetricInfo:
    """Describes a metric of a task; a task's `METRICS` has one for each name.

    Args:
        label: What tables call it.
        best: Whether its best value is the "max" or the "min". `None` for a number that says
            nothing of the model, but something to compare its metrics with, such as the share of
            the positive class.
        compared: Whether comparisons test it, with an interval for each contender. Each metric more
            is one more that may differ by chance.
    """

    label: str
    best: Literal["max", "min"] | None
    compared: bool = False
