"""The part of the page about training: the learning curves."""

from __future__ import annotations

import math

from sparse_keras._internal.metric_text import metric_text
from sparse_keras._internal.pages import html
from sparse_keras._internal.pages.charts import Axis, Series, axis_of, plot


def training_section(report):
    """Renders the part."""
    history, cards = report.history, []
    if not history.epochs:
        return html.section(
            "How it was trained", html.paragraph("The run has no logs of its epochs."), "training"
        )
    for name, title in (("loss", "Loss"), (history.main, _main_title(report))):
        if name is not None and name in history.logs:
            cards.append(_learning_curve(history, name, title))
    return html.chapter("How it was trained", html.cards(cards, "two"), "training")


def _main_title(report):
    """What to call the metric of the first target that is logged."""
    first = report.targets[0]
    heads = {name: metric.label for name, metric in first.metrics.items()}
    name = (report.history.main or "").removeprefix(f"{first.name}_")
    head = heads.get(name, name)
    return f"{head} of {first.name}" if len(report.targets) > 1 else head


def _learning_curve(history, name, title):
    train, validation = history.logs[name], history.logs.get(f"val_{name}")
    epochs = list(range(1, history.epochs + 1))
    series = [Series(epochs, train, "main", "training rows")]
    if validation is not None:
        series.append(Series(epochs, validation, "other", "validation rows"))
    spot = "Lower is better." if "loss" in name else ""
    if history.best is not None and validation is not None:
        best = validation[history.best - 1]
        series.append(Series([history.best], [best], "spot", f"best epoch: {history.best}"))
    caption = (
        f"The {title if name != 'loss' else 'loss'} after each epoch, that is each pass over the "
        "training rows. "
        f"{spot} "
    )
    if validation is not None:
        caption += (
            "As long as the line of the validation rows improves, training helps; where only the "
            "other still does, the network learns its rows by heart. "
        )
        caption += f"The model has the weights of {_epoch(history)}."
        if name == "loss":
            caption += (
                " In training, dropout and auxiliary losses add to the loss, so that the line of "
                "the training rows may lie above the other."
            )
    else:
        caption += "There are no validation rows."
    values = [v for one in series for v in one.y if math.isfinite(v)]
    label = f"{title} of {history.epochs} epochs. Training: {metric_text(train[-1])} in the last."
    if not values:
        return html.card(title, html.prose(caption), "")
    chart = plot(
        series,
        Axis(1, max(history.epochs, 2), "epoch", whole=True),
        axis_of(values, title),
        label,
    )
    columns = [train] if validation is None else [train, validation]
    rows = "".join(
        html.row(str(epoch), [metric_text(values[epoch - 1]) for values in columns])
        for epoch in epochs
    )
    names = ("epoch", "training", "validation")[: 1 + len(columns)]
    numbers = html.table(html.heads(*names), rows, f"{title} in numbers", "few")
    return html.card(title, html.prose(caption), chart + html.folded(numbers))


def _epoch(history):
    if history.kept == history.epochs:
        return f"the last epoch, {history.epochs}"
    return f"epoch {history.kept} of {history.epochs}"
