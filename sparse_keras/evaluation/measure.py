"""What one model does for one seed: its metrics on the test rows, and what it costs.

Returns of the functions here survive JSON: `{"metrics": {...}, "costs": {...}}`. Costs:

* `fit_seconds`: of `fit` alone, compilation and validation included, without reading the rows;
* `latency_ms`: the median time to predict one raw row;
* `bytes`: the saved model with its preprocessing, `model.keras` or what `joblib` writes;
* `params`, `active_params`, `flops` and, of a dense network, `hidden_dim`; None where there is no
  such thing.
"""

import functools
import gc
import statistics
import tempfile
import time
from pathlib import Path

import joblib
import pandas as pd
import scipy.sparse

from sparse_keras.data import SparseTable
from sparse_keras.evaluation.scores import scores
from sparse_keras.evaluation.single_tasks import single_task_data
from sparse_keras.models import active_params, flops_per_example, total_params
from sparse_keras.training.runs.folder import MODEL_FILE
from sparse_keras.training.train import train

_WARM_UP, _REPEATS = 3, 25


def measure_network(config, data):
    """Trains a config.

    Args:
        config: A `Config` with an optimizer.
        data: What `load_data` returned for it.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = train(config, data, output=folder, verbose=0)
        size = (run.path / MODEL_FILE).stat().st_size
    model = run.model
    core = model.core
    predictions = model.predict(data.test.x, batch_size=1024, verbose=0)
    found = {
        "metrics": _scores(data, predictions),
        "costs": {
            "fit_seconds": run.seconds,
            "latency_ms": _latency(
                functools.partial(model.predict, verbose=0), data.frames["test"]
            ),
            "bytes": size,
            "params": total_params(core),
            "active_params": active_params(core),
            "flops": _flops(core),
            "hidden_dim": _width(config.model),
        },
    }
    del run, model, core
    gc.collect()  # Models are full of cycles, and many of them are trained one after another.
    return found


def measure_single_tasks(configs, data):
    """Trains a model for each target alone. Costs are the sums of theirs.

    Args:
        configs: What `single_tasks.single_task_configs` returned.
        data: What `load_data` returned for all targets.
    """
    metrics, costs = {}, []
    for name, config in configs.items():
        found = measure_network(config, single_task_data(data, name))
        metrics |= {f"{name}.{metric}": value for metric, value in found["metrics"].items()}
        costs.append(found["costs"])
    summed = {
        name: None if None in (one[name] for one in costs) else sum(one[name] for one in costs)
        for name in costs[0]
    }
    return {"metrics": metrics, "costs": summed | {"hidden_dim": costs[0]["hidden_dim"]}}


def measure_baseline(baseline, data):
    """Fits a baseline to the training and validation rows.

    Args:
        baseline: A `baselines.Baseline`.
        data: What `load_data` returned.
    """
    rows = _together([data.frames[part] for part in ("train", "validation") if part in data.frames])
    start = time.perf_counter()
    baseline.fit(rows)
    seconds = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.joblib"
        joblib.dump(baseline, file)
        size = file.stat().st_size
    test = data.frames["test"]
    costs = dict.fromkeys(("params", "active_params", "flops", "hidden_dim"))
    return {
        "metrics": _scores(data, baseline.predict(test)),
        "costs": {
            "fit_seconds": seconds,
            "latency_ms": _latency(baseline.predict, test),
            "bytes": size,
            **costs,
        },
    }


def _together(tables):
    """The rows of several tables as one."""
    if not isinstance(tables[0], SparseTable):
        return pd.concat(tables, ignore_index=True)
    return SparseTable(
        scipy.sparse.vstack([table.matrix for table in tables], format="csr"),
        pd.concat([table.targets for table in tables], ignore_index=True),
        tables[0].names,
    )


def _scores(data, predictions):
    test = data.test
    return scores(data.task, test.y, predictions, test.sample_weight)


def _latency(predict, frame):
    """Milliseconds to predict one raw row, a different one each time."""
    times = []
    for number in range(_WARM_UP + _REPEATS):
        at = number % len(frame)
        row = (frame if isinstance(frame, SparseTable) else frame.iloc)[at : at + 1]
        start = time.perf_counter()
        predict(row)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[_WARM_UP:])


def _width(model):
    """Of a dense model, that of its blocks."""
    widths = getattr(model, "hidden_dims", None)
    return widths[0] if widths else getattr(model, "hidden_dim", None)


def _flops(core):
    try:
        return flops_per_example(core)
    except ValueError:  # of layers that are not counted, such as a plug-in's
        return None
