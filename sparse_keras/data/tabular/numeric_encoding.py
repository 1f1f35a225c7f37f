"""The numeric input of a model: each column standardised, its bins, and whether it is missing.

Axis letters: N rows, n numeric columns, T bins of all columns, D width of the encoding.
"""

from functools import cached_property

import numpy as np

from sparse_keras.data.tabular.encoded_columns import MAX_STANDARDISED

_ROWS = 512  # Encoded at a time, so that what is computed on the way stays in the cache.


class NumericEncoding:
    """Encodes raw numbers.

    Args:
        columns: Tuple of `NumericColumn`.
    """

    def __init__(self, columns):
        self.columns = columns

    @cached_property
    def _statistics(self):
        """The mean and the deviation of each column, `[n]`; 1 for that of a constant one."""
        std = np.array([column.std for column in self.columns])
        mean = np.array([column.mean for column in self.columns])
        return mean, np.where(std == 0.0, 1.0, std), std == 0.0

    @cached_property
    def _bins(self):
        """The column, the lower edge and the width of each bin, `[T]`."""
        edges = [np.asarray(column.boundaries, "float64") for column in self.columns]
        counts = [column.num_bins for column in self.columns]
        low = np.concatenate([edge[:-1] for edge in edges])
        width = np.concatenate([np.diff(edge) for edge in edges])
        return np.repeat(np.arange(len(edges)), counts), low, width

    @cached_property
    def _indicated(self):
        return [number for number, column in enumerate(self.columns) if column.has_missing]

    def __call__(self, values):
        """Encodes numbers; see `Features.encode`.

        Args:
            values: float64 `[N, n]`, NaN where missing; infinite values are allowed.

        Returns:
            float32 `[N, D]`.
        """
        n, bins = len(self.columns), len(self._bins[0])
        encoded = np.empty((len(values), n + bins + len(self._indicated)), "float32")
        for start in range(0, len(values), _ROWS):
            rows = slice(start, start + _ROWS)
            self._encode(values[rows], encoded[rows])
        return encoded

    def _encode(self, values, encoded):
        n, (column_of_bin, low, width) = len(self.columns), self._bins
        mean, std, constant = self._statistics
        missing = np.isnan(values)
        # Any number will do, these are zeroed below. A copy: the values are the caller's.
        values = np.where(missing, mean, values)
        with np.errstate(over="ignore"):
            standardised = (values - mean) / std
            filled = values[:, column_of_bin]
            filled -= low
            filled /= width
        np.clip(standardised, -MAX_STANDARDISED, MAX_STANDARDISED, out=standardised)
        np.clip(filled, 0.0, 1.0, out=filled)
        standardised[missing | constant] = 0.0
        if missing.any():
            filled[missing[:, column_of_bin]] = 0.0
        encoded[:, :n] = standardised
        encoded[:, n : n + len(low)] = filled
        encoded[:, n + len(low) :] = missing[:, self._indicated]
