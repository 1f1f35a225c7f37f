"""docs/checkpoints.md: its examples run, its configs are some, and it lists the families."""

import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

import sparse_keras
from sparse_keras.models.text.checkpoints.families import FAMILIES
from sparse_keras.schema import load_config
from tests.support import published
from tests.training.test_encoders import write_tokenizer

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "checkpoints.md").read_text("utf-8")


def test_its_configs_are_some(tmp_path):
    decoder, encoder = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "own.yaml").write_text(decoder)
    assert load_config(tmp_path / "own.yaml").model.checkpoint == str(tmp_path / "olmoe")
    (tmp_path / "own.yaml").write_text(encoder)
    assert load_config(tmp_path / "own.yaml").model.checkpoint == "all_minilm_l6_v2"


def test_it_lists_all_families():
    table = PAGE.partition("| family")[2].partition("\n\n")[0]
    first = [row.split("|")[1] for row in table.split("\n")[2:]]
    assert set(re.findall(r"`(\w+)`", " ".join(first))) == set(FAMILIES)


@pytest.mark.tensorflow
@pytest.mark.usefixtures("eager_functions")
def test_the_examples_of_encoders_run(tmp_path):
    """With a small encoder in the place of the one that is downloaded."""
    shutil.copytree(published.FOLDER / "bert", tmp_path / "bert")
    write_tokenizer(tmp_path / "bert" / "tokenizer.json")
    section = PAGE.partition("## Encoders")[2].partition("\n## ")[0]
    names = {"keras": keras, "np": np, "sparse_keras": sparse_keras}
    names |= {"texts": ["it is good", "bad !"] * 8, "labels": ["ham", "spam"] * 8}
    blocks = re.findall(r"```py\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(block.replace('"all_minilm_l6_v2"', repr(str(tmp_path / "bert"))), names)
    assert names["hidden"].shape == (*names["token_ids"].shape, 16)
    np.testing.assert_allclose(np.linalg.norm(names["vectors"], axis=1), 1.0, rtol=1e-5)
    assert type(names["sparse"].get_layer("text_encoder").blocks[1].feed_forward).__name__ == (
        "MixtureOfExperts"
    )
