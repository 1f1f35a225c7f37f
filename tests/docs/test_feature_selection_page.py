"""docs/feature_selection.md: its table is that of the measured file, its examples are right."""

import json
import re

import pytest

from benchmarks.feature_selection import FILE, NAMES, PAGE, SEEDS, measure, render, table
from sparse_keras.feature_selection import METHODS
from sparse_keras.schema import load_config
from sparse_keras.schema.sections.tabular.feature_selection import SELECTIONS

TEXT = PAGE.read_text(encoding="utf-8")
STUDY = json.loads(FILE.read_text(encoding="utf-8"))


def test_the_table_is_that_of_the_file():
    assert render(TEXT, STUDY) == TEXT, "run `python benchmarks/feature_selection.py --render`"
    assert table(STUDY) in TEXT


def test_every_method_was_measured():
    assert set(METHODS) < set(NAMES) and len(STUDY["seeds"]) == SEEDS
    assert all(set(rows) == set(NAMES) for rows in STUDY["seeds"])


def test_every_type_is_listed():
    assert re.findall(r"^\| `(\w+)` \| `\w+` \|", TEXT, re.M) == list(SELECTIONS.sections)


@pytest.mark.slow
def test_the_study_repeats():
    measured, kept = measure(0, METHODS), STUDY["seeds"][0]
    for name in METHODS:
        assert measured[name]["found"] == kept[name]["found"], name


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL))
def test_its_configs_are_right(text, tmp_path):
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    load_config(tmp_path / "own.yaml")


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL))
def test_its_code_runs(code):
    exec(code, {})
