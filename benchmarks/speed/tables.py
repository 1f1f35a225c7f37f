"""The tables of a results file: what they hold, and how they look in Markdown and on a terminal."""

import dataclasses
import re

from benchmarks.speed.cases import MODES
from benchmarks.speed.subjects import KINDS, SETTINGS

MIB = 2**20


@dataclasses.dataclass(frozen=True)
class Table:
    """A title, for the terminal, and cells of text. The first column is the rows' names."""

    title: str
    heads: list
    rows: list

    def markdown(self):
        ruler = ["---", *("---:" if head else "---" for head in self.heads[1:])]
        lines = [self.heads, ruler, *self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def rich(self):
        import rich.table
        from rich.text import Text

        table = rich.table.Table(title=self.title, title_justify="left")
        for number, head in enumerate(self.heads):
            table.add_column(
                Text(head), justify="right" if number and head else "left", overflow="fold"
            )
        for row in self.rows:
            table.add_row(*(Text(cell) for cell in row))
        return table


class Results:
    """A results file, and how to find figures in it."""

    def __init__(self, result):
        self.result = result

    def cases(self, table):
        """The measured cases that a table shows, those aside that share another's column."""
        found = self.result["cases"].values()
        return [case for case in found if case["table"] == table and not case["column"]]

    def figure(self, case, kind, setting, mode):
        """The figure, or an empty one."""
        return self.result["figures"].get(case, {}).get(f"{kind}/{setting}", {}).get(mode, {})

    def cell(self, case, kind, setting, mode, show):
        """The text for a figure: empty if it was not measured."""
        figure = self.figure(case, kind, setting, mode)
        if "failed" in figure:
            return "failed"
        try:
            return show(figure)
        except KeyError:
            return ""


def milliseconds(figure):
    value = 1000 * figure["median"]
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def ratio(figure):
    return f"{figure['ratio']:.2f}"


def first_seconds(figure):
    return f"{figure['first_seconds']:.2f}"


def peak(figure):
    return f"{figure['peak'] / MIB:,.0f}"


def command_line(results):
    """The command that measured it, with the settings of the environment that matter."""
    given = results.result["machine"].get("environment") or {}
    return " ".join(
        [*(f"{name}={value}" for name, value in given.items()), results.result["command"]]
    )


def machine_table(results):
    """The machine, the versions, and how it was measured."""
    result = results.result
    machine, settings = result["machine"], result["settings"]
    devices = [f"{name} ({SETTINGS[key]})" for key, name in machine["devices"].items() if name]
    rows = [
        ["CPU", f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB"],
        ["GPU", ", ".join(devices) or "none"],
        ["load average before", f"{machine['load_before']:g}"],
        ["versions", ", ".join(f"{name} {value}" for name, value in result["versions"].items())],
        ["repetitions", f"{settings['repeats']}, or as many as fit {settings['budget']:g} seconds"],
        ["date", result["date"]],
        ["command", f"`{command_line(results)}`"],
    ]
    return Table("Machine", ["", ""], rows)


def ratio_table(results, kind, title):
    """Ratios to the dense layer: a row for each framework and mode, a column for each case."""
    columns = results.cases("columns")
    others = [case for case in results.result["cases"].values() if case["column"]]
    rows = []

    def add(name, setting, mode, names):
        cells = [results.cell(case, kind, setting, mode, ratio) if case else "" for case in names]
        if any(cells):
            rows.append([f"{name}, {MODES[mode]}", *cells])

    for setting, name in SETTINGS.items():
        for mode in ("inference", "gradient", "fit", "fit_fused"):
            add(name, setting, mode, [case["name"] for case in columns])
        for other in others:
            names = [other["name"] if case["name"] == other["column"] else "" for case in columns]
            for mode in ("inference", "gradient"):
                add(f"{name}, {other['policy']}", setting, mode, names)
    return Table(title, ["time / dense", *(case["label"] for case in columns)], rows)


def fit_table(results):
    """Where a fit step on TensorFlow goes: the dense layer's, and the update of the bank."""
    columns = results.cases("columns") + results.cases("peers")
    names = [case["name"] for case in columns]
    lines = {
        "MixtureOfExperts, Adam": ("ours", "fit"),
        "MixtureOfExperts, FusedOptimizer(Adam)": ("ours", "fit_fused"),
        "dense, Adam": ("dense", "fit"),
        "Adam on the bank alone, by TensorFlow's fused kernel": ("ours", "update"),
    }
    rows = [
        [line, *(results.cell(name, kind, "tensorflow", mode, milliseconds) for name in names)]
        for line, (kind, mode) in lines.items()
    ]
    for line, mode in (("Adam", "fit"), ("FusedOptimizer(Adam)", "fit_fused")):
        cells = []
        for name in names:
            ours = results.figure(name, "ours", "tensorflow", mode)
            parts = [
                results.figure(name, "dense", "tensorflow", "fit"),
                results.figure(name, "ours", "tensorflow", "update"),
            ]
            known = all("median" in figure for figure in (ours, *parts))
            cells.append(
                f"{ours['median'] / sum(part['median'] for part in parts):.2f}" if known else ""
            )
        rows.append([f"MixtureOfExperts, {line} / (dense + update)", *cells])
    rows = [row for row in rows if any(row[1:])]
    return Table("Fit step on TensorFlow", ["ms a step", *map(_head, columns)], rows)


def peers_table(results):
    """Every subject of the SwiGLU case: milliseconds, and ratios to dense and to ours."""
    rows = []
    cases = results.cases("peers")
    for case in cases:
        for kind, label in KINDS.items():
            for setting, framework in SETTINGS.items():
                cells = []
                for mode in ("inference", "gradient"):
                    here = (case["name"], kind, setting, mode)
                    ours = results.figure(case["name"], "ours", setting, mode)
                    cells += [
                        results.cell(*here, milliseconds),
                        results.cell(*here, ratio),
                        results.cell(
                            *here, lambda f, ours=ours: f"{f['median'] / ours['median']:.2f}"
                        ),
                    ]
                cells.append(results.cell(case["name"], kind, setting, "memory", peak))
                if any(cells):
                    rows.append([f"{label}, {framework}", *cells])
    heads = [cases[0]["label"] + ", SwiGLU" if cases else ""]
    for mode in ("inference", "gradient step"):
        heads += [f"{mode}, ms", "/ dense", "/ ours"]
    return Table("Peers", [*heads, "peak memory, MiB"], rows)


def decode_table(results):
    """A few tokens against a dense layer that reads as many weights; a column for each E."""
    cases = {(case["sizes"][4], case["sizes"][0]): case for case in results.cases("decode")}
    tokens, experts = (sorted({sizes[n] for sizes in cases}) for n in (0, 1))
    heads = ["inference", "N"]
    for number in experts:
        heads += [f"E={number}, ms", "dense of as many weights, ms", "ratio"]
    rows = []
    for setting, name in SETTINGS.items():
        for n in tokens:
            cells = []
            for number in experts:
                case = cases.get((n, number))
                if case is None:
                    cells += ["", "", ""]
                    continue
                dense = results.cell(case["name"], "dense", setting, "inference", milliseconds)
                active = case["dense_hidden"] // case["sizes"][3]
                cells += [
                    results.cell(case["name"], "ours", setting, "inference", milliseconds),
                    dense and f"{dense} ({active} × {case['sizes'][3]})",
                    results.cell(case["name"], "ours", setting, "inference", ratio),
                ]
            if any(cells):
                rows.append([name, str(n), *cells])
    return Table("Decoding", heads, rows)


def small_table(results):
    """A small model, where the cost is in the number of operations."""
    cases = results.cases("small")
    heads = ["fit step"]
    for case in cases:
        heads += [f"{case['label']}, ms", "dense, ms", "ratio"]
    return _pairs("Small model", heads, results, cases, "fit")


def _pairs(title, heads, results, cases, mode):
    rows = []
    for setting, name in SETTINGS.items():
        cells = []
        for case in cases:
            cells += [
                results.cell(case["name"], "ours", setting, mode, milliseconds),
                results.cell(case["name"], "dense", setting, mode, milliseconds),
                results.cell(case["name"], "ours", setting, mode, ratio),
            ]
        if any(cells):
            rows.append([name, *cells])
    return Table(title, heads, rows)


def memory_table(results):
    """Peaks of processes that build and take a few gradient steps, and nothing else."""
    rows = []
    for case in results.cases("columns") + results.cases("peers"):
        bank = case["bank_bytes"]
        for setting, framework in SETTINGS.items():
            cells = [
                results.cell(case["name"], kind, setting, "memory", show)
                for kind, show in (
                    ("ours", lambda figure: f"{figure['baseline'] / MIB:,.0f}"),
                    ("ours", peak),
                    ("dense", peak),
                    ("all_experts", peak),
                )
            ]
            ours, dense = (
                results.figure(case["name"], kind, setting, "memory") for kind in ("ours", "dense")
            )
            known = "peak" in ours and "peak" in dense
            cells.append(f"{ours['peak'] / (dense['peak'] + 2 * bank):.2f}" if known else "")
            if any(cells):
                rows.append([f"{_head(case)}, {framework}", f"{bank / MIB:,.0f}", *cells])
    heads = [
        "MiB",
        "bank",
        "after imports",
        "ours, peak",
        "dense, peak",
        "all experts, peak",
        "ours / (dense + 2 banks)",
    ]
    return Table("Peak memory", heads, rows)


def first_table(results):
    """Seconds until the first gradient step is done: tracing, compiling, computing."""
    cases = results.cases("columns") + results.cases("peers") + results.cases("deep")
    rows = []
    for kind in ("ours", "dense"):
        for setting, framework in SETTINGS.items():
            cells = [
                results.cell(
                    case["name"],
                    kind,
                    setting,
                    "first" if case["table"] == "deep" else "gradient",
                    first_seconds,
                )
                for case in cases
            ]
            if any(cells):
                name = "MixtureOfExperts" if kind == "ours" else "dense"
                rows.append([f"{name}, {framework}", *cells])
    return Table("First gradient step", ["seconds", *map(_head, cases)], rows)


def _head(case):
    extras = [", SwiGLU" if case["glu"] else "", f", {case['layers']} layers"]
    return case["label"] + "".join(extras[: 2 if case["layers"] > 1 else 1])


def case_table(results, name):
    """All that was timed on one case, with quartiles and reasons of failures."""
    case = results.result["cases"][name]
    figures = results.result["figures"][name]
    modes = [mode for mode in MODES if any(mode in found for found in figures.values())]
    rows = [[name, *(_figure_cell(found.get(m)) for m in modes)] for name, found in figures.items()]
    title = f"{name}: {_head(case)}, {case['policy']}"
    if case["dense_hidden"] != case["sizes"][1] * case["sizes"][3]:
        title += f", dense width {case['dense_hidden']}"
    return Table(title, ["ms (quartiles), / dense", *(MODES[mode] for mode in modes)], rows)


def _figure_cell(figure):
    if figure is None:
        return ""
    if "failed" in figure:
        return f"failed: {figure['failed']}"
    if "peak" in figure:
        return f"{peak(figure)} MiB"
    if "median" not in figure:
        return f"{first_seconds(figure)} s"
    low, high = (1000 * value for value in figure["quartiles"])
    text = f"{milliseconds(figure)} ({low:.3g} to {high:.3g})"
    return f"{text}, {ratio(figure)}" if "ratio" in figure else text


BLOCKS = {
    "machine": machine_table,
    "ratios": lambda results: ratio_table(results, "ours", "Time over that of the dense layer"),
    "all_experts": lambda results: ratio_table(
        results, "all_experts", "Time of all experts over that of the dense layer"
    ),
    "fit": fit_table,
    "peers": peers_table,
    "decode": decode_table,
    "small": small_table,
    "memory": memory_table,
    "first": first_table,
}


def render(text, read):
    """The text with every block written anew.

    A block is `<!-- speed: NAME --> ... <!-- end of speed -->`, NAME being one of `BLOCKS`, or
    `<!-- speed: NAME in FILE --> ...` for another file than `cpu`, which ends in its command.

    Args:
        text: A page in Markdown.
        read: Returns the content of a results file by its name, or None if there is none; then its
            blocks are empty.
    """

    def block(match):
        name, file = match["name"], match["file"] or "cpu"
        if name not in BLOCKS:
            raise ValueError(f"There is no table {name!r}. There are: {', '.join(BLOCKS)}.")
        result = read(file)
        table = "" if result is None else BLOCKS[name](Results(result)).markdown() + "\n"
        if result is not None and match["file"]:
            table += f"\nMeasured with `{command_line(Results(result))}`.\n"
        return f"{match['head']}\n{table}<!-- end of speed -->"

    pattern = (
        r"(?P<head><!-- speed: (?P<name>\S+)(?: in (?P<file>\S+))? -->).*?<!-- end of speed -->"
    )
    return re.sub(pattern, block, text, flags=re.DOTALL)
