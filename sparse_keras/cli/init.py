"""`sparse-keras init`: a config for the user's own table."""

import json
import os
import re
import shlex
from pathlib import Path

from sparse_keras.cli.quiet import quiet_start
from sparse_keras.schema import ConfigError
from sparse_keras.schema.json_schema import modeline

_EXAMPLES = """examples:
  sparse-keras init churn.csv --target churned
  sparse-keras init tables/houses.parquet --target price --output houses.yaml
"""

# Of a table larger than memory: rows to look at, and rows to train on.
_LOOKED_AT = 100_000
_SAMPLE = 1_000_000

# By the number of rows up to which they are meant: more rows carry more and wider experts. The
# first is what does well on Breast Cancer Wisconsin, the last two on UCI Adult.
_SIZES = [
    (
        2_000,
        {"stem": 32, "dropout": 0.1, "num_experts": 4, "hidden_dim": 32},
        {"epochs": 50, "batch_size": 32},
    ),
    (
        20_000,
        {"stem": 128, "dropout": 0.3, "num_experts": 8, "hidden_dim": 64},
        {"epochs": 40, "batch_size": 128},
    ),
    (
        500_000,
        {"stem": 256, "dropout": 0.4, "num_experts": 16, "hidden_dim": 64},
        {"epochs": 30, "batch_size": 256},
    ),
    (
        float("inf"),
        {"stem": 256, "dropout": 0.2, "num_experts": 16, "hidden_dim": 64},
        {"epochs": 10, "batch_size": 1024},
    ),
]

_PLAIN = re.compile(r"(?:[A-Za-z_]|\.{0,2}/)[\w./-]*", re.ASCII)
_NOT_TEXT = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "init",
        help="write a config for your own table",
        description="Look at a table of your own (CSV, Parquet or NPZ) and write a config that "
        "trains on it. Nothing is overwritten.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("data", metavar="DATA", help="a .csv, .tsv, .parquet or .npz file")
    parser.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="the config to write, which ends in .yaml (default: named after the data, here)",
    )
    return parser


def run(args):
    output = Path(args.output or f"{Path(args.data).stem}.yaml")
    if output.suffix != ".yaml":
        raise ConfigError(f"{output}: the file of a config ends in .yaml")
    if output.exists():
        raise ConfigError(f"{output} exists already; nothing was written")
    data, rows, description = _look_at(args.data, args.target)
    data["path"] = Path(os.path.relpath(args.data, output.parent)).as_posix()
    text = _text(data, rows, description, output)
    with open(output, "x", encoding="utf-8") as file:
        file.write(text)

    print(f"{args.data}: {rows:,} rows; target {_told(description.target)}")
    for name, reason in description.ignore.items():
        print(f"  {name}: ignored, holds {reason}")
    print(f"wrote {output}\ntrain it with: {shlex.join(['sparse-keras', 'train', str(output)])}")
    return 0


def _look_at(path, target):
    """Reads a table: `(keys of the data section, number of rows, TableDescription)`."""
    with quiet_start():
        from sparse_keras.data.tabular.csr.files import is_matrix_file
        from sparse_keras.data.tabular.formats import CSVFile, NPZFile, ParquetFile
        from sparse_keras.data.tabular.infer import describe_table
        from sparse_keras.data.tabular.sniffing import sniff_csv
        from sparse_keras.data.tabular.table_files import (
            fits_memory,
            open_table,
            read_rows,
            sample_rows,
        )

    if is_matrix_file(path):
        raise ConfigError(_no_table(path, target))
    file = open_table(path)
    types = {CSVFile: "csv", ParquetFile: "parquet", NPZFile: "npz"}
    if type(file) not in types:
        raise ConfigError(f"{path}: expected a .csv, .tsv, .parquet or .npz file to train on")
    data = {"type": types[type(file)], "path": None, "target": target}
    if isinstance(file, CSVFile):
        separator, decimal = sniff_csv(path)
        file = open_table(path, separator, decimal)
        data |= {"separator": separator} if separator != "," else {}
        data |= {"decimal": decimal} if decimal != "." else {}
    if fits_memory(file):
        frame = read_rows(file)
    else:
        frame = sample_rows(file, _LOOKED_AT, seed=0)
        data["max_rows"] = _SAMPLE
    try:
        return data, data.get("max_rows", len(frame)), describe_table(frame, target)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error


def _no_table(path, target):
    if Path(path).suffix.lower() == ".npz":
        keys = f"type: sparse_npz, path: {_scalar(path)}, targets: TABLE, target: {_scalar(target)}"
    else:
        keys = f"type: svmlight, path: {_scalar(path)}"
    return (
        f"{path}: a sparse matrix, where init expects a table with named columns. A config for it:"
        f"\n  version: 1\n  extends: tabular/sparse_mlp\n  data: {{{keys}}}"
        "\n  model: {stem: null, sparse_projection: {units: 128}}"
    )


def _text(data, rows, description, output):
    _, sizes, training = next(size for size in _SIZES if rows <= size[0])
    lines = [
        modeline(),
        f"# {rows:,} rows of {data['path']}; to predict: {_told(description.target)}",
        f"#   {shlex.join(['sparse-keras', 'train', str(output)])}",
        "version: 1",
        "",
        "data:",
        *(f"  {key}: {_scalar(value)}" for key, value in data.items()),
        f"  task: {description.target.task}  # binary, multiclass or regression",
    ]
    if description.ignore:
        ignored = ", ".join(f"{_scalar(name)}: ignore" for name in description.ignore)
        lines.append(f"  columns: {{{ignored}}}  # or numeric, or categorical")
    lines += [
        "",
        "model:",
        "  type: sparse_mlp",
        f"  stem: {sizes['stem']}",
        "  embedding_dim: 4  # of each column of categories",
        f"  dropout: {sizes['dropout']}  # more, if val_loss rises while loss falls",
        f"  experts: {{type: mlp, num_experts: {sizes['num_experts']}, "
        f"hidden_dim: {sizes['hidden_dim']}}}",
        "  router: {type: top_k, k: 2, balance_loss: 0.01}  # two experts see each row",
        "",
        "optimizer: {type: adamw, learning_rate: 1e-3}",
        f"training: {{epochs: {training['epochs']}, batch_size: {training['batch_size']}, "
        "early_stopping: {monitor: val_loss, patience: 4}}",
    ]
    return "\n".join(lines) + "\n"


def _told(target):
    classes = f", {len(target.classes)} classes" if target.task == "multiclass" else ""
    if target.task == "binary":
        classes = " ({!r} or {!r})".format(*target.classes)
    # Of a name that moves the cursor, or ends a line, what can be shown.
    name = "".join(c if c.isprintable() else "?" for c in target.name)
    return f"{name}, {target.task}{classes}"


def _scalar(value):
    """A value as YAML in a flow: text in quotes unless it can be read as nothing else."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT:
        return value
    return json.dumps(value, ensure_ascii=isinstance(value, str) and not value.isprintable())
