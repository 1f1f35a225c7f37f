"""The part of the page about one target: metrics and charts, each with how to read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sparse_keras._internal.metric_text import metric_text, signed_text
from sparse_keras._internal.pages import html
from sparse_keras._internal.pages.charts import Axis, Series, plot
from sparse_keras.reporting.class_cards import (
    classes_card,
    confusion_card,
    threshold_text,
    thresholds_card,
)
from sparse_keras.reporting.contenders import CONSTANT, MODEL
from sparse_keras.reporting.number_cards import residuals_card, true_and_predicted_card
from sparse_keras.reporting.words import interval_text
from sparse_keras.tasks.thresholds import DEFAULT

if TYPE_CHECKING:
    from sparse_keras.reporting.result import Report, TargetReport

_ZOOM = 0.6  # Calibration charts end at 100 %, unless nothing is above this.
SHORT = {
    MODEL: "this model",
    CONSTANT: "no model",
    "linear": "linear model",
    "hgb": "gradient boosting",
}


def target_section(target: TargetReport, report: Report, number: int | None) -> str:
    """Renders the part of the page about a target.

    Args:
        target: The `TargetReport`.
        report: The report that it is of.
        number: Its number among several; `None` for a single one.
    """
    title = "How good it is" if number is None else f"How good it is: {target.name}"
    cards = [
        confusion_card(target),
        thresholds_card(target),
        _roc(target),
        _precision_recall(target),
        _calibration(target),
        true_and_predicted_card(target),
        residuals_card(target),
        classes_card(target),
    ]
    cards = list(filter(None, cards))
    nothing = ""
    if not cards:
        nothing = html.paragraph(_why_no_charts(target))
    anchor = "good" if number is None else f"good-{number}"
    body = f"{_metrics(target, report)}{nothing}{html.cards(cards, 'two')}"
    return html.chapter(title, body, anchor)


def _why_no_charts(target):
    if not target.rows:
        return "There are no rows that have this target, so there are no charts."
    if target.scores[MODEL].values[target.main] is None:
        return "There are no charts: the metric is undefined, or predictions are NaN or infinite."
    return f"There are no charts for a task of the kind {target.kind!r}."


def _or_dash(value):
    return "–" if value is None else metric_text(value)


def _metrics(target, report):
    names = list(target.metrics)
    heads = html.heads("", *(SHORT.get(name, each.label) for name, each in target.scores.items()))
    rows = "".join(
        html.row(
            f"{html.text(metric.label)} {'↑' if metric.best == 'max' else '↓'}",
            [_or_dash(scores.values[name]) for scores in target.scores.values()],
            "own" if name == target.main else "",
        )
        for name, metric in target.metrics.items()
    )
    caption = f"On {target.rows:,} {report.part} rows. ↑: larger is better, ↓: smaller is better. "
    caption += '"No model" predicts the same for each row: '
    if target.kind == "regression":
        caption += "the mean of the training rows. "
    else:
        caption += "the shares of the classes in the training rows. "
    others = [
        scores.label for name, scores in target.scores.items() if name not in (MODEL, CONSTANT)
    ]
    if others:
        caption += f"The others are what `sparse-keras compare` fits: {', '.join(others)}. "
    if _decides_elsewhere(target):
        caption += (
            f"This model decides at its threshold, {threshold_text(target)}, the others at "
            f"{DEFAULT}: this moves the metrics of decisions, and neither AUC nor average "
            "precision. "
        )
    if any(scores.values[name] is None for scores in target.scores.values() for name in names):
        caption += "A dash: undefined for these rows. "
    if reason := report.left_out.get("baselines"):
        caption += f"Other models are left out. {reason}"
    body = html.table(heads, rows, f"Metrics of {target.name}", "full wrap")
    main = target.metrics[target.main].label
    differences = "".join(
        html.row(
            html.text(scores.label),
            [signed_text(scores.difference), _difference_interval(scores)],
        )
        for name, scores in target.scores.items()
        if scores.difference is not None
    )
    if differences:
        table = html.table(
            html.heads(f"{main}: this model minus", "difference", "95 % interval"),
            differences,
            f"Differences of {main}",
            "full wrap",
        )
        body += html.folded(table, "Differences")
    return html.card("Metrics", html.prose(caption), body)


def _decides_elsewhere(target):
    return target.threshold is not None and target.threshold != DEFAULT


def _difference_interval(scores):
    if scores.error is None:
        return "not estimated"
    return interval_text(scores.difference, scores.error)


def _lines(curves, target):
    """The curves of the model and of the best baseline, and the dot at the threshold."""
    series = []
    for name, curve in curves.items():
        label = SHORT.get(name, target.scores[name].label)
        series.append(Series(curve.x, curve.y, "main" if name == MODEL else "other", label))
    return series[::-1]


def _spot(curve, target):
    if curve.at is None:
        return []
    name = f"at the threshold {threshold_text(target)}"
    return [Series([curve.at[0]], [curve.at[1]], "spot", name)]


def _roc(target):
    if not target.roc:
        return ""
    positive = target.classes[1]
    caption = (
        f"Each point is a threshold: how many of the rows that are {positive!r} are found, and how "
        "many of the others are taken for it. The nearer to the top left corner the better; the "
        "dotted diagonal is guessing. The AUC is the area below the line."
    )
    chart = plot(
        [
            Series([0, 1], [0, 1], "reference", "guessing"),
            *_lines(target.roc, target),
            *_spot(target.roc[MODEL], target),
        ],
        Axis(0, 1, f"others taken for {positive!r} (false positive rate)", percent=True),
        Axis(0, 1, f"{positive!r} found (recall, true positive rate)", percent=True),
        f"ROC curve of {target.name}, AUC {metric_text(target.scores[MODEL].values.get('auc'))}.",
        square=True,
    )
    return html.card("ROC curve", html.prose(caption), chart)


def _precision_recall(target):
    if not target.precision_recall:
        return ""
    positive = target.classes[1]
    base = target.shares[positive][3]
    caption = (
        f"Each point is a threshold: how many of the rows that are {positive!r} are found (to the "
        "right), and how many of those predicted to be so are (up). The higher the line the "
        f"better; the dotted line is the base rate, {100 * base:.1f} %, at which guessing is right."
    )
    chart = plot(
        [
            Series([0, 1], [base, base], "reference", f"base rate {100 * base:.1f} %"),
            *_lines(target.precision_recall, target),
            *_spot(target.precision_recall[MODEL], target),
        ],
        Axis(0, 1, f"{positive!r} found (recall)", percent=True),
        Axis(0, 1, "right among those predicted (precision)", percent=True),
        f"Precision by recall of {target.name}; the base rate is {100 * base:.1f} %.",
        square=True,
    )
    return html.card("Precision and recall", html.prose(caption), chart)


def _calibration(target):
    measured = target.calibration
    if measured is None:
        return ""
    if target.kind == "binary":
        positive = target.classes[1]
        x = f"predicted probability of {positive!r}"
        y = f"share of rows that are {positive!r}"
        what = f"of {positive!r}"
    else:
        x, y = "probability of the predicted class", "share of rows of which it is right"
        what = "of the predicted class"
    caption = (
        f"Whether a probability {what} of 30 % comes true in 30 % of the cases. Each dot is a "
        f"group of about {int(np.median(measured.rows)):,} rows with similar probabilities; the "
        "line through it is its 95 % interval. On the dotted diagonal, probabilities are right; "
        "below it they are too high, above it too low. On average they are off by "
        f"{100 * measured.error:.1f} points; by chance alone it would be "
        f"{100 * measured.noise:.1f} points, and at most {100 * measured.chance:.1f} in 95 % of "
        "the cases."
    )
    highest = max(measured.predicted.max(), measured.high.max())
    end = 1.0 if highest > _ZOOM else float(highest)  # Probabilities of a rare class are small.
    chart = plot(
        [
            Series([0, end], [0, end], "reference", "right"),
            Series(measured.predicted, measured.low, "whiskers", "", measured.high),
            Series(measured.predicted, measured.observed, "solid", "this model"),
        ],
        Axis(0, end, x, percent=True),
        Axis(0, end, y, percent=True),
        f"Calibration: probabilities are off by {100 * measured.error:.1f} points on average.",
        square=True,
    )
    rows = "".join(
        html.row(f"{count:,}", [f"{100 * p:.1f} %", f"{100 * o:.1f} %"])
        for count, p, o in zip(measured.rows, measured.predicted, measured.observed, strict=True)
    )
    numbers = html.table(html.heads("rows", "predicted", "came true"), rows, "Calibration", "few")
    return html.card("Calibration", html.prose(caption), chart + html.folded(numbers))
