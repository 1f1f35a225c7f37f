"""A comparison as tables: rows of cells, and the Markdown of them.

What goes in is the content of a results file, so that the tables of the docs and those on the
screen are one. Without anything heavy.
"""

_COSTS = {
    "fit_seconds": ("training, s", lambda value: f"{value:,.1f}"),
    "latency_ms": ("one row, ms", lambda value: f"{value:,.1f}"),
    "bytes": ("on disk, MB", lambda value: f"{value / 1e6:,.2f}"),
    "active_params": ("active parameters", lambda value: f"{value:,.0f}"),
    "params": ("parameters", lambda value: f"{value:,.0f}"),
    "hidden_dim": ("width", lambda value: f"{value:,.0f}"),
}


def scores_table(content):
    """`(head, rows)`: each model's metrics, mean ± standard deviation over seeds."""
    heads = [metric["head"] for metric in content["metrics"].values()]
    rows = [
        [
            model["label"],
            *(_spread(content, model["metrics"][metric]) for metric in content["metrics"]),
        ]
        for model in content["models"].values()
    ]
    return [_seeds(content), *heads], rows


def differences_table(content):
    """`(head, rows)`: what the first model's metrics are above each other's, with intervals."""
    reference, *others = content["models"].values()
    rows = [
        [other["label"], *(difference(against) for against in other["against"].values())]
        for other in others
    ]
    heads = [_head_with_direction(metric) for metric in content["metrics"].values()]
    return [f"{reference['label']} minus", *heads], rows


def costs_table(content):
    """`(head, rows)`: what each model costs, means over seeds."""
    models = content["models"].values()
    shown = [
        name for name in _COSTS if any(model["costs"][name]["mean"] is not None for model in models)
    ]
    rows = [
        [model["label"], *(_cost(name, model["costs"][name]["mean"]) for name in shown)]
        for model in models
    ]
    return ["costs", *(_COSTS[name][0] for name in shown)], rows


def tables_of(content):
    """All tables that say something."""
    tables = [scores_table(content), differences_table(content), costs_table(content)]
    return [(head, rows) for head, rows in tables if rows]


def markdown(head, rows):
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)


def markdown_of(content):
    """All tables of a comparison as Markdown, and what they mean."""
    return "\n\n".join([*(markdown(*table) for table in tables_of(content)), note(content)])


def note(content):
    """What the numbers are, in a few sentences."""
    told = (
        "Differences are paired over seeds, with 95 % intervals of Student's t, and the seeds won "
        f"(+), tied (=) and lost (-). {content['tuning']}"
    )
    told = " ".join([told, *content["left_out"].values()])
    machine = content["machine"]
    if machine is None:
        return told
    return f"{told} Seconds and milliseconds are of {machine['cpu']}, {machine['cores']} cores."


def difference(against, counts=True):
    """A paired difference in one cell.

    Args:
        against: What `paired_difference` found.
        counts: Whether to tell the seeds won, tied and lost.
    """
    if against["mean"] is None:
        return "-"
    told = _signed(against["mean"])
    if against["verdict"]:
        interval = f"[{_signed(against['low'])}, {_signed(against['high'])}]"
        told = f"{told} {interval} {against['verdict']}"
    if counts:
        told += f" (+{against['wins']} ={against['ties']} -{against['losses']})"
    return told


def number(value):
    """Four digits behind the point, or for large numbers six digits in all."""
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.6g}"


def _seeds(content):
    seeds = len(content["seeds"])
    return f"mean ± standard deviation over {seeds} seeds" if seeds > 1 else "one seed"


def _head_with_direction(metric):
    return f"{metric['head']} {'↑' if metric['higher_is_better'] else '↓'}"


def _spread(content, metric):
    if metric["mean"] is None:
        return "-"
    spread = "" if metric["std"] is None else f" ± {number(metric['std'])}"
    return f"{number(metric['mean'])}{spread}"


def _signed(value):
    return f"{'+' if value > 0 else ''}{number(value)}"


def _cost(name, value):
    return "" if value is None else _COSTS[name][1](value)


def _escaped(cell):
    return cell.replace("|", "\\|")
