"""`sparse-keras export`: a run's model as a SavedModel that takes raw rows, once it is checked.

The SavedModel is written beside its place, loaded, and compared with the model on the run's test
rows; only one that predicts the same is moved there.
"""

import os
import tempfile
from pathlib import Path

from sparse_keras.cli.arguments import add_run, trained_run
from sparse_keras.cli.quiet import quiet_start

# Of probabilities; of a regression, in standard deviations of the target.
TOLERANCE = 1e-5
_ROWS = 4096  # in a batch of the check

_EXAMPLES = """examples:
  sparse-keras export runs/tabular/sparse_mlp_adult/2026-01-31_12-00-00
  sparse-keras export runs/tabular/sparse_mlp_adult/2026-01-31_12-00-00 serving/adult/1
"""


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "export",
        help="export a run's model for serving",
        description="Export a run's model as a TensorFlow SavedModel that takes raw rows, one "
        "tensor for each column. It is compared with the model on the test rows; if they differ, "
        "nothing is left behind and the exit code is 1. Nothing is overwritten.",
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


def run(args):
    target = Path(args.folder or Path(args.run_folder, "saved_model"))
    if os.path.lexists(target):
        raise ValueError(f"{target} exists already; nothing was written.")
    config, model = trained_run(args)
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
        good = difference <= TOLERANCE  # NaN is not.
        if good:
            exported.rename(target)

    compared = (
        f"largest difference to the model on {len(rows):,} test rows: {difference:.1e} "
        f"({'at most' if good else 'more than'} {TOLERANCE:g})"
    )
    if not good:
        raise ArithmeticError(f"{compared}; nothing was written to {target}.")
    print(compared)
    print(f"wrote {target}")
    return 0


def largest_difference(model, exported, rows):
    """How far a SavedModel is from the model it was made from.

    Args:
        model: The `PreprocessedModel`.
        exported: Folder of the SavedModel.
        rows: DataFrame of raw rows. The first goes alone, for a batch of one.

    Returns:
        The largest difference of a prediction of any target, in standard deviations of a
        regression's.
    """
    import numpy as np
    import tensorflow as tf

    from sparse_keras.data.tabular.csr import SparseTable
    from sparse_keras.data.tabular.tensorflow_csr_export import csr_tensors
    from sparse_keras.data.tabular.tensorflow_export import raw_tensors
    from sparse_keras.tasks import MultiTask

    loaded = tf.saved_model.load(exported)
    task = model.preprocessor.task
    several = isinstance(task, MultiTask)
    units = {one.name if several else "prediction": one.scale for one in task.tasks}
    differences = []
    for start, end in _batches(len(rows)):
        if isinstance(rows, SparseTable):
            batch = rows[start:end]
            tensors = csr_tensors(batch.matrix)
        else:
            batch = rows.iloc[start:end]
            tensors = raw_tensors(model.preprocessor.features, batch)
        served = loaded.serve({name: tf.constant(array) for name, array in tensors.items()})
        expected = model.predict(batch, batch_size=len(batch), verbose=0)
        if not several:
            expected = {"prediction": expected}
        for name, array in expected.items():
            difference = np.abs(served[name].numpy() - array).max()
            differences.append(difference / units.get(name, 1.0))
    return float(np.max(differences))


def _batches(num_rows):
    """The first row, and then batches of at most `_ROWS`: pairs (first, past the last)."""
    edges = [0, *range(1, num_rows, _ROWS), num_rows]
    return list(zip(edges[:-1], edges[1:], strict=True))
