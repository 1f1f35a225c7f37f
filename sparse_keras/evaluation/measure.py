"""Measures one model for one seed: its metrics on the test examples, and its costs.

The functions here return JSON values, `{"metrics": {...}, "costs": {...}}`. Costs are

* `fit_seconds`: time of `fit`, including compilation and validation, without reading the data;
* `latency_ms`: median time to predict one raw example;
* `bytes`: size of the saved model with its preprocessing: `model.keras`, or what `joblib` writes;
* `params`, `active_params` and `flops`; `hidden_dim`, the width of a dense network. None where it
  does not apply.
"""

from __future__ import annotations

import functools
import gc
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import keras

from sparse_keras.data.batches import ArrayBatches, num_examples, targets_of_batches
from sparse_keras.evaluation.examples import raw_test_examples, take
from sparse_keras.evaluation.widths import hidden_width
from sparse_keras.models import active_params, flops_per_example, total_params
from sparse_keras.models.cost import length_of
from sparse_keras.tasks.scores import metrics_of_task, scores
from sparse_keras.training.evaluation import evaluate
from sparse_keras.training.runs.folder import RunFolder
from sparse_keras.training.train import train

if TYPE_CHECKING:
    from sparse_keras.data import Batches, Dataset
    from sparse_keras.schema import Config

_WARM_UP, _REPEATS = 3, 25


def measure_network(config: Config, data: Dataset) -> dict[str, Any]:
    """Trains a config and measures its network.

    Args:
        config: A `Config` with an optimizer.
        data: What `load_data` returned for it.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = train(config, data, output=folder, verbose=0)
        size = RunFolder(run.path).model_file.stat().st_size
    model = run.model
    core = getattr(model, "core", model)
    result = {
        "metrics": _metrics(model, data),
        "costs": {
            "fit_seconds": run.seconds,
            "latency_ms": latency_ms(functools.partial(model.predict, verbose=0), data),
            "bytes": size,
            "params": total_params(core),
            "active_params": active_params(core),
            "flops": _flops(core, data),
            "hidden_dim": hidden_width(config.model),
        },
    }
    del run, model, core
    gc.collect()  # Models are full of cycles, and many are trained one after another.
    return result


def measure_fitted(model: Any, data: Dataset, test: Any, seconds: float) -> dict[str, Any]:
    """Measures a model of scikit-learn that is fitted.

    Args:
        model: What has `predict` and can be written by `joblib`.
        data: What it was fitted to.
        test: The raw test examples, as `predict` takes them.
        seconds: What `fit` took.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.joblib"
        joblib.dump(model, file)
        size = file.stat().st_size
    return {
        "metrics": score_predictions(data, model.predict(test)),
        "costs": {
            "fit_seconds": seconds,
            "latency_ms": latency_ms(model.predict, data),
            "bytes": size,
            **dict.fromkeys(("params", "active_params", "flops", "hidden_dim")),
        },
    }


def _metrics(model, data):
    names = metrics_of_task(data.task)
    if data.task.SCORED_BY_BATCHES:
        logs = evaluate(model, data.test, data.task)
        return {name: logs[name] for name in names}
    return score_predictions(data, predict_batches(model, data.test))


def predict_batches(model: keras.Model, batches: Batches) -> Any:
    """Returns the predictions for all examples of batches that are not shuffled, in their order."""
    if isinstance(batches, ArrayBatches):
        return model.predict(batches.x, batch_size=1024, verbose=0)
    # All texts padded to the length of the longest would not fit into memory.
    return model.predict(batches, verbose=0)


def score_predictions(data: Dataset, predictions: Any) -> dict[str, float | None]:
    """Scores predictions of the test examples, at the threshold of `data.task`: 0.5."""
    y, weight = targets_of_batches(data.test)
    return scores(data.task, y, predictions, weight)


def latency_ms(predict: Callable, data: Dataset) -> float:
    """Measures the time to predict one raw test example, a different one each time.

    Args:
        predict: Function of raw examples.
        data: The data set. Of a corpus, whose texts may be longer than a model reads, examples are
            encoded rows.

    Returns:
        The median, in milliseconds.
    """
    if data.task.SCORED_BY_BATCHES:
        examples = data.test[0][0]
        count = keras.tree.flatten(examples)[0].shape[0]
    else:
        examples, count = raw_test_examples(data), num_examples(data.test)
    times = []
    for repeat in range(_WARM_UP + _REPEATS):
        index = repeat % count
        example = take(examples, slice(index, index + 1))
        with warnings.catch_warnings(action="ignore"):  # Such as that a text is cut.
            start = time.perf_counter()
            predict(example)
            times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[_WARM_UP:])


def _flops(core: keras.Model, data: Dataset) -> int | None:
    try:
        return flops_per_example(core, length_of(data.inputs))
    except ValueError:  # A layer whose FLOPs cannot be counted, such as a plug-in's.
        return None
