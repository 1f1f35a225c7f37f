"""The matrix of correlations between features, for graphs and clusters.

Axis letters: N rows, D features.
"""

import numpy as np
import scipy.stats

from sparse_keras.feature_selection.relevance import moments

CORRELATIONS = ("spearman", "pearson")


def correlations(x: np.ndarray, kind: str = "spearman") -> np.ndarray:
    """Returns the correlations between features; 0 between a constant feature and any other.

    Args:
        x: float64 `[N, D]`, dense.
        kind: "pearson", or "spearman", the Pearson correlation of the ranks, which captures any
            monotonic relation.

    Returns:
        float64 `[D, D]`, symmetric, 1 on the diagonal (0 for a constant feature).
    """
    if kind not in CORRELATIONS:
        raise ValueError(
            f"correlation must be one of {', '.join(map(repr, CORRELATIONS))}. Received: {kind!r}."
        )
    if kind == "spearman":
        x = scipy.stats.rankdata(x, axis=0)
    mean, variance = moments(x)
    scale = np.divide(1.0, np.sqrt(variance), where=variance > 0, out=np.zeros_like(variance))
    unit = (x - mean) * scale
    matrix = np.clip(unit.T @ unit / len(x), -1.0, 1.0)
    matrix = (matrix + matrix.T) / 2.0
    np.fill_diagonal(matrix, variance > 0)
    return matrix
