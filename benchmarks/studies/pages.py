"""Where a study's numbers and pictures go: results/studies, docs/studies and docs/studies.md."""

import datetime
import json
import pathlib
import re

from benchmarks.speed import machine

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "studies.md"
RESULTS = ROOT / "results" / "studies"
PICTURES = ROOT / "docs" / "studies"


def provenance(command, seconds):
    """By what, when and where something was measured."""
    found = machine.describe()
    return {
        "command": command,
        "date": datetime.date.today().isoformat(),
        "cpu": found["cpu"],
        "cores": found["cores"],
        "cpu_seconds": round(seconds),
        "versions": {
            name: version
            for name, version in machine.versions().items()
            if name in ("python", "keras", "tensorflow", "numpy")
        },
    }


def write(result, file):
    """Writes a result as JSON, its numbers to six digits, lists of numbers on one line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_rounded(result), indent=1, allow_nan=False)
    text = re.sub(r"\[[^][{}]*\]", lambda match: re.sub(r"\s+", " ", match[0]), text)
    file.write_text(text + "\n", encoding="utf-8")


def read(file):
    return json.loads(file.read_text(encoding="utf-8"))


def _rounded(value):
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(one) for one in value]
    return value


def table(head, rows):
    """A Markdown table: first column left, the others right."""
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def ranged(found, digits=4, sign=False):
    """`mean (low to high)`."""
    form = f"{{:{'+' if sign else ''}.{digits}f}}"
    return "{} ({} to {})".format(*(form.format(found[name]) for name in ("mean", "low", "high")))


def probability(value):
    """A p-value as one prints it."""
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}".replace("e-0", "e-")


def render(text, study, blocks, result):
    """The text with every block of a study written anew.

    A block is `<!-- study: STUDY NAME --> ... <!-- end of study -->`.

    Args:
        text: A page in Markdown.
        study: Name of the study.
        blocks: Dict from a block's name to a function from the result to Markdown.
        result: The study's result.
    """

    def block(match):
        if match["name"] not in blocks:
            raise ValueError(f"There is no block {match['name']!r}. There are: {list(blocks)}.")
        return f"{match['head']}\n{blocks[match['name']](result)}\n<!-- end of study -->"

    pattern = rf"(?P<head><!-- study: {study} (?P<name>\S+) -->).*?<!-- end of study -->"
    return re.sub(pattern, block, text, flags=re.DOTALL)
