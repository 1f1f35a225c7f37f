"""docs/hub.md: its tables are those of the results."""

import json
import pathlib
import re

from benchmarks.keras_hub import tables

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "hub.md"
RESULT = json.loads((ROOT / "results" / "hub" / "cpu.json").read_text(encoding="utf-8"))
TABLES = {"keras_hub": tables.table, "transformers": tables.transformers_table}


def written():
    def block(match):
        return f"{match[1]}{TABLES[match[2]](RESULT)}<!-- end of hub -->"

    pattern = r"(<!-- hub: (\w+) -->\n).*?<!-- end of hub -->"
    return re.sub(pattern, block, PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_tables_are_those_of_the_results():
    """Otherwise run `python -m tests.docs.test_hub_page`."""
    text = PAGE.read_text(encoding="utf-8")
    assert written() == text
    assert set(re.findall(r"<!-- hub: (\w+) -->", text)) == set(TABLES)


def test_both_models_generate_the_same():
    families = [found for of in RESULT["figures"].values() for found in of.values()]
    assert families and all(found["same_text"]["sparse"] for found in families)


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
