"""`sparse-keras init`: writes a config for a table of the user."""

import argparse
import os
import shlex
from pathlib import Path
from typing import Any

from sparse_keras._internal.yaml_text import yaml_flow, yaml_scalar
from sparse_keras.cli.output import console
from sparse_keras.cli.quiet import quiet_start
from sparse_keras.cli.tabular import columns_table, in_one_line
from sparse_keras.schema import ConfigError
from sparse_keras.schema.json_schema import modeline
from sparse_keras.schema.zoo import is_config_path

_EXAMPLES = """examples:
  sparse-keras init churn.csv --target churned
  sparse-keras init tables/houses.parquet --target price --output houses.yaml
"""

# For a table larger than memory: rows that types are inferred from, and rows to train on.
_INFERRED_FROM = 100_000
_SAMPLE = 1_000_000

# Sizes of models, by the largest number of rows they are for: more rows support more and wider
# experts. Of few rows, an ensemble makes better models (on the validation rows of several tables),
# in up to three times the time, and a large balance loss keeps its experts in use from the start.
# The first does well on Breast Cancer Wisconsin, the last two on UCI Adult. Of two classes of which
# one is rare, its rows count: a balanced table has eight times as many per positive row.
_ROWS_OF_RARE_CLASS = 8
_FEW_TEXTS = 20_000
# Part of the rows that validate, by default, and how many of the rare class a threshold needs.
_VALIDATION, _FEWEST_RARE = 0.08, 15
_SMALL = {"ensemble": 8, "balance_loss": 0.1}
_SIZES = [
    (
        2_000,
        {"stem": 32, "dropout": 0.1, "num_experts": 4, "hidden_dim": 32, **_SMALL},
        {"epochs": 50, "batch_size": 32},
    ),
    (
        20_000,
        {"stem": 128, "dropout": 0.3, "num_experts": 8, "hidden_dim": 64, **_SMALL},
        {"epochs": 40, "batch_size": 128},
    ),
    (
        500_000,
        {"stem": 256, "dropout": 0.4, "num_experts": 16, "hidden_dim": 64, "balance_loss": 0.01},
        {"epochs": 30, "batch_size": 256},
    ),
    (
        float("inf"),
        {"stem": 256, "dropout": 0.2, "num_experts": 16, "hidden_dim": 64, "balance_loss": 0.01},
        {"epochs": 10, "batch_size": 1024},
    ),
]


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "init",
        help="write a config for your own table",
        description="Look at a table of your own (CSV, Parquet, NPZ or Excel) and write a config "
        "that trains on it. Nothing is overwritten.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("data", metavar="DATA", help="a .csv, .tsv, .parquet, .npz or .xlsx file")
    parser.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    parser.add_argument(
        "--sheet",
        metavar="NAME",
        help="the sheet of an Excel file (default: the only one that holds anything)",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="the config to write, ending in .yaml or .yml (default: the name of the data file, in "
        "the working folder)",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    output = Path(args.output or f"{Path(args.data).stem}.yaml")
    if not is_config_path(output):
        raise ConfigError(f"{output}: the name of a config file must end in .yaml or .yml")
    if output.exists():
        raise ConfigError(
            f"{output} exists already; nothing was written. --output writes another file"
        )
    data, notes, rows, description = _describe(args.data, args.target, args.sheet)
    data["path"] = Path(os.path.relpath(args.data, output.parent)).as_posix()
    text = _text(data, notes, rows, description, output)
    with open(output, "x", encoding="utf-8") as file:
        file.write(text)

    target = description.target
    print(f"{args.data}: {rows:,} rows; target {_described(target)}")
    for key, note in notes.items():
        print(f"  data.{key}: {in_one_line(str(data[key]))}, {in_one_line(note)}")
    print(f"  {target.name}: {target.task}, since {description.why}")
    if description.without_target:
        print(
            f"  {target.name}: missing in {description.without_target:,} rows, which are left out "
            "(data.missing_target)"
        )
    if description.ignore_case:
        print(f"  {target.name}: classes that differ in case only are one class (data.ignore_case)")
    print()
    console(width=160).print(columns_table(description.columns))
    print()
    print(f"wrote {output}\ntrain it with: {shlex.join(['sparse-keras', 'train', str(output)])}")
    return 0


def _describe(path, target, sheet):
    """Reads a table. Returns the keys of the data section, notes on some of them, the number of
    rows and a `TableDescription`."""
    with quiet_start():
        from sparse_keras.data.tabular.csr.files import is_matrix_file
        from sparse_keras.data.tabular.describe import describe_table
        from sparse_keras.data.tabular.file_settings import file_settings
        from sparse_keras.data.tabular.table_files import fits_memory, read_rows, sample_rows

    if is_matrix_file(path):
        raise ConfigError(_no_table(path, target))
    file, data, notes = file_settings(path, sheet)
    data |= {"path": None, "target": target}
    if fits_memory(file):
        frame = read_rows(file)
    else:
        frame = sample_rows(file, _INFERRED_FROM, seed=0)
        data["max_rows"] = _SAMPLE
    try:
        return data, notes, data.get("max_rows", len(frame)), describe_table(frame, target)
    except ValueError as error:
        doubt = "" if target in frame else file.hint(frame)
        raise ConfigError(f"{path}: {error}{doubt}") from error


def _no_table(path, target):
    if Path(path).suffix.lower() == ".npz":
        keys = f"type: sparse_npz, path: {yaml_scalar(path)}, targets: TABLE"
        keys += f", target: {yaml_scalar(target)}"
    else:
        keys = f"type: svmlight, path: {yaml_scalar(path)}"
    return (
        f"{path} holds a CSR matrix. Expected a table with named columns. A config for it:"
        f"\n  version: 1\n  extends: tabular/sparse_mlp\n  data: {{{keys}}}"
        "\n  model: {stem: null, sparse_projection: {units: 128}}"
    )


def _text(data, notes, rows, description, output):
    sizes, training = _sizes(rows, description)
    lines = [
        modeline(),
        f"# {rows:,} rows of {in_one_line(data['path'])}; target: {_described(description.target)}",
        f"#   {shlex.join(['sparse-keras', 'train', str(output)])}",
        "version: 1",
        "",
        "data:",
        *(
            f"  {key}: {yaml_scalar(value)}{_comment(notes.get(key))}"
            for key, value in data.items()
        ),
        f"  task: {description.target.task}  # {description.why}",
    ]
    if description.without_target:
        lines.append(
            f"  missing_target: drop  # {description.without_target:,} rows have no target"
        )
    if description.ignore_case:
        lines.append("  ignore_case: true  # classes that differ in case only are one class")
    if description.positive is not None:
        share = description.shares[1]
        lines.append(f"  positive: {yaml_scalar(description.positive)}  # {share:.1%} of the rows")
    if description.missing:
        lines.append(f"  missing: {yaml_flow(description.missing)}  # values that mean missing")
    if description.settings:
        lines.append("  columns:  # or numeric, categorical, date, text, ignore")
        lines += [
            f"    {yaml_scalar(name)}: {yaml_flow(setting)}"
            for name, setting in description.settings.items()
        ]
    lines += [
        "",
        "model:",
        "  type: sparse_mlp",
        f"  stem: {sizes['stem']}",
        "  embedding_dim: 4  # of each categorical column",
        f"  dropout: {sizes['dropout']}  # increase it if val_loss rises while loss falls",
        f"  experts: {{type: mlp, num_experts: {sizes['num_experts']}, "
        f"hidden_dim: {sizes['hidden_dim']}}}",
        f"  router: {{type: top_k, k: 2, balance_loss: {sizes['balance_loss']}}}"
        "  # two experts for each row",
        *(
            [f"  ensemble: {sizes['ensemble']}  # models that share most weights"]
            if "ensemble" in sizes
            else []
        ),
        *_of_texts(rows, description),
        "training:",
        f"  epochs: {training['epochs']}",
        f"  batch_size: {training['batch_size']}",
        "  early_stopping: {monitor: val_loss, patience: 6}",
    ]
    if description.has_rare_class:
        rare = min(description.shares)
        if rare * rows * _VALIDATION < _FEWEST_RARE:
            lines.append(f"  # threshold: f1 needs more than the {rare * rows:.0f} rare rows here")
        else:
            lines.append(f"  threshold: f1  # tuned on validation rows: {rare:.1%} of one class")
    return "\n".join(lines) + "\n"


def _sizes(rows, description):
    """The sizes of the model, and of the training."""
    supported = rows
    if description.has_rare_class:
        supported = _ROWS_OF_RARE_CLASS * min(description.shares) * rows
    sizes = next(sizes for most, sizes, _ in _SIZES if supported <= most)
    training = next(training for most, _, training in _SIZES if rows <= most)
    return sizes, training


def _of_texts(rows, description):
    """The projection of texts, and the optimizer: many rare words need much regularization."""
    if "text" not in [column.kind for column in description.columns] or rows > _FEW_TEXTS:
        return ["", "optimizer: {type: adamw, learning_rate: 1e-3}"]
    return [
        "  sparse_projection: {units: 32}  # of the words",
        "",
        "optimizer: {type: adamw, learning_rate: 1e-3, weight_decay: 3}  # strong: few texts",
    ]


def _comment(note):
    return "" if note is None else f"  # {in_one_line(note)}"


def _described(target):
    classes = f", {len(target.classes)} classes" if target.task == "multiclass" else ""
    if target.task == "binary":
        classes = " ({!r} or {!r})".format(*target.classes)
    return f"{in_one_line(target.name)}, {target.task}{classes}"
