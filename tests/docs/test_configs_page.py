"""docs/configs.md: its keys are those of the schema, and its examples are right."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sparse_keras.schema import load_config
from sparse_keras.schema.reference import reference

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configs.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_keys_are_those_of_the_schema():
    """Otherwise run `python tests/docs/test_configs_page.py`."""
    assert written() == TEXT


def test_a_table_lists_each_key_once():
    for table in re.split(r"^#+ ", reference(), flags=re.MULTILINE):
        keys = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
        assert len(keys) == len(set(keys)), table


def written():
    """The page with the keys of a process of its own: other tests register plug-ins in this one."""
    head, _, rest = TEXT.partition("--markdown` -->\n")
    command = [sys.executable, "-m", "sparse_keras", "schema", "--markdown"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    return f"{head}--markdown` -->\n{done.stdout}{rest[rest.index('<!-- end of keys') :]}"


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL))
def test_its_configs_are_right(text, tmp_path):
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    load_config(tmp_path / "own.yaml")


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL))
def test_its_code_runs(code):
    exec(code, {})


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
