"""Fuzzers: random cases that nobody thought of, made from a seed.

    python -m tests.fuzz.data_files --seed 7 --cases 2000     files of tables and matrices
    python -m tests.fuzz.keras_files --seed 7 --cases 2000    damaged .keras files
    python -m tests.fuzz.yaml_configs --seed 7 --cases 2000   configs
    python -m tests.fuzz.kills --seed 7 --cases 20            trainings that are interrupted, slow
    SPARSE_KERAS_FUZZ_CASES=2000 pytest tests/fuzz/test_layers.py   layers against naive loops
    SPARSE_KERAS_FUZZ_CASES=2000 pytest tests/fuzz/test_columns.py  kinds of columns

A case depends on the seed and its number alone. A failure prints the command that repeats it. The
tests beside run a few cases of a fixed seed; SPARSE_KERAS_FUZZ_CASES (SPARSE_KERAS_FUZZ_KILLS for
kills) and SPARSE_KERAS_FUZZ_SEED change that. Data files are read in a process of its own, since
some have ended it.
"""
