"""`sparse-keras train`: trains a config and writes a run folder, or resumes a run."""

import shlex
import sys
from pathlib import Path

from rich.table import Table

from sparse_keras._internal.metric_text import metric_text
from sparse_keras.cli.arguments import add_config, add_overrides, config_of
from sparse_keras.cli.compare import SEEDS
from sparse_keras.cli.output import console
from sparse_keras.cli.quiet import start_backend
from sparse_keras.cli.report import PAGE, report_of
from sparse_keras.cli.routing_warnings import routing_warnings
from sparse_keras.cli.tabular import is_tabular
from sparse_keras.evaluation.published import is_of, published_result
from sparse_keras.schema import ConfigError
from sparse_keras.training.runs.finding import OUTPUT, newest_unfinished_run, unfinished_runs
from sparse_keras.training.runs.folder import CONFIG, RunFolder, import_arguments

_EXAMPLES = """examples:
  sparse-keras train tabular/sparse_mlp_adult
  sparse-keras train tabular/sparse_mlp_adult --seed 1 --set model.router.k=1
  sparse-keras train churn.yaml --output churn_runs --tensorboard
  sparse-keras train --resume churn_runs/churn/2026-01-31_12-00-00
  sparse-keras train churn.yaml --output churn_runs --resume last
  sparse-keras train churn.yaml --report
"""
_WIDEST = 100  # Wider commands stand without a remark.


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "train",
        help="train a config",
        description="Train a config, evaluate it on the test data, and write everything about the "
        "run to a folder.",
        epilog=_EXAMPLES,
    )
    add_config(parser, nargs="?")
    add_overrides(parser)
    parser.add_argument(
        "--output",
        metavar="DIR",
        help=f"the folder in which the run folder is created (default: {OUTPUT})",
    )
    parser.add_argument(
        "--resume",
        metavar="RUN",
        help="resume an unfinished run, whose folder has its config; or `last`: the newest "
        "unfinished run of CONFIG",
    )
    parser.add_argument(
        "--tensorboard",
        action="store_true",
        help="write logs for TensorBoard to the run folder, including the load of each expert",
    )
    parser.add_argument(
        "--report",
        action="store_true",
        help=f"also write {PAGE} to the run folder: see `sparse-keras report`",
    )
    return parser


def run(args):
    config, folder = _config_and_run(args)
    if args.report and config.model.GENERATES:
        raise ValueError(
            "--report: there is no report of a language model. Leave it out, and see "
            "`sparse-keras evaluate`, `inspect` and `generate` after the training."
        )

    start_backend()
    import sparse_keras
    from sparse_keras.cli.progress import EpochTable
    from sparse_keras.tasks.scores import remarks
    from sparse_keras.training.train import Interrupted

    screen = console()
    data = sparse_keras.load_data(config)
    screen.print(repr(data), soft_wrap=True)
    table = EpochTable(screen)
    try:
        with routing_warnings(table.warn):
            finished = sparse_keras.train(
                config,
                data,
                output=args.output or OUTPUT,
                callbacks=[table],
                verbose=0,
                resume=None if folder is None else folder.path,
                # A resumed run that has such logs continues them.
                tensorboard=args.tensorboard
                or (folder is not None and folder.tensorboard.exists()),
            )
    except Interrupted as interrupt:
        if args.debug:
            raise
        if interrupt.finished:
            print(f"interrupted; the run was finished before: {interrupt.folder}", file=sys.stderr)
        else:
            command = RunFolder(interrupt.folder).resuming_command
            print(f"interrupted; continue with: {command}", file=sys.stderr)
        return 1
    if len(finished.history["loss"]) < config.training.total_epochs(len(data.train)):
        screen.print(_stopping(config.training.early_stopping), soft_wrap=True)
    screen.print()
    screen.print(_metrics_table(config, finished.metrics))
    for sentence in remarks(getattr(finished.model, "task", data.task), finished.metrics, "_"):
        screen.print(sentence, soft_wrap=True)
    screen.print(f"\nrun folder  {finished.path}", soft_wrap=True)
    command = RunFolder(finished.path).read_environment()["command"]
    if command is not None:
        screen.print(f"again       {command}", soft_wrap=True)
    if args.report:
        report_of(finished, data, Path(finished.path, PAGE))
    screen.print(f"\n{next_steps(finished, args)}", soft_wrap=True)
    return 0


def next_steps(finished, args):
    """What can be done with a finished run: lines of commands that run as they are.

    Args:
        finished: The `Run`.
        args: The arguments of the command line.
    """
    path = str(finished.path)
    table = is_tabular(finished.model)
    config = args.config or str(Path(path, CONFIG))
    steps = [
        (["generate", path, "--temperature", "0.8"], "a new text; --prompt TEXT continues one"),
        (["report", path], "a page: is it any good, what it relies on, where it errs"),
        (["evaluate", path, *(["--data", "FILE"] if table else [])], "its metrics"),
        (["predict", path, "FILE", "--output", "predictions.csv"], "predict new rows"),
        (["compare", config, *_settings(args)], "against other models, over several seeds"),
    ]
    generates = finished.config.model.GENERATES
    left_out = ["report"] if generates or args.report else []
    left_out += [] if table else ["predict"]
    left_out += [] if generates else ["generate"]
    steps = [
        (shlex.join(["sparse-keras", *words, *import_arguments()]), what)
        for words, what in steps
        if words[0] not in left_out
    ]
    width = max(len(command) for command, _ in steps)
    if width > _WIDEST:  # Each in a line of its own.
        return "next\n" + "\n".join(f"  {command}" for command, _ in steps)
    return "next\n" + "\n".join(f"  {command:<{width}}  # {what}" for command, what in steps)


def _settings(args):
    """The values that `compare` is to set, as this training did; its seeds are its own."""
    settings = [each for each in args.overrides if each.partition("=")[0].strip() not in SEEDS]
    return [part for setting in settings for part in ("--set", setting)]


def _config_and_run(args):
    """Returns the config, and the `RunFolder` to resume or None."""
    if args.resume is None or args.resume == "last":
        if args.config is None:
            raise ValueError("Nothing to train: pass a CONFIG, or --resume RUN to resume a run.")
        config = config_of(args)
        _check_trainable(config)
        if args.resume is None:
            return config, None
        output = args.output or OUTPUT
        folder = newest_unfinished_run(output, config)
        for other in unfinished_runs(output, config)[1][:1]:
            print(f"also unfinished, with other values: {other.resuming_command}", file=sys.stderr)
        return config, folder

    given = {
        "CONFIG": args.config,
        "--set": args.overrides,
        "--seed": args.seed,
        "--output": args.output,
    }
    unused = [name for name, value in given.items() if value]
    if unused:
        raise ValueError(
            f"--resume uses the config in the run folder, and writes to that folder. Leave out "
            f"{' and '.join(unused)}."
        )
    folder = RunFolder(args.resume)
    config = folder.config_to_resume()
    folder.check_resumable(config)
    return config.renamed(folder.read_environment()["config"]), folder


def _check_trainable(config):
    """Raises a `ConfigError` before Keras starts if a config lacks what training needs."""
    if config.data is None:
        raise ConfigError(
            f"the config {config.name!r} has no data section, so there is nothing to train on. "
            "`sparse-keras init TABLE --target COLUMN` writes a config for a table of your own; or "
            f"write one with `extends: {config.reference}` and a data section, such as\n"
            "  data: {type: csv, path: churn.csv, target: churned}"
        )
    if config.optimizer is None:
        raise ConfigError(
            f"the config {config.name!r} has no optimizer section, which training needs, such as "
            "optimizer: {type: adam}, or --set optimizer.type=adam"
        )


def _stopping(stopping):
    weights = "; restored the weights of the best epoch" if stopping.restore_best else ""
    return f"stopped: {stopping.monitor} did not improve for {stopping.patience} epochs{weights}"


def _metrics_table(config, metrics):
    """Returns a table of the test metrics, with those that are published of the same config."""
    published = published_result(config.name)
    others = published["models"] if published and is_of(published, config) else {}
    table = Table("test", box=None, pad_edge=False)
    table.add_column("this run", justify="right")
    for name in others:
        table.add_column(name.replace("_", " "), justify="right")
    for metric, value in metrics.items():
        row = [metric, metric_text(value)]
        for model in others.values():
            # With several targets, Keras logs "income_auc" where results have "income.auc".
            metrics_of_model = {
                name.replace(".", "_"): value for name, value in model["metrics"].items()
            }
            result = metrics_of_model.get(metric)
            row.append(f"{result['mean']:.4f}" if result and result["mean"] is not None else "-")
        table.add_row(*row)
    if others:
        seeds = len(published["seeds"])
        names = ", ".join(
            f"{name.replace('_', ' ')}: {model['label']}" for name, model in others.items()
        )
        table.caption = f"published: mean over {seeds} seeds of the shipped config; {names}"
        table.caption_justify = "left"
    return table
