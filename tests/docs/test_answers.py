"""docs/performance.md: the table of answers is that of the results."""

import json
import pathlib
import re

from benchmarks.answers import RESULT, table

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "performance.md"


def written():
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    block = f"<!-- answers -->\n{table(result)}<!-- end of answers -->"
    text = PAGE.read_text(encoding="utf-8")
    return re.sub(r"<!-- answers -->.*?<!-- end of answers -->", block, text, flags=re.DOTALL)


def test_the_table_is_that_of_the_results():
    """Otherwise run `python -m tests.docs.test_answers`."""
    assert written() == PAGE.read_text(encoding="utf-8")


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
