"""The relevance of single features to targets: moments, tests, explained variance.

For dense arrays and CSR matrices.

Axis letters: N rows, D features, T targets (columns of y), C classes of a target.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
import scipy.stats
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.sparsefuncs import mean_variance_axis, min_max_axis

TASKS = ("auto", "classification", "regression")


@dataclass(frozen=True)
class TargetColumn:
    """A column of y.

    Args:
        values: `[N]`, codes of classes from 0, or float64 numbers.
        num_classes: C; 0 for numbers.
        known: Bool `[N]`, the rows that have a value; `None` for all.
    """

    values: np.ndarray
    num_classes: int = 0
    known: np.ndarray | None = None

    def of(self, x: Any) -> tuple[Any, "TargetColumn"]:
        """Returns the rows of `x` whose value is known, and the same rows of this column."""
        if self.known is None:
            return x, self
        return x[self.known], self.rows(self.known)

    def rows(self, chosen: Any) -> "TargetColumn":
        """Returns the column of some rows, with only the classes that occur in them."""
        values = self.values[chosen]
        known = None if self.known is None else self.known[chosen]
        if known is not None and known.all():
            known = None
        if not self.num_classes:
            return TargetColumn(values, known=known)
        classes, codes = np.unique(values, return_inverse=True)
        return TargetColumn(codes, len(classes), known)


def target_columns(y: Any, task: str = "auto") -> list[TargetColumn]:
    """Splits y into columns, and infers what they hold.

    Args:
        y: `[N]` or `[N, T]`, classes, labels of 0 and 1, or numbers.
        task: "classification", "regression", or "auto": scikit-learn's `type_of_target` decides,
            which treats whole numbers as classes.

    Returns:
        A list of `TargetColumn`.

    Raises:
        ValueError: If y does not fit the task.
    """
    if task not in TASKS:
        raise ValueError(f"task must be one of {', '.join(map(repr, TASKS))}. Received: {task!r}.")
    if scipy.sparse.issparse(y):
        y = y.toarray()
    y = np.asarray(y)
    columns = [y] if y.ndim == 1 else list(y.T)
    numbers = task == "regression"
    if task == "auto":
        kind = type_of_target(y, input_name="y")
        if kind == "unknown":
            raise ValueError(f"Unknown label type: {kind}. y must hold classes or numbers.")
        numbers = kind.startswith("continuous")
    if numbers:
        return [TargetColumn(np.asarray(column, "float64")) for column in columns]
    targets = []
    for column in columns:
        classes, codes = np.unique(column, return_inverse=True)
        targets.append(TargetColumn(codes, len(classes)))
    return targets


def univariate_test(
    x: Any, target: TargetColumn, test: str = "auto"
) -> tuple[np.ndarray, np.ndarray]:
    """Tests each feature by itself against one target.

    Args:
        x: float64 `[N, D]`, dense or CSR.
        target: A `TargetColumn`.
        test: "t_test" (Welch's, for two classes), "anova" (F, for any classes), or "auto":
            "t_test" for two classes, "anova" for more, and the F of the correlation for numbers.

    Returns:
        `(scores, pvalues)`, float64 `[D]`: |t| or F. For a constant feature they are 0 and 1.
    """
    x, target = target.of(x)
    if not target.num_classes:
        if test != "auto":
            raise ValueError(f"test={test!r} needs classes. Received numbers; use test='auto'.")
        return _correlation_test(x, target.values)
    if test == "t_test" and target.num_classes != 2:
        raise ValueError(
            f"test='t_test' needs two classes. Received {target.num_classes}; use 'anova' or "
            "'auto'."
        )
    if target.num_classes < 2:
        return np.zeros(x.shape[1]), np.ones(x.shape[1])
    if test == "t_test" or (test == "auto" and target.num_classes == 2):
        return _welch_test(x, target)
    return _anova(x, target)


def explained_variance(x: Any, target: TargetColumn) -> np.ndarray:
    """Returns the share `[D]` of each feature's variance that one target explains, eta squared.

    For classes it is the variance between their means divided by the total variance; for numbers
    the squared correlation. It is 0 for a constant feature or target.
    """
    x, target = target.of(x)
    if target.num_classes:
        between, within, _ = _sums_of_squares(x, target)
        return _divide(between, between + within)
    return correlation_with(x, target.values) ** 2


def mean_explained_variance(x: Any, targets: list[TargetColumn]) -> np.ndarray:
    """Returns the mean of `explained_variance` over several targets: the relevance `[D]`."""
    return np.mean([explained_variance(x, target) for target in targets], axis=0)


def constant_features(x: Any) -> np.ndarray:
    """Returns bool `[D]`: whether a feature has the same value in every row."""
    if scipy.sparse.issparse(x):
        low, high = min_max_axis(x, axis=0)
        return low == high
    return x.min(axis=0) == x.max(axis=0)


def moments(x: Any) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean and variance `[D]` of each feature; exactly 0 for a constant feature."""
    if scipy.sparse.issparse(x):
        mean, variance = mean_variance_axis(x, axis=0)
    else:
        mean, variance = x.mean(axis=0), x.var(axis=0)
    return mean, np.where(constant_features(x), 0.0, variance)


def correlation_with(x: Any, y: np.ndarray) -> np.ndarray:
    """Returns Pearson's correlation `[D]` of each feature with `y` `[N]`; 0 if one is constant."""
    mean, variance = moments(x)
    centred = y - y.mean()
    # The centred y sums to zero, so the means of x cancel; centring dense x avoids rounding errors.
    products = x.T @ centred if scipy.sparse.issparse(x) else (x - mean).T @ centred
    spread = np.sqrt(variance * (centred @ centred) * len(y))
    if np.ptp(y) == 0:
        return np.zeros(x.shape[1])
    return np.clip(_divide(products, spread), -1.0, 1.0)


def _class_moments(x, target):
    """Returns `(sizes [C], means [C, D], variances [C, D])`."""
    groups = [x[target.values == code] for code in range(target.num_classes)]
    means, variances = zip(*(moments(group) for group in groups), strict=True)
    sizes = np.array([group.shape[0] for group in groups], "float64")
    return sizes, np.array(means), np.array(variances)


def _sums_of_squares(x, target):
    """Returns `(between [D], within [D], C)`, sums that are 0 for a constant feature."""
    sizes, means, variances = _class_moments(x, target)
    grand = sizes @ means / sizes.sum()
    varies = ~constant_features(x)
    return sizes @ (means - grand) ** 2 * varies, sizes @ variances * varies, len(sizes)


def _welch_test(x, target):
    sizes, means, variances = _class_moments(x, target)
    varies = ~constant_features(x)
    freedom = np.maximum(sizes - 1.0, 1.0)[:, None]
    errors = variances / freedom  # The squared standard error of each mean.
    total = errors.sum(axis=0)
    scores = np.where(varies, _divide(np.abs(means[0] - means[1]), np.sqrt(total), 0.0, np.inf), 0)
    degrees = _divide(total**2, (errors**2 / freedom).sum(axis=0), empty=1.0)
    pvalues = np.where(varies, 2.0 * scipy.stats.t.sf(scores, degrees), 1.0)
    return scores, pvalues


def _anova(x, target):
    between, within, classes = _sums_of_squares(x, target)
    freedom = x.shape[0] - classes
    if freedom < 1:  # Each row has its own class: there is no variance within classes.
        return np.zeros(x.shape[1]), np.ones(x.shape[1])
    scores = _divide(between / (classes - 1), within / freedom, 0.0, np.inf)
    return scores, scipy.stats.f.sf(scores, classes - 1, freedom)


def _correlation_test(x, y):
    freedom = len(y) - 2
    if freedom < 1:
        return np.zeros(x.shape[1]), np.ones(x.shape[1])
    squared = correlation_with(x, y) ** 2
    scores = _divide(squared * freedom, 1.0 - squared, 0.0, np.inf)
    return scores, scipy.stats.f.sf(scores, 1, freedom)


def _divide(numerator, denominator, empty=0.0, infinite=0.0):
    """Divides; 0 / 0 is `empty`, and any other number divided by 0 is `infinite`."""
    zero = denominator == 0
    quotient = np.divide(numerator, np.where(zero, 1.0, denominator))
    return np.where(zero, np.where(numerator == 0, empty, infinite), quotient)
