"""docs/tuning.md: its examples run, in one go, its configs are valid, its numbers are measured."""

import json
import re
from pathlib import Path

import pytest

import sparse_keras
from sparse_keras.tuning import ROLES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tuning.md"


def blocks(language):
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def test_the_examples_run(tmp_path, monkeypatch, eager_functions):
    monkeypatch.chdir(tmp_path)
    code = blocks("python")
    assert len(code) >= 4
    exec(compile("\n".join(code), str(PAGE), "exec"), {})


def test_the_configs_are_valid(tmp_path):
    training = blocks("yaml")
    assert len(training) >= 2
    for number, text in enumerate(training):
        path = tmp_path / f"{number}.yaml"
        path.write_text(f"extends: text/causal_lm_shakespeare\n{text}", encoding="utf-8")
        assert sparse_keras.load_config(path).training.batch_size


def test_the_table_of_roles_is_complete():
    table = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert tuple(table) == ROLES


@pytest.mark.tensorflow
def test_its_table_is_what_was_measured():
    from benchmarks.quantization import RESULT, written

    text = PAGE.read_text(encoding="utf-8")
    assert written(json.loads(RESULT.read_text(encoding="utf-8")), text) == text


@pytest.mark.slow
@pytest.mark.tensorflow
def test_the_benchmark_of_quantization_runs(tmp_path, monkeypatch):
    from benchmarks import quantization

    monkeypatch.setattr(quantization, "EXPERTS", 3)
    monkeypatch.setattr(quantization, "WIDTH", 8)
    monkeypatch.setattr(quantization, "HIDDEN", 6)
    monkeypatch.setattr(quantization, "TOKENS", (2,))
    monkeypatch.setattr("sys.argv", ["", "--rounds", "1", "--output", str(tmp_path / "new.json")])
    quantization.main()
    cases = json.loads((tmp_path / "new.json").read_text())["cases"]
    assert [case["xla"] for case in cases] == [False, True]
    assert all(set(case["milliseconds"]) == set(quantization.MODES) for case in cases)
