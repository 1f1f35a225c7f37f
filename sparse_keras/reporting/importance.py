"""Permutation importance of raw columns: what a metric loses when a column is shuffled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.inspection import permutation_importance

from sparse_keras.data import TabularData
from sparse_keras.reporting.result import Importance
from sparse_keras.tasks import MultiTask
from sparse_keras.tasks.scores import metrics_of_task, scores

if TYPE_CHECKING:
    import keras

    from sparse_keras.data import Dataset

REPEATS = 5
MOST_ROWS = 2_000
FEWEST_ROWS = 500
# Rows are predicted REPEATS times for each column; this many in all, unless `rows` is given.
MOST_PREDICTIONS = 400_000
MOST_COLUMNS = 100


def importance_of(
    model: keras.Model, data: Dataset, part: str, rows: int | None
) -> tuple[Importance | None, str | None]:
    """Measures the permutation importance of the columns of a table, as scikit-learn defines it.

    Args:
        model: The model.
        data: The data set.
        part: The part whose rows are shuffled.
        rows: Number of rows, drawn at random; 0 for none. `None`: fewer for more columns.

    Returns:
        `(importance, left_out)`: an `Importance`, or `None` and why, a sentence.
    """
    if rows == 0:
        return None, "Not asked for."
    if not isinstance(data, TabularData) or not hasattr(data.frames[part], "columns"):
        return None, "It is measured for tables with named columns."
    columns, frame = list(data.features.columns), data.frames[part]
    if len(columns) < 2:
        return None, "There is one column only, on which all depends."
    if rows is None and len(columns) > MOST_COLUMNS:
        return None, (
            f"It would take long for {len(columns):,} columns, each of which is shuffled {REPEATS} "
            f"times. `--importance-rows {FEWEST_ROWS}` measures it."
        )
    count = rows or int(
        np.clip(MOST_PREDICTIONS // (REPEATS * len(columns)), FEWEST_ROWS, MOST_ROWS)
    )
    chosen = np.arange(len(frame))
    if count < len(frame):
        chosen = np.sort(np.random.default_rng(0).choice(len(frame), count, replace=False))
    frame = frame.iloc[chosen]
    y, weight = data.features.encode_target(frame), data.features.sample_weight(frame)

    def score(estimator, x, _):
        return _main_metrics(data.task, y, model.predict(x, verbose=0), weight)

    result = permutation_importance(
        _Estimator(),
        frame[columns].reset_index(drop=True),
        None,
        scoring=score,
        n_repeats=REPEATS,
        random_state=0,
    )
    drops = {name: bunch.importances for name, bunch in result.items()}
    return Importance(tuple(map(str, columns)), drops, len(chosen), len(data.frames[part])), None


class _Estimator:
    """What scikit-learn asks for; the predictions come from the scoring function."""

    def fit(self, x, y):
        return self


def _main_metrics(task, y, predictions, weight) -> dict[str, Any]:
    """The main metric of each target, larger for better; NaN where undefined."""
    values = {}
    for member in task.single_tasks():
        arrays = [y, predictions, weight]
        if isinstance(task, MultiTask):
            arrays = [None if each is None else each[member.name] for each in arrays]
        name, info = next(iter(metrics_of_task(member).items()))
        value = scores(member, *arrays, names=[name])[name]
        sign = 1.0 if info.best == "max" else -1.0
        values[member.name] = np.nan if value is None else sign * value
    return values
