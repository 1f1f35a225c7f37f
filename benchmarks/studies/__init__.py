"""Studies: experiments that one can check, each one command.

    python -m benchmarks.studies.mmoe_synthetic     # the MMoE paper's experiment
    python -m benchmarks.studies.planted_regions    # when do experts help?
    python -m benchmarks.studies.loss_free_balance  # a bias instead of a balance loss

Each writes `results/studies/NAME.json`, draws `docs/studies/NAME.svg` from it and renders its
tables in `docs/studies.md`. `--docs` only draws and renders; `--quick` tries everything at sizes
that take seconds and writes elsewhere.
"""
