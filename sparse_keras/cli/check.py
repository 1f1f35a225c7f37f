"""`sparse-keras check`: whether configs are right, without training them."""

import fnmatch
import glob
import os
import sys

from rich.console import Console
from rich.table import Table

from sparse_keras.cli.arguments import add_overrides, overrides_of
from sparse_keras.cli.quiet import quiet_start
from sparse_keras.schema import ConfigError, load_config
from sparse_keras.schema.core.errors import Problem
from sparse_keras.schema.zoo import config_names

_EXAMPLES = """examples:
  sparse-keras check churn.yaml
  sparse-keras check 'experiments/*.yaml' tabular/sparse_mlp_adult
  sparse-keras check tabular/sparse_mlp_breast_cancer --build
"""


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "check",
        help="check configs, without training",
        description="Check configs: all mistakes of all files, each with its line. Exit code 2 if "
        "there is one.",
        epilog=_EXAMPLES,
    )
    parser.add_argument(
        "configs",
        nargs="+",
        metavar="CONFIG",
        help="names from `sparse-keras list`, or paths to .yaml files, with wildcards too",
    )
    add_overrides(parser)
    parser.add_argument(
        "--build",
        action="store_true",
        help="read the data and show its columns, build the model, train it on one batch",
    )
    return parser


def run(args):
    bad = 0
    references = [found for given in args.configs for found in _expand(given)]
    for reference in references:
        try:
            config = load_config(reference, overrides_of(args))
            _refuse_missing_file(config)
            told = _built(config) if args.build else "ok"
        except (ValueError, OSError) as error:
            if args.debug:
                raise
            bad += 1
            # A problem with a position names its file itself.
            located = isinstance(error, ConfigError) and error.problems
            print(error if located else f"{reference}: {error}", file=sys.stderr)
        else:
            print(f"{reference}: {told}")
    if len(references) > 1:
        print(f"{len(references) - bad} of {len(references)} are right")
    return 2 if bad else 0


def _expand(given):
    """The files, or else the shipped configs, that a name with wildcards means."""
    if not set(given) & set("*?["):
        return [given]
    return sorted(glob.glob(given)) or fnmatch.filter(config_names(), given) or [given]


def _refuse_missing_file(config):
    for key in config.data.FILES if config.data is not None else ():
        path = getattr(config.data, key)
        if not os.path.isfile(path):
            raise ConfigError(
                Problem(config.mark("data", key), f"data.{key}", f"there is no file {path}")
            )


def _show_columns(data):
    """What became of each column of the table."""
    table = Table("column", "kind", "", box=None, pad_edge=False)
    for row in data.features.kinds(data.frames["train"]):
        table.add_row(*row)
    Console(highlight=False, markup=False).print(table)


def _built(config):
    """Trains one batch, and says with what."""
    if config.data is None:
        return "ok; a base without data, which cannot be built"
    with quiet_start():
        import numpy as np

        from sparse_keras.data import load_data
        from sparse_keras.models import total_params
        from sparse_keras.training.building import build_model
        from sparse_keras.training.train import callbacks_of

        data = load_data(config)
        model = build_model(config, data)
        callbacks_of(config, model, data)
        told = f"{data!r}; {total_params(model):,} parameters"
        if config.optimizer is None:
            model(data.train[0][0])
            return f"ok; {told}; no optimizer, so one batch was only computed"
        loss = model.train_on_batch(*data.train[0], return_dict=True)["loss"]
    if not np.isfinite(loss):
        raise ValueError(f"the loss of the first batch is {loss}")
    _show_columns(data)
    return f"ok; {told}; loss of the first batch {loss:.4f}"
