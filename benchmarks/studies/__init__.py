"""Studies: experiments with data whose rules are known, each one command.

    python -m benchmarks.studies.mmoe_synthetic     # the MMoE paper's experiment
    python -m benchmarks.studies.planted_regions    # when do experts help?

Each writes `results/studies/NAME.json`, draws `docs/studies/NAME.svg` from it and renders its
tables in `docs/studies.md`. `--docs` only draws and renders; `--quick` tries everything at sizes
that take seconds and writes elsewhere.
"""
