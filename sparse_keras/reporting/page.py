"""A report as one self-contained page of HTML: no network, no scripts."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING

import numpy as np

import sparse_keras
from sparse_keras._internal.metric_text import metric_text
from sparse_keras._internal.pages import html
from sparse_keras._internal.pages.charts import Axis, Series, axis_of, plot
from sparse_keras.inspection.charts import load_chart
from sparse_keras.layers.mixtures.routing_warnings import percent
from sparse_keras.reporting.contenders import MODEL
from sparse_keras.reporting.target_cards import SHORT, target_section
from sparse_keras.reporting.uncertainty import RESAMPLES
from sparse_keras.reporting.words import matters

if TYPE_CHECKING:
    from sparse_keras.reporting.result import Report

MARK = "<!-- written by sparse_keras.report -->"
_MOST_COLUMNS = 40  # in a table; the others are folded
_MOST_IMPORTANT = 20
_MOST_GATES = 4


def page_of(report: Report) -> str:
    """Renders the page."""
    title = f"Run of {report.config}"
    parts = [
        f"<h1>{html.breakable(title)}</h1>",
        f'<p class="muted">{html.text(_subtitle(report))}</p>',
        html.links(_anchors(report)),
        html.section("In short", html.verdict_list(report.summary())),
        _what_was_trained(report),
    ]
    several = len(report.targets) > 1
    parts += [
        target_section(target, report, n if several else None)
        for n, target in enumerate(report.targets)
    ]
    parts += [
        _training(report),
        _importance(report),
        _experts(report),
        _costs(report),
        _columns(report),
        _again(report),
        _footer(report),
    ]
    return html.document(title, MARK, filter(None, parts))


def _anchors(report):
    yield "trained", "what was trained"
    for n, target in enumerate(report.targets):
        several = len(report.targets) > 1
        yield (f"good-{n}", f"how good it is: {target.name}") if several else ("good", "how good")
    yield "training", "training"
    yield "columns-used", "what it relies on"
    yield "experts", "experts"
    yield "costs", "costs"
    yield "columns", "columns"
    yield "again", "to repeat"
    yield "reading", "how to read this page"


def _subtitle(report):
    names = ", ".join(target.name for target in report.targets)
    return f"Predicts {names} of {report.data}. Started {report.started}."


def _what_was_trained(report):
    rows = ", ".join(f"{count:,} {part}" for part, count in report.rows.items())
    facts = [("data", html.breakable(report.data)), ("rows", html.text(rows))]
    for target in report.targets:
        facts.append(("target", _target_fact(target)))
    facts.append(("how the rows were split", html.text(report.split)))
    facts += [(name, html.breakable(value)) for name, value in report.facts]
    return html.section("What was trained", html.facts(facts, "What was trained"), "trained")


def _target_fact(target):
    kind = {
        "binary": "two classes",
        "multiclass": f"{len(target.classes)} classes",
        "multilabel": f"{len(target.classes)} labels, any number at once",
        "regression": "a number",
    }.get(target.kind, target.kind)
    text = f"<b>{html.breakable(target.name)}</b>: {html.text(kind)}. "
    if target.kind == "regression" and "train" in target.spread:
        mean, deviation = target.spread["train"]
        text += html.text(
            f"Mean {metric_text(mean)}, standard deviation {metric_text(deviation)} in the "
            "training rows."
        )
    elif target.kind == "binary":
        positive = target.classes[1]
        _, share, _, test = target.shares[positive]
        text += html.breakable(
            f"Base rate: {_share(share)} of the training rows are {positive!r}, and "
            f"{_share(test)} of those on which metrics are measured."
        )
    elif target.kind == "multiclass":
        name, (_, share, _, _) = max(target.shares.items(), key=lambda each: each[1][1])
        text += html.breakable(f"The most frequent, {name!r}, has {_share(share)} of the rows.")
    return text


def _share(share):
    return f"{100 * share:.1f} %"


def _training(report):
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


def _importance(report):
    importance = report.importance
    title = "What it relies on"
    if importance is None:
        reason = html.paragraph(f"Left out. {report.left_out['importance']}")
        return html.section(title, reason, "columns-used")
    sample = (
        f"{importance.rows:,} {report.part} rows drawn at random of {importance.of:,}"
        if importance.rows < importance.of
        else f"all {importance.rows:,} {report.part} rows"
    )
    figures = []
    for target in report.targets:
        drops = importance.drops[target.name]
        if not np.isfinite(drops).all():
            continue
        head = target.metrics[target.main].label
        how = "falls" if target.metrics[target.main].best == "max" else "rises"
        caption = html.text(
            f"How far the {head} {how} when the values of a column are shuffled among the rows: "
            "the longer a bar, the more the model relies on the column. The thin line spans the "
            f"{drops.shape[1]} shuffles. Measured on {sample}. Columns that say the same as others "
            "look less important than they are together."
        )
        name = "Permutation importance"
        name += f": {target.name}" if len(report.targets) > 1 else ""
        figures.append(html.card(name, caption, _bars(importance, drops, head), wide=True))
    if not figures:
        reason = html.paragraph("Left out. The metric is undefined.")
        return html.section(title, reason, "columns-used")
    return html.chapter(title, html.cards(figures), "columns-used")


def _bars(importance, drops, head):
    mean = drops.mean(axis=1)
    order = np.argsort(-mean, kind="stable")
    top = max(float(drops.max()), 1e-12)
    clear = matters(drops)

    def row(n):
        width = 100 * max(float(mean[n]), 0.0) / top
        ends = drops[n].min(), drops[n].max()
        low, high = (100 * min(max(float(end), 0.0), top) / top for end in ends)
        bar = (
            f'<span class="track"><i style="left:0;width:{width:.1f}%"></i>'
            f'<b style="left:{low:.1f}%;width:{high - low:.1f}%"></b></span>'
        )
        spread = float(drops[n].std(ddof=1))
        weak = "" if clear[n] else "<br><small>not measurable</small>"
        return (
            f'<tr><th scope="row">{html.breakable(importance.columns[n])}</th>'
            f'<td class="track-cell">{bar}</td><td>{metric_text(float(mean[n]))} '
            f"<small>± {metric_text(spread)}</small>{weak}</td></tr>"
        )

    heads = html.heads("column", "", f"change of {head}")
    shown = "".join(row(n) for n in order[:_MOST_IMPORTANT])
    body = html.table(heads, shown, "Importance of columns", "full wrap")
    if len(order) > _MOST_IMPORTANT:
        rest = "".join(row(n) for n in order[_MOST_IMPORTANT:])
        more = html.table(heads, rest, "Importance of the other columns", "full wrap")
        body += html.folded(more, f"{len(order) - _MOST_IMPORTANT} more columns")
    return body


def _experts(report):
    title = "What the experts do"
    inspection = report.inspection
    if inspection is None:
        reason = html.paragraph(f"Left out. {report.left_out['experts']}")
        return html.section(title, reason, "experts")
    intro = html.paragraph(
        f"Each layer of experts sends a row to few of them. Measured on {inspection.examples:,} "
        f"{inspection.data}.",
        "muted",
    )
    figures = []
    for gate in inspection.gates[:_MOST_GATES]:
        if not gate.tokens:
            continue
        even = f"{100 / gate.num_experts:.3g} %"
        caption = (
            f"Each expert's share of the work; at most {percent(gate.load.max())}. "
            f'<span class="key"></span> even share: {even}. Columns near the line mean that all '
            "experts are used; an empty place is an expert that no row uses."
        )
        figures.append(html.card(f"Load: {gate.name}", caption, load_chart(gate)))
    more = len(inspection.gates) - _MOST_GATES
    rest = f" {more} more layers are not shown here." if more > 0 else ""
    hint = html.paragraph(f"More, by the values of any column:{rest}", "muted")
    body = (
        f"{intro}{html.verdict_list(inspection.summary())}{html.cards(figures, 'two')}{hint}"
        f"{html.command(_command('inspect', str(report.path)))}"
    )
    return html.chapter(title, body, "experts")


def _costs(report):
    costs = report.costs
    facts = [
        ("parameters", f"{costs['params']:,}"),
        (
            "active parameters",
            f"{costs['active_params']:,}, those that one row uses"
            + (
                f" ({percent(costs['active_params'] / costs['params'])})"
                if costs["params"] > costs["active_params"]
                else ""
            ),
        ),
        (
            "FLOPs",
            "unknown: a layer's cannot be counted"
            if costs["flops"] is None
            else f"{costs['flops']:,}, operations of one prediction",
        ),
        (
            "training",
            "unknown"
            if costs["fit_seconds"] is None
            else f"{costs['fit_seconds']:,.1f} seconds on the machine that trained it, "
            f"{report.history.epochs} epochs",
        ),
        (
            "one prediction",
            "not measured: there are no test rows"
            if costs["latency_ms"] is None
            else f"{costs['latency_ms']:,.1f} ms for a single raw row, the median of a few on the "
            "machine that wrote this page; many at once take far less each",
        ),
        ("size of the file", f"{costs['bytes'] / 1e6:,.2f} MB"),
    ]
    for target in report.targets[:1]:
        for name, scores in target.scores.items():
            if scores.seconds is not None:
                what = f"training of {SHORT.get(name, scores.label)}"
                facts.append((what, f"{scores.seconds:,.1f} seconds on the machine of this page"))
    facts = [(name, html.text(value)) for name, value in facts]
    return html.section("What it costs", html.facts(facts, "Costs"), "costs")


def _columns(report):
    title = "Columns"
    if not report.columns:
        reason = html.paragraph(f"Left out. {report.left_out['columns']}")
        return html.section(title, reason, "columns")
    kinds = [kind for _, kind, _ in report.columns]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))

    def rows(columns):
        return "".join(
            f'<tr><th scope="row">{html.breakable(name)}</th>'
            f'<td class="text kind">{html.text(kind)}</td>'
            f'<td class="text">{html.breakable(detail)}</td></tr>'
            for name, kind, detail in columns
        )

    heads = '<th scope="col">column</th><th scope="col" class="text">used as</th>'
    heads += '<th scope="col" class="text">detail</th>'
    # What is not an input is what a reader may miss.
    order = sorted(report.columns, key=lambda each: each[1] not in ("left out", "target", "weight"))
    body = html.paragraph(f"{counts}.", "muted")
    body += html.table(heads, rows(order[:_MOST_COLUMNS]), "Columns", "full wrap")
    if more := order[_MOST_COLUMNS:]:
        body += html.folded(
            html.table(heads, rows(more), "More columns", "full wrap"), f"{len(more)} more"
        )
    return html.section(title, body, "columns")


def _again(report):
    body = html.paragraph("The folder of the run, with its config, logs and model:", "muted")
    body += html.command(str(report.path))
    if report.command is not None:
        body += html.paragraph("Training again, with the same values:", "muted")
        body += html.command(report.command)
    if report.columns:
        body += html.paragraph("Predicting the rows of a file:", "muted")
        body += html.command(_command("predict", str(report.path), "new.csv"))
    body += html.paragraph("Evaluating it on other rows with their target:", "muted")
    body += html.command(_command("evaluate", str(report.path), "--data", "other.csv"))
    body += html.paragraph("What each expert does, in detail:", "muted")
    body += html.command(_command("inspect", str(report.path)))
    if report.command is not None:
        config = shlex.split(report.command)[2]  # sparse-keras train CONFIG
        what = "Comparing the config with other models, over several seeds; whether experts matter:"
        body += html.paragraph(what, "muted")
        body += html.command(_command("compare", config, "--seeds", "5"))
    body += html.paragraph("This page again:", "muted")
    body += html.command(_command("report", str(report.path), "--overwrite"))
    return html.section("What next", body, "again")


def _command(*words):
    return shlex.join(["sparse-keras", *words])


def _footer(report):
    compared = ""
    if any({*target.scores} - {MODEL} for target in report.targets):
        compared = (
            "<p><b>Significant</b>: the 95&nbsp;% interval of the difference does not contain 0. "
            f"It is approximate, from {RESAMPLES} draws of {html.text(report.part)} rows with "
            "replacement (bootstrap). It says how far the numbers depend on which rows were held "
            "out, and not how they change with the seed of the training: "
            "<code>sparse-keras compare</code> measures that.</p>"
        )
    chosen = ""
    if report.part == "validation":
        chosen = (
            " There are no test rows: the epoch was chosen by these, so they flatter it a little."
        )
    return (
        '<footer id="reading"><h2>How to read this page</h2>'
        f"<p>All metrics are those of the {html.text(report.part)} rows, which the model was not "
        f"trained on, unless said otherwise.{chosen} A dashed or dotted line in a chart is "
        "something to compare with; the legend above the chart names it.</p>"
        f"{compared}<p>Written by sparse_keras {sparse_keras.__version__}.</p></footer>"
    )
