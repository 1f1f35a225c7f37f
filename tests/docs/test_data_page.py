"""docs/data.md says what the readers read."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from sparse_keras.data import READERS
from sparse_keras.data.sources import SOURCES, source_of
from sparse_keras.data.tabular.readers import census_income

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
ROWS = {
    row[0]: row[1:] for row in re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \| (\d+) \|", PAGE, re.M)
}
OPTIONS = SimpleNamespace(test_fraction=0.2, split_seed=0, tasks=None, days=180)


def test_every_data_set_of_a_fixed_size_is_told():
    texts = {"newsgroups"}  # Their inputs are words.
    assert set(ROWS) == {name for name, source in SOURCES.items() if source.licence} - texts


@pytest.mark.parametrize("name", [name for name in ROWS if name in READERS])
def test_its_size_is_right(name):
    if not source_of(name).is_here():
        pytest.skip(f"needs `sparse-keras data fetch {name}`")
    raw = READERS[name](OPTIONS)
    inputs = len(raw.train.columns) - len(raw.target.columns)
    assert [int(number) for number in ROWS[name]] == [len(raw.train), len(raw.test), inputs]


def test_the_inputs_of_census_income_are_told():
    told = PAGE.partition("<!-- inputs: census_income -->")[2].partition("<!-- end of inputs -->")[
        0
    ]
    left_out = ("instance weight", "marital stat", "income")
    inputs = [name for name in census_income.COLUMNS if name not in left_out]
    assert re.split(r",\s+", told.strip()) == inputs and len(inputs) == 39
