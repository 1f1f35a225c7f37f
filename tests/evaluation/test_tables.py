"""What the note below a comparison says."""

import pytest

from sparse_keras.evaluation.tables import note


@pytest.mark.parametrize(
    "split, expected",
    [
        (None, ""),
        ({"fixed": [], "description": "split at random"}, ""),
        (
            {"fixed": ["test"], "description": "test rows of the publisher"},
            "The test rows are the same for all seeds, which change the validation rows and the "
            "initial weights (test rows of the publisher)",
        ),
        (
            {"fixed": ["train", "validation", "test"], "description": "split by time 't'"},
            "The rows are the same for all seeds, which change the initial weights and the order "
            "of the training rows only (split by time 't')",
        ),
    ],
)
def test_rows_that_are_the_same_for_all_seeds(split, expected):
    content = {"seeds": [0, 1, 2], "tuning": "Fixed.", "left_out": {}, "machine": None}
    text = note(content | {"data": {"name": "t"} | ({"split": split} if split else {})})
    assert expected in text
    assert ("for all seeds" in text) == bool(expected)


@pytest.mark.parametrize(
    "load, expected",
    [({}, "2 cores."), ({"load": 2.1}, "2 cores."), ({"load": 6.0}, "load average 6")],
)
def test_times_beside_other_work(load, expected):
    machine = {"cpu": "A", "cores": 2, **load}
    content = {"seeds": [0, 1, 2], "tuning": "Fixed.", "left_out": {}, "machine": machine}
    assert expected in note(content | {"data": {"name": "t"}})
