"""`sparse-keras export`: exports a run's model as a SavedModel that takes raw rows.

The SavedModel is written to a temporary folder, loaded, and compared with the model on the run's
test rows. It is moved to its folder only if the predictions agree.
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

from sparse_keras.cli.arguments import add_run, trained_run
from sparse_keras.cli.quiet import quiet_start
from sparse_keras.cli.tabular import check_tabular, largest_difference

# For probabilities; for regression, in standard deviations of the target.
TOLERANCE = 1e-5

_EXAMPLES = """examples:
  sparse-keras export runs/tabular/sparse_mlp_adult/2026-01-31_12-00-00
  sparse-keras export runs/tabular/sparse_mlp_adult/2026-01-31_12-00-00 serving/adult/1
"""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "export",
        help="export a run's model for serving",
        description="Export a run's model as a TensorFlow SavedModel that takes raw rows, one "
        "tensor for each column. It is compared with the model on the test rows; if predictions "
        "differ, nothing is written and the exit code is 1. Existing files are not overwritten.",
        epilog=_EXAMPLES,
    )
    add_run(parser)
    parser.add_argument(
        "folder",
        nargs="?",
        metavar="FOLDER",
        help="the new folder (default: saved_model in the run's folder)",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    target = Path(args.folder or Path(args.run_folder, "saved_model"))
    if os.path.lexists(target):
        raise ValueError(f"{target} exists already; nothing was written.")
    config, model = trained_run(args)
    check_tabular(model, "`sparse-keras export`")
    from sparse_keras.data import load_data

    rows = load_data(config).frames["test"]
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=f".{target.name}_", dir=target.parent) as folder,
        quiet_start(),
    ):
        exported = Path(folder, "saved_model")
        model.export(exported)
        difference = largest_difference(model, exported, rows)
        good = difference <= TOLERANCE  # False for NaN.
        if good:
            exported.rename(target)

    comparison = (
        f"largest difference from the model on {len(rows):,} test rows: {difference:.1e} "
        f"({'at most' if good else 'more than'} {TOLERANCE:g})"
    )
    if not good:
        raise ArithmeticError(f"{comparison}; nothing was written to {target}.")
    print(comparison)
    print(f"wrote {target}")
    return 0
