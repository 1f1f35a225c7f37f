"""A few cases of the fuzzer of data files; `tests/fuzz/__init__.py` says how to run many."""

import os
import subprocess
import sys

import pytest

CASES = os.environ.get("SPARSE_KERAS_FUZZ_CASES", "160")
SEED = os.environ.get("SPARSE_KERAS_FUZZ_SEED", "0")


@pytest.mark.slow
def test_hostile_data_files_are_read_or_refused_by_name():
    command = [sys.executable, "-m", "tests.fuzz.data_files", "--seed", SEED, "--cases", CASES]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    # After a crash the last line of the output is the command that repeats the case.
    assert run.returncode == 0, f"{run.stdout[-4000:]}\n{run.stderr[-4000:]}"
    assert f"{CASES} cases, 0 failed" in run.stdout
    # Some damage leaves a table.
    assert not run.stdout.endswith(" 0 read\n")
