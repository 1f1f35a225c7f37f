"""What the README says is what happens."""

import importlib.util
import pathlib
import re

import pytest

import sparse_keras
from sparse_keras.evaluation.published import is_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_ci_runs_the_second_block():
    install_and_train, test = blocks("sh")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for line in test.strip().splitlines():
        line = line.replace("install", "install --quiet")
        assert re.search(rf"^ *{re.escape(line)}$", script, re.M), line
    assert "sparse-keras train tabular/sparse_mlp_adult" in install_and_train


def test_python_blocks_run():
    namespace = {}
    for block in blocks("python"):
        # The README trains as long as a reader would; here a step is enough.
        block = block.replace("epochs=10", "epochs=1, steps_per_epoch=2")
        exec(compile(block, "README.md", "exec"), namespace)


def test_yaml_block_is_a_config(tmp_path):
    (block,) = blocks("yaml")
    (tmp_path / "churn.yaml").write_text(block)
    (tmp_path / "churn.csv").write_text("churned\n")
    config = sparse_keras.load_config(tmp_path / "churn.yaml")
    assert config.data.type == "csv"


@pytest.fixture(scope="module")
def rendering():
    path = ROOT / "benchmarks" / "render_results.py"
    spec = importlib.util.spec_from_file_location("render_results", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_results_are_those_of_the_files(rendering):
    """Else run `python -m benchmarks.render_results`."""
    assert rendering.render(README) == README
    assert rendering.page() == (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


def test_results_are_of_the_shipped_config(rendering):
    found = rendering.published()
    assert "tabular/sparse_mlp_adult" in found["comparisons"]
    for contents in found.values():
        for name, content in contents.items():
            assert is_of(content, sparse_keras.load_config(name)), name
