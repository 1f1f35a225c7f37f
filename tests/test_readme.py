"""What the README says is what happens."""

import importlib.util
import json
import pathlib
import re

import pytest

import sparse_keras

ROOT = pathlib.Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_ci_runs_the_second_block():
    install_and_train, test = blocks("sh")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for line in test.strip().splitlines():
        line = line.replace("install", "install --quiet")
        assert re.search(rf"^{re.escape(line)}$", script, re.M), line
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


def test_results_are_those_of_the_files():
    path = ROOT / "benchmarks" / "quality.py"
    spec = importlib.util.spec_from_file_location("quality", path)
    quality = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(quality)
    assert quality.render(README) == README


# Those of results/speed are of no config; test_performance_page.py has them.
OF_CONFIGS = [
    file
    for file in sorted((ROOT / "results").rglob("*.json"))
    if file.parent != ROOT / "results" / "speed"
]


@pytest.mark.parametrize("file", OF_CONFIGS, ids=lambda file: file.stem)
def test_results_are_of_the_shipped_config(file):
    result = json.loads(file.read_text(encoding="utf-8"))
    assert sparse_keras.load_config(result["config"]).hash == result["config_hash"]
