"""docs/hub.md: its table is that of the results."""

import json
import pathlib

from benchmarks.keras_hub.tables import table

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "hub.md"
START, END = "<!-- hub: results/hub/cpu.json -->\n", "<!-- end of hub -->"


def written():
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    result = json.loads((ROOT / "results" / "hub" / "cpu.json").read_text(encoding="utf-8"))
    return f"{head}{START}{table(result)}{rest[rest.index(END) :]}"


def test_the_table_is_that_of_the_results():
    """Otherwise run `python -m tests.docs.test_hub_page`."""
    assert written() == PAGE.read_text(encoding="utf-8")


def test_both_models_generate_the_same():
    result = json.loads((ROOT / "results" / "hub" / "cpu.json").read_text(encoding="utf-8"))
    families = [found for of in result["figures"].values() for found in of.values()]
    assert families and all(found["same_text"] for found in families)


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
