"""Batches: their order, their sizes, and what `fit` makes of them."""

import keras
import numpy as np
import pytest

from sparse_keras.data import ArrayBatches


def batches(rows=10, **kwargs):
    inputs = {
        "numeric": np.arange(rows, dtype="float32")[:, None],
        "categorical": np.arange(rows, dtype="int32")[:, None],
    }
    return ArrayBatches(inputs, np.arange(rows, dtype="float32"), **kwargs)


def order(data):
    return np.concatenate([y for _, y in data]).tolist()


def test_the_last_partial_batch_is_kept():
    data = batches(batch_size=4)
    assert len(data) == 3 and [len(y) for _, y in data] == [4, 4, 2]
    x, y = data[2]
    assert x["numeric"].tolist() == [[8.0], [9.0]] and y.tolist() == [8.0, 9.0]
    with pytest.raises(IndexError, match="from 0 to 2. Received: 3"):
        data[3]


def test_a_single_input_is_bare():
    data = ArrayBatches({"numeric": np.ones((3, 2), "float32")}, np.ones(3), batch_size=2)
    assert data[0][0].shape == (2, 2) and data.x.shape == (3, 2)


def test_rows_stay_together():
    for x, y in batches(batch_size=3, shuffle=True):
        assert x["numeric"][:, 0].tolist() == x["categorical"][:, 0].tolist() == y.tolist()


def test_order_depends_on_seed_and_epoch_only():
    data = batches(rows=50, batch_size=7, shuffle=True, seed=3)
    first = order(data)
    assert sorted(first) == list(range(50)) and first != sorted(first)
    assert order(data) == first  # reading does not advance
    data.epoch = 1
    second = order(data)
    assert second != first
    np.random.seed(99)
    other = batches(rows=50, batch_size=7, shuffle=True, seed=3)
    other.epoch = 1
    assert order(other) == second
    other.epoch = 0
    assert order(other) == first
    assert order(batches(rows=50, batch_size=7, shuffle=True, seed=4)) != first


def test_without_shuffle_the_order_is_the_rows():
    data = batches(batch_size=4)
    data.epoch = 5
    assert order(data) == list(range(10))


def test_fit_serves_epochs_0_1_2():
    served = []

    class Recorder(ArrayBatches):
        def on_epoch_begin(self):
            super().on_epoch_begin()
            served.append(self.epoch)

    rows = np.ones((10, 2), "float32")
    data = Recorder({"numeric": rows}, rows[:, :1], batch_size=4, shuffle=True)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(data, epochs=3, shuffle=False, verbose=0)
    assert served == [0, 1, 2] and data.epoch == 3


@pytest.mark.parametrize(
    "inputs, kwargs, message",
    [
        ({"numeric": np.ones((3, 1))}, {}, r"same number of examples.*'numeric': 3, 'targets': 2"),
        ({"numeric": np.ones((2, 1))}, {"batch_size": 0}, "batch_size must be at least 1"),
    ],
)
def test_bad_arguments(inputs, kwargs, message):
    with pytest.raises(ValueError, match=message):
        ArrayBatches(inputs, np.ones(2), **kwargs)
