"""docs/messy_tables.md: the table is that of the results."""

import json
import pathlib

from benchmarks.messy_tables.__main__ import NAMES, RESULT
from benchmarks.messy_tables.by_hand import RESULT as BY_HAND
from benchmarks.messy_tables.by_hand import sentence
from benchmarks.messy_tables.table import table

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "messy_tables.md"


def result():
    return json.loads(RESULT.read_text(encoding="utf-8"))


def written():
    by_hand = sentence(json.loads(BY_HAND.read_text(encoding="utf-8")))
    text = PAGE.read_text(encoding="utf-8")
    for name, content in {"tables": table(result()), "by hand": by_hand}.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        text = text[: text.index(start)] + start + content + text[text.index(end) :]
    return text


def test_the_table_is_that_of_the_results():
    """Otherwise run `python -m tests.docs.test_messy_tables`."""
    assert written() == PAGE.read_text(encoding="utf-8")


def test_nothing_is_lost_in_a_table_that_was_measured():
    tables = result()["tables"]
    assert tables and set(tables) <= set(NAMES)
    for name, one in tables.items():
        assert not one["problems"], name


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
