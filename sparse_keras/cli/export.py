"""`sparse-keras export`: exports a run's model as a SavedModel that takes raw rows.

The SavedModel is written to a temporary folder, loaded, and compared with the model on the run's
test rows. It is moved to its folder only if the predictions agree.
"""

import argparse
import os
from pathlib import Path
from typing import Any

from sparse_keras._internal.atomic import new_folder
from sparse_keras.cli.arguments import add_run, data_of_run, trained_run
from sparse_keras.cli.quiet import quiet_start
from sparse_keras.cli.tabular import check_tabular, largest_difference

# For probabilities; for regression, in standard deviations of the target.
TOLERANCE = 1e-5

_EXAMPLES = """examples:
  sparse-keras export runs/tabular/sparse_mlp_adult/2026-01-31_12-00-00
  sparse-keras export runs/tabular/sparse_mlp_adult/2026-01-31_12-00-00 serving/adult/1
"""

_INSTEAD = "Or export without a comparison in Python, with load_model(RUN).export(FOLDER)."


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
    config, model = trained_run(args, own_data=True, instead=_INSTEAD)
    check_tabular(model, "`sparse-keras export`")
    rows = data_of_run(args, config, _INSTEAD).frames["test"]
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with new_folder(target) as folder, quiet_start():
            model.export(folder)
            difference = largest_difference(model, folder, rows)
            comparison = (
                f"largest difference from the model on {len(rows):,} test rows: {difference:.1e}"
            )
            if not difference <= TOLERANCE:  # NaN is not, either.
                raise ArithmeticError(
                    f"{comparison} (more than {TOLERANCE:g}); nothing was written to {target}."
                )
    except FileExistsError:
        raise ValueError(
            f"{target} was written by another process meanwhile; it is unchanged."
        ) from None
    print(f"{comparison} (at most {TOLERANCE:g})")
    print(f"wrote {target}")
    return 0
