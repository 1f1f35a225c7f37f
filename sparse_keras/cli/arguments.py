"""Arguments that several verbs share."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparse_keras._internal.checkpoint_names import DECODERS
from sparse_keras.cli.quiet import start_backend
from sparse_keras.schema import Config, load_config
from sparse_keras.training.runs.finding import LAST, OUTPUT, newest_finished_run
from sparse_keras.training.runs.folder import RunFolder

if TYPE_CHECKING:
    import keras

    from sparse_keras.data import Batches, Dataset


def add_config(parser: argparse.ArgumentParser, **kwargs: Any) -> None:
    """Adds the positional CONFIG."""
    parser.add_argument(
        "config",
        metavar="CONFIG",
        help="a name from `sparse-keras list`, or a path to a .yaml file",
        **kwargs,
    )


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Adds `--set` and `--seed`, which change values of the config."""
    add_set(parser)
    parser.add_argument("--seed", metavar="N", help="the same as --set training.seed=N")


def add_set(parser: argparse.ArgumentParser) -> None:
    """Adds `--set`, which changes values of the config."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="PATH=VALUE",
        help="change a value of the config, such as training.epochs=5; may be repeated",
    )


def overrides_of(args: argparse.Namespace) -> list[str]:
    """Returns the overrides in the arguments."""
    overrides = list(args.overrides)
    if args.seed is not None:
        overrides.append(f"training.seed={args.seed}")
    return overrides


def config_of(args: argparse.Namespace) -> Config:
    """Loads the config, with its overrides."""
    return load_config(args.config, overrides_of(args))


def add_run(parser: argparse.ArgumentParser, file: bool = False, checkpoint: bool = False) -> None:
    """Adds the positional RUN.

    Args:
        parser: The parser of the verb.
        file: Whether it may also be a `.keras` file.
        checkpoint: Whether it may also be a published model.
    """
    parser.add_argument(
        "run_folder",
        metavar="RUN",
        help="the folder of a run, written by `sparse-keras train`; or `last`: the newest finished "
        f"run in the folder {OUTPUT!r} (a folder called last is ./last)"
        + ("; or a .keras file" if file else "")
        + (
            "; or a published model: a folder with config.json, a .gguf or .safetensors file, or "
            f"the name of one that is downloaded once: {', '.join(DECODERS)}"
            if checkpoint
            else ""
        ),
    )


def name_last_run(args: argparse.Namespace) -> None:
    """Puts the folder of the newest finished run in the place of a RUN that is `last`.

    Raises:
        ValueError: If there is none.
    """
    if getattr(args, "run_folder", None) == LAST:
        args.run_folder = str(newest_finished_run().path)
        print(f"{LAST}: {args.run_folder}", file=sys.stderr)


def add_threshold(parser: argparse.ArgumentParser) -> None:
    """Adds `--threshold`, another threshold than the one that is saved with the model."""
    parser.add_argument(
        "--threshold",
        metavar="X",
        help="the probability from which on a row is predicted to be of the positive class, or to "
        "have a label (default: the one saved with the model)",
    )


def set_threshold(args: argparse.Namespace, model: keras.Model) -> None:
    """Sets the threshold of a model to that of the arguments, if there is one."""
    if args.threshold is None:
        return
    try:
        threshold = float(args.threshold)
    except ValueError:
        threshold = args.threshold
    if not hasattr(model, "threshold"):
        raise ValueError("--threshold: this model has no preprocessing, and no threshold with it.")
    try:
        model.threshold = threshold
    except ValueError as error:
        raise ValueError(f"--threshold: {error}") from None


def trained_run(
    args: argparse.Namespace, own_data: bool = False, instead: str = ""
) -> tuple[Config, keras.Model]:
    """Loads the config and the model of a run: a `PreprocessedModel`, unless its data go into the
    network as they are.

    Args:
        args: The arguments.
        own_data: Whether the run's own data are needed: see `data_of_run`, which must be called
            then.
        instead: What to do if they have changed or are not there, a sentence.
    """
    folder = RunFolder(args.run_folder)
    config = folder.config_of_model()
    if own_data:  # As early as it can be seen.
        folder.check_unchanged(config, instead=instead)
    start_backend()
    from sparse_keras.training.load_model import load_model

    return config, load_model(args.run_folder)


def data_of_run(args: argparse.Namespace, config: Config, instead: str) -> Dataset:
    """Loads the data of a run, as they were when it was trained.

    Raises:
        ValueError: If they have changed since. It ends with `instead`, which says what else to do.
    """
    from sparse_keras.data import load_data

    data = load_data(config)
    RunFolder(args.run_folder).check_unchanged(config, data, instead)
    return data


def add_part(parser: Any, *aliases: str) -> None:
    """Adds `--part`, which selects a part of the run's own data."""
    parser.add_argument(
        "--part",
        *aliases,
        choices=["train", "validation", "test"],
        default="test",
        help="a part of the run's own data (default: %(default)s)",
    )


def batches_of_part(data: Dataset, part: str) -> Batches:
    """Returns the batches of a part of a data set.

    Raises:
        ValueError: If there is no such part.
    """
    batches = getattr(data, part)
    if batches is None:
        raise ValueError(f"--part {part}: the data of this run have no {part} part.")
    return batches


def add_page(parser: argparse.ArgumentParser, name: str) -> None:
    """Adds `--output` and `--overwrite`, for a page that is by default in the run's folder.

    Args:
        parser: The parser of the verb.
        name: The name of the page's file.
    """
    parser.add_argument(
        "--output",
        metavar="FILE",
        help=f"the page to write (default: {name} in the run folder)",
    )
    parser.add_argument("--overwrite", action="store_true", help="overwrite the page")


def new_page(args: argparse.Namespace, name: str) -> Path:
    """Returns the path of the page to write, according to the arguments of `add_page`.

    Raises:
        ValueError: If there is a file already, without `--overwrite`, or none can be written.
    """
    page = Path(args.output or Path(args.run_folder, name))
    check_output(page)
    if page.exists() and not args.overwrite:
        raise ValueError(
            f"{page} is there already; --overwrite replaces it, --output FILE writes another one."
        )
    return page


def check_output(path: str | Path) -> None:
    """Raises a `ValueError` if no file can be written at a path, before a long computation."""
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
