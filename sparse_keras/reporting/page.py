"""A report as one self-contained page of HTML: no network, no scripts."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import sparse_keras
from sparse_keras._internal.metric_text import metric_text
from sparse_keras._internal.pages import html
from sparse_keras.inspection.charts import load_chart
from sparse_keras.layers.mixtures.routing_warnings import percent
from sparse_keras.reporting.contenders import MODEL
from sparse_keras.reporting.importance_section import importance_section
from sparse_keras.reporting.target_cards import SHORT, target_section
from sparse_keras.reporting.training_section import training_section
from sparse_keras.reporting.uncertainty import RESAMPLES

if TYPE_CHECKING:
    from sparse_keras.reporting.result import Report

MARK = "<!-- written by sparse_keras.report -->"
_MOST_COLUMNS = 40  # in a table; the others are folded
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
        training_section(report),
        importance_section(report),
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
