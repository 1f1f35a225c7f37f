"""report: reads a run, measures it, and returns a `Report`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sparse_keras.data import load_data
from sparse_keras.data.batches import num_examples, targets_of_batches
from sparse_keras.data.dataset import check_dataset
from sparse_keras.evaluation.measure import predict_batches
from sparse_keras.reporting import about, contenders, curves
from sparse_keras.reporting.contenders import CONSTANT, MODEL
from sparse_keras.reporting.history import read_history
from sparse_keras.reporting.importance import importance_of
from sparse_keras.reporting.result import Report, Scores, TargetReport
from sparse_keras.reporting.uncertainty import standard_errors
from sparse_keras.tasks import MultiTask
from sparse_keras.tasks.scores import metrics_of_task, scores
from sparse_keras.tasks.thresholds import is_positive
from sparse_keras.training.load_model import load_model
from sparse_keras.training.runs.finding import started_at
from sparse_keras.training.runs.folder import RunFolder
from sparse_keras.training.runs.listing import SECONDS
from sparse_keras.training.thresholds import task_of_training

if TYPE_CHECKING:
    import keras

    from sparse_keras.data import Dataset
    from sparse_keras.schema import Config
    from sparse_keras.tasks import Task
    from sparse_keras.training.train import Run

WHICH = ("auto", "always", "never")


def report(
    run: Run | str | os.PathLike,
    data: Dataset | None = None,
    *,
    model: keras.Model | None = None,
    baselines: Literal["auto", "always", "never"] = "auto",
    importance_rows: int | None = None,
) -> Report:
    """Measures what a training came to, for people: the result writes a page.

    The metrics of the test rows beside those of no model, of a linear model and of gradient
    boosting on the same rows; learning curves, confusion matrix, ROC, precision and recall,
    calibration, residuals; permutation importance of the columns; what the experts do; costs.

    Args:
        run: A `Run`, as `train` returns it, or the folder of a finished one.
        data: What `load_data(config)` returned. `None` to load it here.
        model: The model of the run. `None` to load it here, if `run` is a folder.
        baselines: Whether to fit the linear model and gradient boosting: "auto" if that takes
            seconds, "always" or "never".
        importance_rows: Number of rows for the permutation importance, drawn at random; 0 to leave
            it out. `None`: up to 2,000, fewer for more columns, none for more than 100 columns.

    Returns:
        A `Report`: `report(run).to_html("report.html")`.

    Raises:
        ValueError: If `run` is no folder of a finished run, its model is a language model,
            its data have changed since, it has neither test nor validation examples, or an argument
            is wrong.

    Example:

    ```python
    run = sparse_keras.train(sparse_keras.load_config("tabular/sparse_mlp_adult"))
    sparse_keras.report(run).to_html("report.html")
    ```
    """
    if baselines not in WHICH:
        raise ValueError(f"`baselines` must be one of {', '.join(WHICH)}. Received: {baselines!r}.")
    if importance_rows is not None and importance_rows < 0:
        raise ValueError(
            f"`importance_rows` must be a number of rows, or 0. Received: {importance_rows}."
        )
    folder = RunFolder(getattr(run, "path", run))
    config = folder.config_of_model()
    if config.model.GENERATES:
        raise ValueError(
            f"The model of {str(folder.path)!r} is a language model, of which there is no report. "
            "`sparse-keras evaluate` computes its metrics, `sparse-keras inspect` shows what its "
            "experts do, and `sparse-keras generate` continues texts."
        )
    if not folder.is_finished:
        raise ValueError(
            f"The run {str(folder.path)!r} has not finished: there are no test metrics yet. Resume "
            f"it with: {folder.resuming_command}"
        )
    if data is None:
        folder.check_unchanged(config)
        data = load_data(config)
        folder.check_unchanged(config, data)
    check_dataset(data)
    part = "test" if data.test is not None else "validation"
    if getattr(data, part) is None:
        raise ValueError(
            f"The data set {data.name!r} has neither test nor validation examples, so there is "
            "nothing to measure the model on."
        )
    if model is None:
        model = getattr(run, "model", None) or load_model(folder.path)
    environment = folder.read_environment()
    parts = {
        name: getattr(data, name)
        for name in ("train", "validation", "test")
        if getattr(data, name) is not None
    }
    rows = {name: num_examples(batches) for name, batches in parts.items()}

    left_out = {}
    predictions, reason = contenders.baseline_predictions(config, data, baselines)
    if reason is not None:
        left_out["baselines"] = reason
    targets = _target_reports(model, data, part, config, predictions)
    importance, reason = importance_of(model, data, part, importance_rows)
    if importance is None:
        left_out["importance"] = reason
    inspection, reason = about.inspection_of(model, data, part)
    if inspection is None:
        left_out["experts"] = reason
    if not (columns := about.columns_of(data)):
        left_out["columns"] = "The data are not a table."
    planned = config.training.total_epochs(len(data.train))
    return Report(
        path=folder.path,
        config=environment["config"],
        data=data.name,
        part=part,
        rows=rows,
        started=started_at(folder),
        command=environment["command"],
        facts=about.facts_of(config, environment),
        split=about.split_of(data, rows),
        columns=columns,
        targets=targets,
        history=read_history(folder, config, data.task, _main_log(data.task), planned),
        importance=importance,
        inspection=inspection,
        costs=about.costs_of(model, folder, data, folder.read_metrics().get(SECONDS)),
        left_out=left_out,
    )


def task_of(model: keras.Model, data: Dataset, config: Config) -> Task:
    """The task with the thresholds of the model."""
    task = getattr(model, "task", None)
    return task_of_training(data.task, config.training) if task is None else task


def _main_log(task):
    """The name by which Keras logs a metric that stands for the first target."""
    first = task.single_tasks()[0]
    logged = [metric.name for metric in first.metrics()]
    known = [name for name in metrics_of_task(first) if name in logged] or logged
    if not known:
        return None
    return f"{first.name}_{known[0]}" if isinstance(task, MultiTask) else known[0]


def _target_reports(model, data, part, config, baselines):
    """A `TargetReport` for each target."""
    task = task_of(model, data, config)
    batches = getattr(data, part)
    y, weight = targets_of_batches(batches)
    y_train, weight_train = targets_of_batches(data.train)
    count = num_examples(batches)
    everything = {
        MODEL: contenders.Prediction("this model", predict_batches(model, batches)),
        CONSTANT: contenders.constant_prediction(task, y_train, weight_train, count),
        **baselines,
    }
    reports = []
    # What the model is compared with decides at the usual threshold.
    for member, usual in zip(task.single_tasks(), data.task.single_tasks(), strict=True):

        def of(values, name=member.name):
            several = isinstance(task, MultiTask) and values is not None
            return values[name] if several else values

        reports.append(
            _target_report(
                member,
                usual,
                (of(y), of(weight)),
                (of(y_train), of(weight_train)),
                {
                    name: contenders.Prediction(each.label, of(each.values), each.seconds)
                    for name, each in everything.items()
                },
            )
        )
    return reports


def _target_report(task, usual, test, train, predictions):
    """The `TargetReport` of one target.

    Args:
        task: A `SingleTask`, with the threshold of the model.
        usual: The same with the usual threshold.
        test, train: Pairs of targets and weights.
        predictions: Dict of `Prediction`s.
    """
    y, weight, values = _labelled(*test, predictions)
    y_train, weight_train, _ = _labelled(*train, {})
    metrics = {name: info for name, info in metrics_of_task(task).items() if info.best is not None}
    main = next(iter(metrics))
    by_name = {
        name: scores(task if name == MODEL else usual, y, values[name], weight, list(metrics))
        for name in predictions
    }
    errors = dict.fromkeys(predictions)
    if by_name[MODEL][main] is not None:
        errors = standard_errors(task, main, y, weight, values)
    own = by_name[MODEL][main]
    results = {}
    for name, each in predictions.items():
        other, difference = by_name[name][main], None
        if name != MODEL and own is not None and other is not None:
            difference = own - other
        results[name] = Scores(each.label, by_name[name], difference, errors[name], each.seconds)
    names = getattr(task, "labels", getattr(task, "classes", ()))
    return TargetReport(
        name=task.name,
        kind=task.kind,
        classes=tuple(map(str, names)),
        threshold=task.threshold,
        rows=len(y),
        shares=_shares(task, names, (y_train, weight_train), (y, weight)),
        spread=_spread(task, y_train, y),
        metrics=metrics,
        main=main,
        scores=results,
        **_shown(task, y, weight, values, _best(results, metrics[main].best, main)),
    )


def _labelled(y, weight, predictions):
    """Targets, weights and predictions of the rows that have a label: of a weight above 0."""
    y = np.asarray(y)
    values = {
        name: np.asarray(each.values, "float64").reshape(len(y), -1)
        for name, each in predictions.items()
    }
    if weight is None:
        return y, None, values
    weight = np.asarray(weight, "float64")
    there = weight > 0
    return y[there], weight[there], {name: each[there] for name, each in values.items()}


def _shares(task, names, train, test):
    if task.kind not in ("binary", "multiclass", "multilabel"):
        return {}
    shares = {}
    for n, name in enumerate(names):
        entries = []
        for y, weight in (train, test):
            there = y[:, n] > 0 if task.kind == "multilabel" else y == n
            share = float(np.average(there, weights=weight)) if len(there) else float("nan")
            entries += [int(there.sum()), share]
        shares[str(name)] = tuple(entries)
    return shares


def _spread(task, y_train, y):
    if task.kind != "regression":
        return {}
    return {
        part: (float(np.mean(values, dtype="f8")), float(np.std(values, dtype="f8")))
        for part, values in (("train", y_train), ("test", y))
        if len(values)
    }


def _best(results, best, main):
    """The name of the best of the fitted baselines, or `None`."""
    values = {
        name: each.values[main]
        for name, each in results.items()
        if name not in (MODEL, CONSTANT) and each.values[main] is not None
    }
    if not values:
        return None
    return (max if best == "max" else min)(values, key=values.__getitem__)


def _shown(task, y, weight, values, best) -> dict[str, Any]:
    """What charts show of a target."""
    prediction = values[MODEL]
    if not len(y) or not np.isfinite(prediction).all():
        return {}
    if task.kind == "binary":
        threshold, y = task.threshold, y.astype(int)
        shown = _of_classes(task, y, is_positive(prediction[:, 0], threshold).astype(int), weight)
        if len(np.unique(y)) < 2:
            return shown
        for name in filter(None, (MODEL, best)):
            at = threshold if name == MODEL else None
            for kind, curve in (("roc", curves.roc), ("precision_recall", curves.precision_recall)):
                shown.setdefault(kind, {})[name] = curve(y, values[name][:, 0], weight, at)
        return shown | {
            "calibration": curves.calibration(y, prediction[:, 0], weight),
            "thresholds": curves.at_thresholds(y, prediction[:, 0], threshold),
        }
    if task.kind == "multiclass":
        predicted, y = prediction.argmax(axis=1), y.astype(int)
        top = prediction.max(axis=1) / prediction.sum(axis=1)
        return {
            **_of_classes(task, y, predicted, weight),
            "calibration": curves.calibration((predicted == y).astype(float), top, weight),
        }
    if task.kind == "multilabel":
        thresholds = np.broadcast_to(task.threshold, prediction.shape[1])
        labels = [str(label) for label in task.labels]
        return {"by_class": curves.by_label(y, prediction, labels, thresholds, weight)}
    if task.kind == "regression":
        return {
            "residuals": y - prediction[:, 0],
            "pairs": curves.pairs(y, prediction[:, 0]),
        }
    return {}


def _of_classes(task, y, predicted, weight):
    """Both are numbers of classes, `[N]`."""
    count = len(task.classes)
    confusion = np.zeros((count, count), int)
    np.add.at(confusion, (y, predicted), 1)
    names = [str(name) for name in task.classes]
    return {"confusion": confusion, "by_class": curves.by_class(y, predicted, names, weight)}
