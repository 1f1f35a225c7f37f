"""What the model is compared with: no model, and the baselines of `compare`, on the same rows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse

from sparse_keras.data import SparseTable, TabularData
from sparse_keras.evaluation.standard_contenders import contenders_of
from sparse_keras.tasks import MultiTask

if TYPE_CHECKING:
    from sparse_keras.data import Dataset
    from sparse_keras.schema import Config
    from sparse_keras.tasks import Task

# A baseline is fitted where "auto" decides if it takes about so many seconds, or fewer.
MOST_SECONDS = 30
# The names of the model itself and of what predicts the same for each row.
MODEL, CONSTANT = "model", "constant"
BASELINES = ("linear", "hgb")


@dataclass(frozen=True)
class Prediction:
    """What something predicts of the test rows, as a network does.

    Attributes:
        label: What to call it.
        values: An array, or for several targets a dict of arrays.
        seconds: Seconds of training, `None` where nothing was trained.
    """

    label: str
    values: Any
    seconds: float | None = None


def constant_prediction(task: Task, y: Any, weight: Any, rows: int) -> Prediction:
    """Predicts the same for each row: the share of each class or label in the training rows, or the
    mean of the target.

    Args:
        task: The task.
        y, weight: Targets and weights of the training rows.
        rows: Number of rows to predict.
    """
    label = "no model: the same for each row"
    if isinstance(task, MultiTask):
        values = {
            member.name: _constant(
                member, y[member.name], None if weight is None else weight[member.name], rows
            )
            for member in task.tasks
        }
        return Prediction(label, values)
    return Prediction(label, _constant(task, y, weight, rows))


def _constant(task, y, weight, rows):
    y = np.asarray(y, "float64")
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, "float64")
    if task.kind == "multiclass":
        y = np.eye(task.outputs)[y.astype(int)]
    mean = np.average(y.reshape(len(y), -1), axis=0, weights=weight)
    return np.tile(mean, (rows, 1))


def baseline_predictions(
    config: Config, data: Dataset, which: str
) -> tuple[dict[str, Prediction], str | None]:
    """Fits the linear model and gradient boosting of `compare`, and predicts the test rows.

    Args:
        config: The `Config`.
        data: The data set.
        which: "auto": if it takes seconds. "always" or "never".

    Returns:
        `(predictions, left_out)`: a dict by name, and why it lacks some, a sentence or `None`.
    """
    how = "`sparse-keras compare` has them, over several seeds."
    if which == "never":
        return {}, f"Not asked for. {how}"
    if not isinstance(data, TabularData) or data.test is None:
        return {}, "Gradient boosting and the linear model need a table with test rows."
    predictions, reasons = {}, []
    for contender in contenders_of(config):
        if contender.name not in BASELINES:
            continue
        reason = contender.why_not(config, data)
        if reason is not None:
            reasons.append(reason)
            continue
        seconds = _estimated_seconds(contender.name, data)
        if which == "auto" and seconds > MOST_SECONDS:
            reasons.append(
                f"{contender.label[0].upper()}{contender.label[1:]} would take about "
                f"{seconds:,.0f} seconds or more; --baselines always fits it. {how}"
            )
            continue
        baseline = contender.make(config, data, lambda name, find: find())
        start = time.perf_counter()
        baseline.fit(_training_rows(data))
        seconds = time.perf_counter() - start
        values = baseline.predict(data.frames["test"])
        predictions[contender.name] = Prediction(contender.label, values, seconds)
    order = [name for name in BASELINES if name in predictions]
    return {name: predictions[name] for name in order}, " ".join(reasons) or None


def _training_rows(data):
    """The training and the validation rows: as a network, they choose by rows of their own."""
    parts = [frame for part, frame in data.frames.items() if part != "test"]
    if not isinstance(parts[0], SparseTable):
        return pd.concat(parts, ignore_index=True)
    return SparseTable(
        scipy.sparse.vstack([part.matrix for part in parts], format="csr"),
        pd.concat([part.targets for part in parts], ignore_index=True),
        parts[0].names,
    )


def _estimated_seconds(name, data):
    """About how long a baseline takes on two cores, by the sizes of the data.

    Up to 500 trees are grown for each output, and coefficients are learned for each output. The
    factors fit the measured times in `results/tabular` within a factor of two.
    """
    outputs = sum(
        task.outputs if task.kind in ("multiclass", "multilabel") else 1
        for task in data.task.single_tasks()
    )
    inputs = data.train.x if isinstance(data.train.x, dict) else {"": data.train.x}
    numbers = sum(getattr(array, "nnz", 0) for array in inputs.values())
    if isinstance(data.frames["train"], pd.DataFrame):
        numbers += len(data.frames["train"]) * len(data.features.columns)
    per_output = 1.0 + 2.5e-6 * numbers if name == "hgb" else 1e-6 * numbers
    return outputs * per_output
