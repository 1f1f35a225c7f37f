"""The tables of docs/performance.md are those of the measured file."""

import json
import re

from benchmarks.speed import tables
from benchmarks.speed.__main__ import OUTPUT, PAGE

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_file():
    # Before the first measurement the blocks are empty.
    result = json.loads(OUTPUT.read_text(encoding="utf-8")) if OUTPUT.is_file() else None
    assert tables.render(TEXT, result) == TEXT, "run `python -m benchmarks.speed --docs`"


def test_every_table_is_shown():
    assert set(re.findall(r"<!-- speed: (\S+) -->", TEXT)) == set(tables.BLOCKS)
