"""A few cases of the fuzzer of configs; `tests/fuzz/__init__.py` says how to run many."""

import os

from tests.fuzz.yaml_configs import main

CASES = os.environ.get("SPARSE_KERAS_FUZZ_CASES", "20")
SEED = os.environ.get("SPARSE_KERAS_FUZZ_SEED", "0")


def test_hostile_configs_are_valid_or_refused_with_a_position(capsys):
    assert main(["--seed", SEED, "--cases", CASES]) == 0, capsys.readouterr().out[-4000:]
    # Some get past the parser, and are read to the end.
    assert not capsys.readouterr().out.endswith(" 0 valid\n")
