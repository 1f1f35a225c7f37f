"""The part of the page about one target: metrics and charts, each with how to read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sparse_keras._internal.metric_text import metric_text
from sparse_keras._internal.pages import html
from sparse_keras._internal.pages.charts import Axis, Series, axis_of, columns, plot
from sparse_keras.reporting.contenders import CONSTANT, MODEL
from sparse_keras.reporting.curves import MOST_PAIRS
from sparse_keras.reporting.words import interval_text
from sparse_keras.tasks.thresholds import DEFAULT

if TYPE_CHECKING:
    from sparse_keras.reporting.result import Report, TargetReport

_MOST_CELLS = 12  # classes in a confusion matrix with numbers of rows
_MOST_SHARES = 40  # with shares alone
_MOST_CONFUSIONS = 20
_MOST_CLASSES = 30  # in a table; the others are folded
_BINS = 40
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
        _confusion(target),
        _thresholds(target),
        _roc(target),
        _precision_recall(target),
        _calibration(target),
        _true_and_predicted(target),
        _residuals(target),
        _classes(target),
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
            f"This model decides at its threshold, {_threshold_text(target)}, the others at "
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
            [f"{scores.difference:+.4g}", _difference_interval(scores)],
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


def _threshold_text(target):
    """The threshold, or the lowest and the highest of several labels."""
    if not isinstance(target.threshold, tuple):
        return f"{target.threshold:.4g}"
    return f"{min(target.threshold):.4g} to {max(target.threshold):.4g}"


def _difference_interval(scores):
    if scores.error is None:
        return "not estimated"
    return interval_text(scores.difference, scores.error)


def _confusion(target):
    if target.confusion is None:
        return ""
    counts = target.confusion
    at = "" if target.threshold is None else f" at the threshold {_threshold_text(target)}"
    caption = (
        f"Rows by what they are (left) and what is predicted{at} (top). The diagonal is right, all "
        "else is wrong. Shades and percentages are shares of a true class, so each line sums to "
        "100 %."
    )
    if len(counts) > _MOST_SHARES:
        return html.card("Most frequent confusions", _confusions_caption(counts), _pairs(target))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    numbers = len(counts) <= _MOST_CELLS
    if not numbers:
        caption += " The numbers are percent of the rows of a class; empty cells have no row."
    heads = "<td></td>" + "".join(
        f'<th scope="col" title="{html.text(name)}"><span>{html.text(name)}</span></th>'
        for name in target.classes
    )
    rows = "".join(
        f'<tr><th scope="row" title="{html.text(name)}"><span>{html.text(name)}</span></th>'
        + "".join(
            f'<td{" class=right" if n == m else ""} style="--v:{shares[n, m]:.2f}" '
            f'title="{html.text(_cell_title(target, n, m))}">'
            + (
                f"{counts[n, m]:,}<br>{100 * shares[n, m]:.0f} %"
                if numbers
                else (f"{100 * shares[n, m]:.0f}" if counts[n, m] else "")
            )
            + "</td>"
            for m in range(len(counts))
        )
        + "</tr>"
        for n, name in enumerate(target.classes)
    )
    table = html.table(
        heads, rows, "Confusion matrix", f"heat confusion{'' if numbers else ' many-classes'}"
    )
    return html.card("Confusion matrix", html.prose(caption), table, wide=len(counts) > 4)


def _thresholds(target):
    if not target.thresholds:
        return ""
    positives = int(target.confusion[1].sum())
    positive = target.classes[1]
    caption = (
        f"How many rows are predicted to be {positive!r}, how many of them rightly, and the "
        f"recall: how many of the {positives:,} rows that are. The arrow is the model's threshold. "
        "To use another one: `sparse-keras predict RUN FILE --threshold X`, or for good "
        "`training.threshold` in the config."
    )
    rows = ""
    for one in target.thresholds:
        mark = " ←" if one["is_current"] else ""
        cells = [f"{one['rows']:,}{mark}", f"{one['right']:,}", f"{one['rows'] - one['right']:,}"]
        rows += html.row(f"{one['threshold']:.4g}", [*cells, f"{one['right'] / positives:.0%}"])
    heads = html.heads("threshold", "predicted", "right", "false alarms", "recall")
    table = html.table(heads, rows, "Thresholds")
    return html.card("Other thresholds", html.prose(caption), table)


def _cell_title(target, n, m):
    return (
        f"{target.confusion[n, m]:,} rows are {target.classes[n]} and predicted to be "
        f"{target.classes[m]}"
    )


def _confusions_caption(counts):
    return html.text(
        f"{len(counts)} classes are too many for a matrix: the {_MOST_CONFUSIONS} most frequent "
        "pairs of what a row is and what else is predicted."
    )


def _pairs(target):
    wrong = target.confusion * (1 - np.eye(len(target.confusion), dtype=int))
    rows = ""
    for index in np.argsort(-wrong, axis=None, kind="stable")[:_MOST_CONFUSIONS]:
        n, m = np.unravel_index(index, wrong.shape)
        if wrong[n, m]:
            share = wrong[n, m] / target.confusion[n].sum()
            rows += html.row(
                html.breakable(target.classes[n]),
                [target.classes[m], f"{wrong[n, m]:,}", f"{100 * share:.0f} %"],
            )
    return html.table(
        html.heads("is", "predicted", "rows", "of the class"), rows, "Confusions", "full wrap"
    )


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
    name = f"at the threshold {_threshold_text(target)}"
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
        f"{100 * measured.error:.1f} points, where {100 * measured.noise:.1f} would be chance."
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


def _true_and_predicted(target):
    if target.pairs is None:
        return ""
    sample = (
        f"{len(target.pairs):,} rows drawn at random of {target.rows:,}"
        if target.rows > MOST_PAIRS
        else f"All {target.rows:,} rows"
    )
    caption = (
        f"{sample}. A dot on the dotted line is predicted exactly; above it, too high a value was "
        "predicted, below it, too low a one."
    )
    values = target.pairs.reshape(-1)
    axis = axis_of(values, "true value")
    chart = plot(
        [
            Series([axis.low, axis.high], [axis.low, axis.high], "reference", "exact"),
            Series(target.pairs[:, 0], target.pairs[:, 1], "dots", "a row"),
        ],
        axis,
        axis_of(values, "predicted value"),
        f"Predicted by true {target.name}.",
        square=True,
    )
    return html.card("Predicted and true values", html.prose(caption), chart)


def _residuals(target):
    if target.residuals is None:
        return ""
    residuals = target.residuals
    low, high = np.quantile(residuals, [0.005, 0.995])
    reach = max(abs(low), abs(high)) or 1.0
    edges = np.linspace(-reach, reach, _BINS + 1)
    inside = residuals[(residuals >= -reach) & (residuals <= reach)]
    counts, _ = np.histogram(inside, edges)
    beyond = len(residuals) - len(inside)
    half, most = np.quantile(np.abs(residuals), [0.5, 0.9])
    caption = (
        f"How far predictions are off: the true value minus the predicted one. The dashed line is "
        f"0. Half of the rows are off by at most {metric_text(float(half))}, nine of ten by at "
        f"most {metric_text(float(most))}. A heap to the right of the line means that predictions "
        "are too low, to the left too high."
    )
    if beyond:
        caption += f" {beyond:,} rows beyond the ends are not shown."
    titles = [
        f"{metric_text(float(a))} to {metric_text(float(b))}: {count:,} rows"
        for a, b, count in zip(edges, edges[1:], counts, strict=False)
    ]
    mean = metric_text(float(residuals.mean()))
    label = f"Distribution of {len(residuals):,} residuals, mean {mean}."
    chart = (
        f'<div class="chart">{columns(counts / max(counts.max(), 1), titles, label, ("x", 0.5), 0)}'
        f'</div><div class="axis ends" aria-hidden="true"><span>{metric_text(-reach)}</span>'
        f"<span>0</span><span>{metric_text(reach)}</span></div>"
    )
    return html.card("Residuals", html.prose(caption), chart)


def _classes(target):
    """Tables by class or by label."""
    if not target.by_class or target.kind == "binary":
        return ""
    labels = target.kind == "multilabel"
    names = ["rows", "share", "precision", "recall", "F1", *(["AUC"] if labels else [])]

    def row(name):
        values = target.by_class[name]
        numbers = [values["precision"], values["recall"], values["f1"]]
        numbers += [values["auc"]] if labels else []
        shares = [f"{values['rows']:,}", f"{100 * target.shares[name][3]:.1f} %"]
        cells = [*shares, *("-" if one is None else f"{one:.3f}" for one in numbers)]
        return html.row(html.breakable(name), cells)

    order = sorted(target.by_class, key=lambda name: -target.by_class[name]["rows"])
    what = "label" if labels else "class"
    caption = (
        f"Precision: how many rows that are predicted to have this {what} have it. Recall: how "
        "many that have it are found. F1 is their harmonic mean. A dash: no row to compute it of."
    )
    heads = html.heads(what, *names)
    body = html.table(heads, "".join(map(row, order[:_MOST_CLASSES])), f"By {what}", "full wrap")
    if more := order[_MOST_CLASSES:]:
        table = html.table(heads, "".join(map(row, more)), f"By {what}, the others", "full wrap")
        body += html.folded(table, f"{len(more)} more")
    return html.card(f"By {what}", html.prose(caption), body, wide=True)
