"""`sparse-keras check`: validates configs, without training them."""

import argparse
import fnmatch
import glob
import sys
from typing import Any

from sparse_keras.cli.arguments import add_overrides, overrides_of
from sparse_keras.cli.output import console
from sparse_keras.cli.quiet import quiet_start
from sparse_keras.cli.tabular import table_of_columns
from sparse_keras.schema import ConfigError, load_config
from sparse_keras.schema.core.errors import Problem
from sparse_keras.schema.zoo import config_names

_EXAMPLES = """examples:
  sparse-keras check churn.yaml
  sparse-keras check 'experiments/*.yaml' tabular/sparse_mlp_adult
  sparse-keras check tabular/sparse_mlp_breast_cancer --build
"""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "check",
        help="validate configs, without training",
        description="Validate configs and list all errors of all files, with their lines. The exit "
        "code is 2 if there is an error.",
        epilog=_EXAMPLES,
    )
    parser.add_argument(
        "configs",
        nargs="+",
        metavar="CONFIG",
        help="names from `sparse-keras list`, or paths to .yaml files; wildcards are allowed",
    )
    add_overrides(parser)
    parser.add_argument(
        "--build",
        action="store_true",
        help="also read the data and show its inputs, build the model, and train it on one batch",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    invalid = 0
    references = [reference for pattern in args.configs for reference in _expand(pattern)]
    for reference in references:
        try:
            config = load_config(reference, overrides_of(args))
            _refuse_missing_file(config)
            summary = _built(config) if args.build else "ok"
        except (ValueError, OSError) as error:
            if args.debug:
                raise
            invalid += 1
            # The message of a problem with a position starts with the name of the file.
            located = isinstance(error, ConfigError) and error.problems
            print(error if located else f"{reference}: {error}", file=sys.stderr)
        else:
            print(f"{reference}: {summary}")
    if len(references) > 1:
        print(f"{len(references) - invalid} of {len(references)} are valid")
    return 2 if invalid else 0


def _expand(pattern):
    """Returns the files that a pattern matches, or else the shipped configs."""
    if not set(pattern) & set("*?["):
        return [pattern]
    return sorted(glob.glob(pattern)) or fnmatch.filter(config_names(), pattern) or [pattern]


def _refuse_missing_file(config):
    for key, path in config.missing_files().items():
        raise ConfigError(Problem(config.mark(*key.split(".")), key, f"there is no file {path}"))


def _built(config):
    """Builds the model and trains it on one batch. Returns a summary."""
    if config.data is None:
        return "ok; without data, the model cannot be built"
    with quiet_start():
        import numpy as np

        from sparse_keras.data import load_data
        from sparse_keras.models import preprocessed, total_params
        from sparse_keras.training.building import build_model
        from sparse_keras.training.callbacks import training_callbacks

        data = load_data(config)
        model = build_model(config, data)
        whole = model if data.preprocessor is None else preprocessed(model, data.preprocessor)
        training_callbacks(config, whole, data)
        summary = f"{data!r}; {total_params(model):,} parameters"
        if config.optimizer is None:
            model(data.train[0][0])
            return f"ok; {summary}; no optimizer: one batch was predicted instead of trained"
        loss = model.train_on_batch(*data.train[0], return_dict=True)["loss"]
    if not np.isfinite(loss):
        raise ValueError(f"the loss of the first batch is {loss}")
    if (table := table_of_columns(data)) is not None:
        console(width=160).print(table)
    return f"ok; {summary}; loss of the first batch {loss:.4f}"
