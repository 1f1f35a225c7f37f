"""Rewrites the tables of published results: those in README.md, and docs/results.md as a whole.

    python -m benchmarks.render_results

The numbers come from the files in `results/`, which `sparse-keras compare CONFIG --publish` writes.
`tests/docs/test_readme.py` checks that the tables are up to date.
"""

import json
import pathlib
import re
from typing import Any

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

The test metrics of every config with published results, compared with its dense twins, gradient
boosting and a linear model on the same splits: wins and losses alike. This page is written by
`python -m benchmarks.render_results` from the files in [results](../results), which
`sparse-keras compare CONFIG --publish` writes; each holds the values of every seed, the versions
of packages, and the machine.
"""


def published() -> dict[str, dict[str, Any]]:
    """Reads all published results: `{"comparisons": {name: content}, "ablations": {...}}`."""
    results = {"comparisons": {}, "ablations": {}}
    for file in sorted(RESULTS.rglob("*.json")):
        content = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(content, dict) and "config_hash" in content:
            kind = "ablations" if RESULTS / "ablations" in file.parents else "comparisons"
            results[kind][content["config"]] = content
    return results


def render(text: str) -> str:
    """Rewrites every results block of a text from its JSON file."""

    def block(match):
        content = json.loads((RESULTS / f"{match['name']}.json").read_text(encoding="utf-8"))
        tables = (scores_table(content), differences_table(content))
        rendered = "\n\n".join(markdown(*table) for table in tables)
        return f"<!-- results: {match['name']} -->\n{rendered}\n<!-- end of results -->"

    pattern = r"<!-- results: (?P<name>\S+) -->.*?<!-- end of results -->"
    return re.sub(pattern, block, text, flags=re.DOTALL)


def page() -> str:
    """Renders docs/results.md."""
    results = published()
    parts = [_HEAD, "## Summary", summary(results["comparisons"])]
    for name, content in results["comparisons"].items():
        parts += [f"## {name}", _rows(content), markdown_of(content), _measured(content)]
    for name, content in results["ablations"].items():
        parts += [f"## Ablations of {name}", _rows(content), markdown_of(content)]
        parts += [_measured(content)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def summary(contents: dict[str, Any]) -> str:
    """Tabulates, for each config and target, the first metric and its difference to each model."""
    contenders = dict.fromkeys(
        name for content in contents.values() for name in list(content["models"])[1:]
    )
    heads = ["config", "rows to learn from", "metric", "sparse experts"]
    heads += [name.replace("_", " ") for name in contenders]
    rows, counts = [], {name: {"win": 0, "tie": 0, "loss": 0} for name in contenders}
    for config, content in contents.items():
        learned = sum(content["data"]["rows"].values()) - content["data"]["rows"]["test"]
        for metric in _first_of_each_target(content["metrics"]):
            reference, *_ = content["models"].values()
            row = [config, f"{learned:,}", content["metrics"][metric]["head"]]
            row.append(number(reference["metrics"][metric]["mean"]))
            for contender in contenders:
                against = content["models"].get(contender, {}).get("against", {}).get(metric)
                row.append("" if against is None else difference(against, counts=False))
                if against is not None and against["verdict"]:
                    counts[contender][against["verdict"]] += 1
            rows.append(row)
    won = ["**won, tied, lost**", "", "", ""]
    won += [
        " / ".join(str(count) for count in counts[contender].values()) for contender in contenders
    ]
    return (
        f"{markdown(heads, [*rows, won])}\n\nDifferences are sparse experts minus the other model, "
        "paired by seed, with 95 % confidence intervals; it is a win or a loss if the interval "
        "excludes 0."
    )


def _first_of_each_target(metrics):
    """Selects the first and the last of "income.auc", "income.accuracy", "married.auc"."""
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
