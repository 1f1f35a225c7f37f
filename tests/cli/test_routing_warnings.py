"""Warnings about routings are told as sentences, and others left alone."""

import warnings

import pytest

from sparse_keras.cli.compare import _Progress
from sparse_keras.cli.routing_warnings import routing_warnings
from sparse_keras.layers.mixtures.routing_warnings import RoutingWarning, warn


def test_only_those_about_routings_are_handed_on():
    told = []
    with pytest.warns(UserWarning, match="else") as others:
        with routing_warnings(told.append):
            warn("It has collapsed.")
            warn("It has collapsed.")  # Each, unlike Python's own.
            warnings.warn("Something else.", stacklevel=1)
    assert told == ["It has collapsed."] * 2
    assert [one.category for one in others] == [UserWarning]
    with pytest.warns(RoutingWarning):
        warn("As ever.")


def test_a_comparison_tells_them_below_the_result_they_are_of(capsys):
    progress = _Progress()
    progress.warn("It has collapsed.")
    contender = type("Contender", (), {"name": "moe", "label": "sparse experts"})
    progress(0, contender, {"metrics": {}, "costs": {"fit_seconds": 1.0}}, cached=False)
    progress(1, contender, {"metrics": {}, "costs": {"fit_seconds": 1.0}}, cached=False)
    first, second, third = capsys.readouterr().err.splitlines()
    assert first.startswith("seed 0") and third.startswith("seed 1")
    assert second == "warning: It has collapsed."
