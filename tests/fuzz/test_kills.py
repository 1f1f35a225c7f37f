"""A case of the fuzzer of interrupted trainings; `tests/fuzz/__init__.py` says how to run many.

A case takes some ten seconds, so that their number is a variable of its own.
"""

import os

import pytest

from tests.fuzz.kills import main

CASES = os.environ.get("SPARSE_KERAS_FUZZ_KILLS", "1")
SEED = os.environ.get("SPARSE_KERAS_FUZZ_SEED", "0")


@pytest.mark.slow
@pytest.mark.tensorflow
def test_interrupted_trainings_end_with_the_same_weights(capfd):
    assert main(["--seed", SEED, "--cases", CASES]) == 0, capfd.readouterr().err[-4000:]
