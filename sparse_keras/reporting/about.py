"""What a run was: its model and costs, how its rows were split, its columns, its experts."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sparse_keras._internal.column_labels import classes_of
from sparse_keras.data import TabularData
from sparse_keras.data.batches import ArrayBatches, arrays_of, num_examples
from sparse_keras.evaluation.measure import latency_ms
from sparse_keras.inspection import inspect
from sparse_keras.layers.mixtures.gated_layer import gated_layers
from sparse_keras.models import active_params, flops_per_example, total_params
from sparse_keras.models.cost import length_of
from sparse_keras.schema.sections.imbalance import is_tuned
from sparse_keras.tasks.thresholds import DEFAULT

if TYPE_CHECKING:
    import keras

    from sparse_keras.data import Dataset
    from sparse_keras.inspection import Inspection
    from sparse_keras.schema import Config
    from sparse_keras.training.runs.folder import RunFolder

MOST_INSPECTED = 10_000
# Of a section of a config, numbers that are shown even where they are the defaults.
_ALWAYS = ("num_experts", "hidden_dim", "k", "learning_rate")
_VERSIONS = ("sparse_keras", "python", "keras", "tensorflow", "jax", "torch")


def facts_of(config: Config, environment: dict[str, Any]) -> list[tuple[str, str]]:
    """Pairs of a name and what it is, of the model and its training."""
    training, optimizer = config.training, config.optimizer
    facts = [("model", config.model.type)]
    for key in ("router", "experts"):
        if (section := getattr(config.model, key, None)) is not None:
            facts.append((key, _section(section)))
    facts.append(("optimizer", _section(optimizer)))
    for key, name in (("loss", "loss"), ("class_weight", "class weights")):
        if (value := getattr(training, key)) is not None:
            facts.append((name, _plain(value)))
    if is_tuned(training.threshold):
        how = f"tuned on the validation rows for {_plain(training.threshold)}"
        facts.append(("decision threshold", how))
    elif training.threshold != DEFAULT:
        facts.append(("decision threshold", f"{_plain(training.threshold)}, as configured"))
    facts.append(("seed", str(training.seed)))
    facts.append(("backend", environment["backend"]))
    versions = [f"{name} {environment[name]}" for name in _VERSIONS if environment.get(name)]
    facts.append(("versions", ", ".join(versions)))
    if environment.get("platform"):
        facts.append(("platform", environment["platform"]))
    return facts


def _plain(value):
    """A value of a config in one line."""
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_plain(one)}" for name, one in value.items())
    return _section(value) if hasattr(value, "model_dump") else str(value)


def _section(section):
    """The type of a section and its numbers, in one line."""
    values, changed = section.model_dump(mode="json"), section.model_dump(exclude_defaults=True)
    kind = str(values.pop("type", ""))
    numbers = [
        f"{key} {value:g}"
        for key, value in values.items()
        if isinstance(value, (int, float))
        and not isinstance(value, bool)
        and (key in changed or key in _ALWAYS)
    ]
    return ", ".join([kind, *numbers])


def split_of(data: Dataset, rows: dict[str, int]) -> str:
    """How the rows were split, in sentences.

    Args:
        data: The data set.
        rows: Number of rows of each part.
    """
    total = sum(rows.values())
    shares = ", ".join(
        f"{count:,} {part} ({100 * count / total:.1f} %)" for part, count in rows.items()
    )
    split = getattr(data, "split", None)
    how = "the data set itself says which rows are which" if split is None else str(split)
    sentences = [f"{shares}.", f"{how[0].upper()}{how[1:]}."]
    if "validation" not in rows:
        sentences.append("No rows were held out for validation.")
    if repeated := getattr(data, "repeated", 0):
        what = "test row has" if repeated == 1 else "test rows have"
        sentences.append(
            f"{repeated:,} {what} the same inputs as a training or validation row, which flatters "
            "the metrics."
        )
    if dropped := getattr(data, "dropped", 0):
        sentences.append(f"{dropped:,} rows without a target were left out before.")
    return " ".join(sentences)


def columns_of(data: Dataset) -> list[tuple[str, str, str]]:
    """`(name, kind, detail)` of each column, those left out by the config included."""
    if not isinstance(data, TabularData):
        return []
    columns = [tuple(map(str, each)) for each in data.features.kinds(data.frames["train"])]
    ignored = [(str(name), "ignored", "data.columns in the config") for name in data.ignored]
    return columns + ignored


def costs_of(model: keras.Model, folder: RunFolder, data: Dataset, seconds: Any) -> dict[str, Any]:
    """The model's costs, by the names that `compare` gives them."""
    core = getattr(model, "core", model)
    try:
        flops = flops_per_example(core, length_of(data.inputs))
    except ValueError:  # A layer whose FLOPs cannot be counted, such as a plug-in's.
        flops = None
    latency = None
    if data.test is not None:
        latency = latency_ms(functools.partial(model.predict, verbose=0), data)
    return {
        "fit_seconds": seconds,
        "latency_ms": latency,
        "bytes": folder.model_file.stat().st_size,
        "params": total_params(core),
        "active_params": active_params(core),
        "flops": flops,
    }


def inspection_of(model: keras.Model, data: Dataset, part: str) -> tuple[Inspection | None, str]:
    """Inspects what the experts do on a part of the data.

    Returns:
        `(inspection, reason)`: an `Inspection`, or `None` and the reason, a sentence.
    """
    if not gated_layers(model):
        return None, "The model has no mixture of experts."
    task = data.task.single_tasks()[0]
    batches = getattr(data, part)
    if not isinstance(batches, ArrayBatches):
        labels = "targets" if data.task.kind in ("binary", "multiclass") else None
        return inspect(model, batches, labels, data=f"{part} examples", label=task.name), ""
    x, y, _ = arrays_of(batches)
    if isinstance(y, dict):
        y = y[task.name]
    rows = np.arange(num_examples(batches))
    what = f"{part} rows"
    if len(rows) > MOST_INSPECTED:
        rows = np.sort(np.random.default_rng(0).choice(len(rows), MOST_INSPECTED, replace=False))
        what = f"{part} rows drawn at random"
    x = {name: array[rows] for name, array in x.items()} if isinstance(x, dict) else x[rows]
    labels = _labels(task, np.asarray(y)[rows])
    return inspect(model, x, labels, batch_size=1024, data=what, label=task.name), ""


def _labels(task, y):
    if task.kind in ("binary", "multiclass"):
        return np.array([str(name) for name in task.classes], dtype=object)[y.astype(int)]
    if task.kind == "regression":
        return classes_of(pd.Series(y.astype("float64")))
    return None
