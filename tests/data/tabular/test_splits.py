"""Rows held out."""

import numpy as np
import pandas as pd
import pytest

from sparse_keras.data import Target
from sparse_keras.data.tabular.splits import held_out_rows, hold_out


def test_every_class_gives_its_share():
    # 20 % of 50, 30, 20 rows: 10, 6, 4.
    classes = np.repeat([0, 1, 2], [50, 30, 20])
    held = held_out_rows(classes, 0.2, seed=0)
    assert np.bincount(classes[held]).tolist() == [10, 6, 4]


def test_rounding_goes_to_the_largest_remainders():
    # 25 % of 7, 6, 7 rows: 1.75, 1.5, 1.75. Rounded down 3 rows, wanted 5: the two 1.75 give one.
    classes = np.repeat([0, 1, 2], [7, 6, 7])
    assert np.bincount(classes[held_out_rows(classes, 0.25, seed=0)]).tolist() == [2, 1, 2]


def test_every_class_keeps_a_row():
    classes = np.array([0] * 10 + [1])
    for seed in range(20):
        assert not held_out_rows(classes, 0.5, seed)[-1]


def test_seeded_and_without_overlap():
    frame = pd.DataFrame({"x": range(100), "y": np.arange(100) / 7})
    target = Target("y", "regression")
    kept, held = hold_out(frame, target, 0.3, seed=1)
    assert len(held) == 30 and sorted([*kept.x, *held.x]) == list(range(100))
    assert kept.x.is_monotonic_increasing
    pd.testing.assert_frame_equal(held, hold_out(frame, target, 0.3, seed=1)[1])
    assert held.x.tolist() != hold_out(frame, target, 0.3, seed=2)[1].x.tolist()


def test_too_few_rows():
    frame = pd.DataFrame({"y": [1.0, 2.0, 3.0]})
    with pytest.raises(ValueError, match="test_fraction: 0.1 of 3 rows leaves 0 rows held out"):
        hold_out(frame, Target("y", "regression"), 0.1, seed=0, name="test_fraction")
