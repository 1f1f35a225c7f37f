"""`sparse-keras train`: trains a config and writes a run folder."""

from rich.console import Console
from rich.table import Table

from sparse_keras.cli.arguments import add_config, add_overrides, config_of
from sparse_keras.cli.quiet import quiet_start
from sparse_keras.published import published_result
from sparse_keras.schema import load_config

_EXAMPLES = """examples:
  sparse-keras train tabular/sparse_mlp_adult
  sparse-keras train tabular/sparse_mlp_adult --seed 1 --set model.router.k=1
  sparse-keras train churn.yaml --output churn_runs
"""


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "train",
        help="train a config",
        description="Train a config, test it, and write everything about the run to a folder.",
        epilog=_EXAMPLES,
    )
    add_config(parser)
    add_overrides(parser)
    parser.add_argument(
        "--output",
        default="runs",
        metavar="DIR",
        help="the folder in which the run's own folder is made (default: %(default)s)",
    )
    return parser


def run(args):
    config = config_of(args)

    with quiet_start():
        import keras

        import sparse_keras
        from sparse_keras.cli.progress import EpochTable
        from sparse_keras.training import reproducing_command

        keras.ops.zeros(())  # The backend's own start comes with its first tensor.

    console = Console(highlight=False)
    data = sparse_keras.load_data(config)
    console.print(repr(data), soft_wrap=True)
    finished = sparse_keras.train(
        config, data, output=args.output, callbacks=[EpochTable(console)], verbose=0
    )
    if len(finished.history["loss"]) < config.training.epochs:
        console.print(_stopping(config.training.early_stopping), soft_wrap=True)
    console.print()
    console.print(_metrics_table(config, finished.metrics))
    console.print(f"\nrun folder  {finished.path}", soft_wrap=True)
    console.print(f"again       {reproducing_command(config)}", soft_wrap=True)
    return 0


def _stopping(stopping):
    weights = "; the best epoch's weights are back" if stopping.restore_best else ""
    return f"stopped: {stopping.monitor} did not improve for {stopping.patience} epochs{weights}"


def _metrics_table(config, metrics):
    """The test metrics, beside the published ones if these are for the same data."""
    published = published_result(config.name)
    same_data = published and load_config(config.name).data == config.data
    others = published["models"] if same_data else {}
    table = Table("test", box=None, pad_edge=False)
    table.add_column("this run", justify="right")
    for name in others:
        table.add_column(name.replace("_", " "), justify="right")
    for metric, value in metrics.items():
        row = [metric, f"{value:.4f}"]
        for model in others.values():
            found = model["metrics"].get(metric)
            row.append(f"{found['mean']:.4f}" if found else "-")
        table.add_row(*row)
    if others:
        seeds = len(published["models"]["sparse"]["seeds"])
        table.caption = f"published: mean over {seeds} seeds of the shipped config"
        table.caption_justify = "left"
    return table
