"""`sparse-keras summary`: shows the layers of a config's network, and what they cost."""

import argparse
import math
from typing import Any

from rich.table import Table

from sparse_keras.cli.arguments import add_config, add_overrides, config_of
from sparse_keras.cli.output import console
from sparse_keras.cli.quiet import start_backend

_EXAMPLES = """examples:
  sparse-keras summary tabular/sparse_mlp_adult
  sparse-keras summary tabular/sparse_mlp_adult --set model.router.k=1
"""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "summary",
        help="show a config's network, its parameters, FLOPs and memory",
        description="Build the network of a config for its data, and show each layer: its "
        "parameters, the parameters that one example uses (active), and the multiplications and "
        "additions of matrix products for one example (FLOPs).",
        epilog=_EXAMPLES,
    )
    add_config(parser)
    add_overrides(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    config = config_of(args)
    start_backend()
    from sparse_keras.data import load_data
    from sparse_keras.models import layer_costs
    from sparse_keras.models.cost import length_of
    from sparse_keras.training.building import build_model

    data = load_data(config)
    model = build_model(config, data)
    costs = layer_costs(model, length_of(data.inputs))

    screen = console(width=200)
    screen.print(f"{config.name}, hash {config.hash[:12]}\n{data!r}\n", soft_wrap=True)
    screen.print(_table(costs))
    if any(cost.flops is None for cost in costs):
        screen.print("?: the FLOPs of this layer are not known", soft_wrap=True)
    screen.print()
    screen.print(_memory_table(_memory(model)))
    return 0


def _table(costs):
    table = Table("layer", "type", "output shape", box=None, pad_edge=False, show_footer=True)
    table.columns[0].footer = "total"
    flops = [cost.flops for cost in costs]
    totals = {
        "parameters": sum(cost.params for cost in costs),
        "active": sum(cost.active for cost in costs),
        "FLOPs": None if None in flops else sum(flops),
    }
    for name, total in totals.items():
        table.add_column(name, justify="right", footer=_number(total))
    for cost in costs:
        shapes = ", ".join(map(_shape, cost.output_shapes))
        numbers = (cost.params, cost.active, cost.flops)
        table.add_row(cost.name, cost.type, shapes, *map(_number, numbers))
    return table


def _number(value):
    return "?" if value is None else f"{value:,}"


def _shape(shape):
    """(None, None, 128) -> "batch x length x 128"."""
    names = ["batch", *["length"] * len(shape)]
    return " x ".join(
        name if axis is None else str(axis) for name, axis in zip(names, shape, strict=False)
    )


def _memory(model):
    """Returns the MiB of the weights, and of what training adds."""
    memory = {"weights": _mebibytes(model.weights)}
    if model.compiled:
        model.optimizer.build(model.trainable_variables)
        memory["gradients of trainable weights"] = _mebibytes(model.trainable_weights)
        memory["variables of the optimizer"] = _mebibytes(model.optimizer.variables)
    return memory


def _mebibytes(variables):
    import numpy as np

    return sum(math.prod(v.shape) * np.dtype(v.dtype).itemsize for v in variables) / 2**20


def _memory_table(memory):
    table = Table("memory", box=None, pad_edge=False, show_footer=len(memory) > 1)
    table.add_column("MiB", justify="right", footer=f"{sum(memory.values()):.1f}")
    table.columns[0].footer = "training, without activations, which grow with the batch size"
    for what, mebibytes in memory.items():
        table.add_row(what, f"{mebibytes:.1f}")
    return table
