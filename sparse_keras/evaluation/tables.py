"""A comparison as tables of text, and as Markdown.

The input is the content of a results file, so that the tables in the docs and on the screen are the
same. Imports nothing heavy.
"""

from typing import Any

from sparse_keras.evaluation.statistics import MIN_PAIRS

# The cells of the header, and of each row.
Table = tuple[list[str], list[list[str]]]

_COSTS = {
    "fit_seconds": ("training, s", lambda value: f"{value:,.1f}"),
    "latency_ms": ("one row, ms", lambda value: f"{value:,.1f}"),
    "bytes": ("on disk, MB", lambda value: f"{value / 1e6:,.2f}"),
    "active_params": ("active parameters", lambda value: f"{value:,.0f}"),
    "params": ("parameters", lambda value: f"{value:,.0f}"),
    "hidden_dim": ("width", lambda value: f"{value:,.0f}"),
}


def scores_table(content: dict[str, Any]) -> Table:
    """Tabulates each model's metrics: mean ± standard deviation over seeds."""
    heads = [metric["head"] for metric in content["metrics"].values()]
    rows = [
        [
            model["label"],
            *(_spread(content, model["metrics"][metric]) for metric in content["metrics"]),
        ]
        for model in content["models"].values()
    ]
    return [_seeds(content), *heads], rows


def differences_table(content: dict[str, Any]) -> Table:
    """Tabulates the first model's metrics minus each other model's, with confidence intervals."""
    reference, *others = content["models"].values()
    rows = [
        [other["label"], *(difference(against) for against in other["against"].values())]
        for other in others
    ]
    heads = [_head_with_direction(metric) for metric in content["metrics"].values()]
    return [f"{reference['label']} minus", *heads], rows


def costs_table(content: dict[str, Any]) -> Table:
    """Tabulates each model's costs: means over seeds."""
    models = content["models"].values()
    known = [
        name for name in _COSTS if any(model["costs"][name]["mean"] is not None for model in models)
    ]
    rows = [
        [model["label"], *(_cost(name, model["costs"][name]["mean"]) for name in known)]
        for model in models
    ]
    return ["costs", *(_COSTS[name][0] for name in known)], rows


def tables_of(content: dict[str, Any]) -> list[Table]:
    """Returns all tables that have rows."""
    tables = [scores_table(content), differences_table(content), costs_table(content)]
    return [(head, rows) for head, rows in tables if rows]


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """Formats a table as Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)


def markdown_of(content: dict[str, Any]) -> str:
    """Formats all tables of a comparison as Markdown, with a note on how to read them."""
    return "\n\n".join([*(markdown(*table) for table in tables_of(content)), note(content)])


def note(content: dict[str, Any]) -> str:
    """Explains the tables of a comparison in a few sentences."""
    counts = "the numbers of seeds won (+), tied (=) and lost (-)"
    if len(content["seeds"]) >= MIN_PAIRS:
        differences = f"with 95 % confidence intervals by Student's t and {counts}."
    else:
        differences = (
            f"with {counts}. By fewer than {MIN_PAIRS} seeds they have no confidence intervals: "
            "they may be chance."
        )
    sentences = [
        f"Differences are paired by seed, {differences}",
        *_about_fixed_rows(content["data"].get("split")),
        content["tuning"],
        # Several contenders may be left out for the same reason.
        *dict.fromkeys(content["left_out"].values()),
    ]
    if "threshold" in content.get("config_values", {}).get("training", {}):
        sentences.append("All models are scored at the threshold 0.5, not that of the config.")
    machine = content["machine"]
    if machine is not None:
        sentences.append(
            f"Times were measured on {machine['cpu']}, {machine['cores']} cores{_busy(machine)}."
        )
    return " ".join(sentences)


def _busy(machine):
    """Says so if other programs made times longer. What was measured earlier may lack the load."""
    load, cores = machine.get("load"), machine["cores"]
    if load is None or cores is None or load < 1.25 * cores:
        return ""
    return f", which had other work, too (load average {load})"


def _about_fixed_rows(split):
    """Yields what seeds do not change, if the test rows are fixed."""
    if split is None or "test" not in split["fixed"]:
        return
    if "train" in split["fixed"] and "validation" in split["fixed"]:
        yield (
            "The rows are the same for all seeds, which change the initial weights and the order "
            f"of the training rows only ({split['description']}): intervals do not include the "
            "choice of the rows."
        )
    else:
        yield (
            "The test rows are the same for all seeds, which change the validation rows and the "
            f"initial weights ({split['description']}): intervals do not include the choice of the "
            "test rows."
        )


def difference(against: dict[str, Any], counts: bool = True) -> str:
    """Formats a paired difference as one cell.

    Args:
        against: What `paired_difference` returned.
        counts: Whether to add the numbers of seeds won, tied and lost.
    """
    if against["mean"] is None:
        return "-"
    cell = _signed(against["mean"])
    if against["verdict"]:
        interval = f"[{_signed(against['low'])}, {_signed(against['high'])}]"
        cell = f"{cell} {interval} {against['verdict']}"
    if counts:
        cell += f" (+{against['wins']} ={against['ties']} -{against['losses']})"
    return cell


def number(value: float) -> str:
    """Formats a number with four decimals, or a large one with six significant digits."""
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
