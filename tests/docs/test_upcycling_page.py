"""docs/upcycling.md: its examples run, its numbers are measured."""

import inspect
import json
import re

import keras
import numpy as np
import pytest

import sparse_keras
from benchmarks.encoders import page as encoders
from benchmarks.upcycling.__main__ import RESULT
from benchmarks.upcycling.page import LABELS, PAGE, SHRUNK, written

TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.tensorflow
def test_the_examples_run(capsys):
    names = {"keras": keras, "np": np, "sparse_keras": sparse_keras}
    blocks = re.findall(r"```py\n(.*?)```", TEXT, flags=re.DOTALL)
    assert len(blocks) == 5
    for block in blocks:
        exec(block, names)
    assert "experts of causal_lm/block_0/mixture" in capsys.readouterr().out
    ids = names["token_ids"][:2]
    np.testing.assert_allclose(names["sparse"](ids), names["dense"](ids), atol=1e-5)


def test_its_config_is_one(tmp_path):
    (text,) = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
    (tmp_path / "own.yaml").write_text(text)
    config = sparse_keras.load_config(tmp_path / "own.yaml")
    assert config.data.tokenizer == config.model.checkpoint
    arguments = inspect.signature(sparse_keras.upcycle).parameters
    assert set(config.model.upcycle.kwargs()) == set(arguments) - {"model", "k", "seed", "examples"}


def result():
    return json.loads(RESULT.read_text(encoding="utf-8"))


def test_the_tables_are_those_of_the_results():
    """Otherwise run `python -m benchmarks.upcycling.page`."""
    assert written(result(), TEXT) == TEXT


def test_what_was_measured():
    content = result()
    assert len(content["runs"]) >= 3 and set(content["shrunk"]) == set(SHRUNK)
    for run in content["runs"].values():
        for name in LABELS:
            # Upcycled models start where the parent ended.
            assert run[name]["start_loss"] == pytest.approx(run["parent"]["val_loss"], abs=1e-4)


def test_the_tables_of_encoders_are_those_of_the_results():
    """Otherwise run `python -m benchmarks.encoders.page`."""
    assert encoders.PAGE == PAGE
    assert encoders.written(encoders.result(), TEXT) == TEXT


def test_a_table_of_encoders():
    def run(accuracy):
        metrics = dict.fromkeys(encoders.METRICS, accuracy)
        return {"test": metrics, "params": 10, "flops_per_token": 2e6}

    runs = {
        str(seed): {name: run(0.9 + 0.01 * seed + 0.001 * n) for n, name in enumerate(names)}
        for seed, names in enumerate([encoders.LABELS, encoders.LABELS, ["dense"], ["scratch"]])
    }
    content = {"runs": {"mails": runs}, "baseline": {"mails": dict.fromkeys(encoders.METRICS, 0.8)}}
    dense, upcycled, scratch, linear = encoders.table(content, "mails").splitlines()[2:]
    assert "| 3 | 10 | 2.0 | 0.9100 ± 0.0100 |" in dense and dense.endswith("|  |")
    assert "| 2 | 10 |" in upcycled and "+0.0010" in upcycled and "0.8000" in linear
    assert "| 2 | 10 |" in scratch and "+0.0020" in scratch
