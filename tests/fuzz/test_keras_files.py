"""A few cases of the fuzzer of `.keras` files; `tests/fuzz/__init__.py` says how to run many."""

import os

from tests.fuzz.keras_files import main

CASES = os.environ.get("SPARSE_KERAS_FUZZ_CASES", "8")
SEED = os.environ.get("SPARSE_KERAS_FUZZ_SEED", "0")


def test_hostile_keras_files_are_loaded_or_refused_by_name(capsys):
    assert main(["--seed", SEED, "--cases", CASES]) == 0, capsys.readouterr().err[-4000:]
    # Some are changed where it does not matter.
    assert " 0 loaded" not in capsys.readouterr().out
