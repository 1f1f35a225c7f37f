"""The nearest valid name in error messages."""

import pytest

from sparse_keras._internal.suggest import did_you_mean, listing, nearest


@pytest.mark.parametrize(
    "name, expected",
    [("adlut", ["Adult"]), ("ADULT", ["Adult"]), ("zzzz", []), (7, ["7"])],
)
def test_nearest(name, expected):
    assert nearest(name, ["Adult", "letter", 7]) == expected


def test_nearest_of_all_options_come_best_first():
    assert nearest("abc", ["xyz", "abd", "axy"], n=3, cutoff=0.0) == ["abd", "axy", "xyz"]


def test_did_you_mean():
    assert did_you_mean("adlut", ["Adult"]) == " Did you mean 'Adult'?"
    assert did_you_mean("adlut", ["Adult"], in_brackets=True) == " (did you mean 'Adult'?)"
    assert did_you_mean("zzzz", ["Adult"]) == did_you_mean("zzzz", [], in_brackets=True) == ""


def test_listing():
    assert listing(["a", 1]) == "'a', '1'"
    assert listing("abc", limit=2) == "'a', 'b' and 1 more"
