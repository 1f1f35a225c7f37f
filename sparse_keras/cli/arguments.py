"""Arguments that several verbs have, and what becomes of them."""

import tempfile
from pathlib import Path

from sparse_keras.cli.quiet import start_backend
from sparse_keras.schema import load_config
from sparse_keras.training.runs.folder import config_of_model


def add_config(parser, **kwargs):
    """The positional CONFIG."""
    parser.add_argument(
        "config",
        metavar="CONFIG",
        help="a name from `sparse-keras list`, or a path to a .yaml file",
        **kwargs,
    )


def add_overrides(parser):
    """`--set` and `--seed`, which change values of the config."""
    add_set(parser)
    parser.add_argument("--seed", metavar="N", help="the same as --set training.seed=N")


def add_set(parser):
    """`--set`, which changes values of the config."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="PATH=VALUE",
        help="change a value of the config, such as training.epochs=5; may be given many times",
    )


def overrides_of(args):
    """All overrides that the arguments give."""
    overrides = list(args.overrides)
    if args.seed is not None:
        overrides.append(f"training.seed={args.seed}")
    return overrides


def config_of(args):
    """The config that the arguments name, overrides included."""
    return load_config(args.config, overrides_of(args))


def add_run(parser):
    """The positional RUN."""
    parser.add_argument(
        "run_folder", metavar="RUN", help="a folder that `sparse-keras train` wrote"
    )


def trained_run(args):
    """The config and the `PreprocessedModel` of the run that the arguments name."""
    folder = Path(args.run_folder)
    config = load_config(config_of_model(folder))
    start_backend()
    from sparse_keras.models import PreprocessedModel
    from sparse_keras.training.load_model import load_model

    model = load_model(folder)
    if not isinstance(model, PreprocessedModel):
        raise ValueError(
            f"The model in {folder} does not encode raw rows itself. Expected a PreprocessedModel, "
            f"as `sparse-keras train` writes it. Found: {type(model).__name__}."
        )
    return config, model


def check_output(path):
    """Raises a ValueError if no file can be written at a path, before what takes long."""
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder. Expected the name of a file to write.")
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}.")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ValueError(
            f"{path}: no file can be written to the folder {path.parent} ({error.strerror})."
        ) from error


def add_table_format(parser):
    """`--separator` and `--decimal`, for a CSV file that is written unlike the run's own."""
    parser.add_argument(
        "--separator", metavar="C", help="of a CSV file: the character between columns"
    )
    parser.add_argument("--decimal", metavar="C", help="of a CSV file: the decimal point")


def table_format(args, path, config, features, keep=()):
    """The arguments of `data.table_files.open_table` for a file like the run's own.

    Columns of categories, and those that are only kept, stay as they are written, whatever else the
    part of the file holds that is read with them.

    Args:
        args: Those of `add_table_format`.
        path: The file.
        config: The run's `Config`.
        features: The model's `data.Features`.
        keep: Columns that are only kept.

    Raises:
        ValueError: If there are such arguments for a file that is no CSV file.
    """
    from sparse_keras.data.tabular.table_files import is_csv  # Imports pandas.

    if not is_csv(path):
        refuse_table_format(args, f"{path} is no CSV file")
    own = None if Path(path).suffix.lower() == ".tsv" else getattr(config.data, "separator", None)
    numeric = {column.name for column in features.numeric}
    text = {column.name for column in features.categorical} | (set(keep) - numeric)
    if features.sparse is not None:
        text |= set(features.sparse.columns)
    return {
        "separator": args.separator or own,
        "decimal": args.decimal or getattr(config.data, "decimal", "."),
        "text": tuple(text),
    }


def is_of_matrix(features):
    """Whether a model reads matrices that are mostly zeros, and so no tables."""
    from sparse_keras.data import SparseColumns

    return isinstance(features.sparse, SparseColumns)


def read_matrix_of(args, path, config, features):
    """The `SparseTable` of a file, for a model that reads matrices."""
    from sparse_keras.data.tabular.csr.files import read_matrix

    refuse_table_format(args, f"{path} is no CSV file")
    zero_based = getattr(config.data, "zero_based", False)
    return read_matrix(path, features.sparse_dim, zero_based)


def refuse_table_format(args, reason):
    """Raises an error if there are arguments of `add_table_format`, which would change nothing."""
    for name in ("separator", "decimal"):
        if getattr(args, name) is not None:
            raise ValueError(f"--{name} has no effect: {reason}.")
