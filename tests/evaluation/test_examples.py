"""Examples of data sets that are not tables, in batches of another class than `ArrayBatches`."""

import keras
import numpy as np
import pytest

from sparse_keras.data.batches import arrays_of, num_examples
from sparse_keras.evaluation.examples import take


class Pairs(keras.utils.PyDataset):
    """Batches of 4, 4 and 2 examples with two inputs."""

    def __init__(self, weighted):
        super().__init__()
        self.rows, self.weighted = np.arange(10.0), weighted

    def __len__(self):
        return 3

    def __getitem__(self, index):
        rows = self.rows[4 * index : 4 * index + 4]
        batch = {"a": rows, "b": np.stack([rows, -rows], axis=1)}, 2 * rows
        return (*batch, rows + 1) if self.weighted else batch


@pytest.mark.parametrize("weighted", [False, True])
def test_batches_are_joined(weighted):
    batches = Pairs(weighted)
    x, y, weight = arrays_of(batches)
    np.testing.assert_array_equal(x["a"], batches.rows)
    assert x["b"].shape == (10, 2)
    np.testing.assert_array_equal(y, 2 * batches.rows)
    assert weight is None if not weighted else (weight == batches.rows + 1).all()
    assert num_examples(batches) == 10
    example = take(x, slice(7, 8))
    assert example["a"] == [7.0] and example["b"].tolist() == [[7.0, -7.0]]
