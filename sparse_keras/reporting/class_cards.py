"""Cards about decisions between classes: confusions, other thresholds, metrics of each class."""

from __future__ import annotations

import numpy as np

from sparse_keras._internal.pages import html

_MOST_CELLS = 12  # classes in a confusion matrix with numbers of rows
_MOST_SHARES = 40  # with shares alone
_MOST_CONFUSIONS = 20
_MOST_CLASSES = 30  # in a table; the others are folded


def confusion_card(target):
    """Renders the confusion matrix, or the most frequent confusions of very many classes."""
    if target.confusion is None:
        return ""
    counts = target.confusion
    at = "" if target.threshold is None else f" at the threshold {threshold_text(target)}"
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


def thresholds_card(target):
    """Renders what other thresholds would do."""
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


def classes_card(target):
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


def threshold_text(target):
    """The threshold, or the lowest and the highest of several labels."""
    if not isinstance(target.threshold, tuple):
        return f"{target.threshold:.4g}"
    return f"{min(target.threshold):.4g} to {max(target.threshold):.4g}"
