"""docs/checkpoints.md: its config is one, and it lists the families that there are."""

import re
from pathlib import Path

from sparse_keras.models.text.checkpoints.families import FAMILIES
from sparse_keras.schema import load_config

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "checkpoints.md").read_text("utf-8")


def test_its_config_is_one(tmp_path):
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "own.yaml").write_text(text)
    assert load_config(tmp_path / "own.yaml").model.checkpoint == str(tmp_path / "olmoe")


def test_it_lists_all_families():
    table = PAGE.partition("| family")[2].partition("\n\n")[0]
    first = [row.split("|")[1] for row in table.split("\n")[2:]]
    assert set(re.findall(r"`(\w+)`", " ".join(first))) == set(FAMILIES)
