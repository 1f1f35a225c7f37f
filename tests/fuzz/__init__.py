"""Fuzzers: random cases that nobody thought of, made from a seed.

A fuzzer makes cases and runs them, in a process of its own so that a crash is seen:

    python -m tests.fuzz.data_files --seed 7 --cases 2000

A case depends on the seed and its number alone. A failure prints the command that repeats it. The
tests beside run a few cases of a fixed seed; SPARSE_KERAS_FUZZ_CASES and SPARSE_KERAS_FUZZ_SEED
change that.
"""
