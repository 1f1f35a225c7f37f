"""Writes the tables of published results anew: those in the README, and docs/results.md whole.

    python -m benchmarks.render_results

They come from the files in `results/`, which `sparse-keras compare CONFIG --publish` writes.
`tests/test_readme.py` compares.
"""

import json
import pathlib
import re

from sparse_keras.evaluation.tables import (
    difference,
    differences_table,
    markdown,
    markdown_of,
    number,
    scores_table,
)

ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
_HEAD = """# Results

Each config that has published results, on the test rows of its data set: against its dense twins,
gradient boosting and a linear model, on the same splits. Wins and losses alike. This page is
written by `python -m benchmarks.render_results` from the files in [results](../results), which
`sparse-keras compare CONFIG --publish` writes; each holds the values of every seed, the versions
and the machine.
"""


def published():
    """`{name: content}` of all published comparisons, and the same of ablations."""
    found = {"comparisons": {}, "ablations": {}}
    for file in sorted(RESULTS.rglob("*.json")):
        content = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(content, dict) and "config_hash" in content:
            kind = "ablations" if RESULTS / "ablations" in file.parents else "comparisons"
            found[kind][content["config"]] = content
    return found


def render(text):
    """The text with every results block written anew from its JSON file."""

    def block(match):
        content = json.loads((RESULTS / f"{match['name']}.json").read_text(encoding="utf-8"))
        tables = (scores_table(content), differences_table(content))
        shown = "\n\n".join(markdown(*table) for table in tables)
        return f"<!-- results: {match['name']} -->\n{shown}\n<!-- end of results -->"

    pattern = r"<!-- results: (?P<name>\S+) -->.*?<!-- end of results -->"
    return re.sub(pattern, block, text, flags=re.DOTALL)


def page():
    """docs/results.md."""
    found = published()
    parts = [_HEAD, "## All of them", summary(found["comparisons"])]
    for name, content in found["comparisons"].items():
        parts += [f"## {name}", _rows(content), markdown_of(content), _measured(content)]
    for name, content in found["ablations"].items():
        parts += [f"## Ablations of {name}", _rows(content), markdown_of(content)]
        parts += [_measured(content)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def summary(contents):
    """One row for each config and target: its first metric, and the differences to each model."""
    sides = dict.fromkeys(
        name for content in contents.values() for name in list(content["models"])[1:]
    )
    heads = ["config", "rows to learn from", "metric", "sparse experts"]
    heads += [name.replace("_", " ") for name in sides]
    rows, counts = [], {name: {"win": 0, "tie": 0, "loss": 0} for name in sides}
    for config, content in contents.items():
        learned = sum(content["data"]["rows"].values()) - content["data"]["rows"]["test"]
        for metric in _first_of_each_target(content["metrics"]):
            reference, *_ = content["models"].values()
            row = [config, f"{learned:,}", content["metrics"][metric]["head"]]
            row.append(number(reference["metrics"][metric]["mean"]))
            for side in sides:
                against = content["models"].get(side, {}).get("against", {}).get(metric)
                row.append("" if against is None else difference(against, counts=False))
                if against is not None and against["verdict"]:
                    counts[side][against["verdict"]] += 1
            rows.append(row)
    won = ["**won, tied, lost**", "", "", ""]
    won += [" / ".join(str(count) for count in counts[side].values()) for side in sides]
    return (
        f"{markdown(heads, [*rows, won])}\n\nDifferences are sparse experts minus the other, "
        "paired over seeds, with 95 % intervals; a win or a loss is one whose interval leaves 0 "
        "out."
    )


def _first_of_each_target(metrics):
    """Of "income.auc", "income.accuracy", "married.auc": the first and the last."""
    firsts = {}
    for name in metrics:
        firsts.setdefault(name.rpartition(".")[0], name)
    return firsts.values()


def _rows(content):
    rows = ", ".join(f"{count:,} {part}" for part, count in content["data"]["rows"].items())
    return f"{content['data']['name']}: {rows} rows."


def _measured(content):
    versions = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    return (
        f"`{content['command']}`, config hash {content['config_hash'][:12]}, seeds "
        f"{', '.join(map(str, content['seeds']))}; {versions}."
    )


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(render(readme.read_text(encoding="utf-8")), encoding="utf-8")
    (ROOT / "docs" / "results.md").write_text(page(), encoding="utf-8")
