"""Which cases of a test the default run takes; the others run with `-m slow`, and in CI."""

import pytest


def slow_but_for(quick, cases):
    """Marks the cases that are not in `quick` as slow.

    Args:
        quick: The cases of the default run, each of which must be a case.
        cases: Iterable of all cases, as `pytest.mark.parametrize` takes them.
    """
    cases = list(cases)
    if unknown := [case for case in quick if case not in cases]:
        raise ValueError(f"No cases: {unknown}.")
    return [
        case
        if case in quick
        else pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)
        for case in cases
    ]
