"""The tables of docs/performance.md are those of the measured file."""

import re

from benchmarks.speed import tables
from benchmarks.speed.__main__ import PAGE, read

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_files():
    for name in {"cpu", *re.findall(r"<!-- speed: \S+ in (\S+) -->", TEXT)}:
        assert read(name) is not None, name  # Else its blocks would be empty.
    assert tables.render(TEXT, read) == TEXT, "run `python -m benchmarks.speed --docs`"


def test_every_table_is_shown():
    assert set(re.findall(r"<!-- speed: (\S+) ", TEXT)) == set(tables.BLOCKS)
