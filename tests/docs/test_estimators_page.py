"""docs/estimators.md: its examples run."""

import pathlib
import re

import pytest

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "estimators.md"
TEXT = PAGE.read_text(encoding="utf-8")
# A reader trains until the loss no longer improves. Here it is enough that the calls are right.
SHORT = "random_state=0, epochs=1, batch_size=500, num_experts=2, hidden_dim=4, stem=4"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.mark.tensorflow
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_examples_run(tmp_path, monkeypatch, eager_functions):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    for block in blocks("python"):
        short = re.sub(r"(?<=[(, ])random_state=0(?=\))", SHORT, block)
        short = short.replace(f"train_test_split(frame, y, {SHORT})", "train_test_split(frame, y)")
        exec(compile(short, str(PAGE), "exec"), namespace)
    assert (tmp_path / "model.keras").exists() and (tmp_path / "history.csv").exists()
    assert namespace["model"].predict(namespace["frame"]).shape == (500, 2)


def test_the_failures_that_are_expected():
    from tests.estimators.test_tabular import EXPECTED_FAILURES

    namespace = {}
    (block,) = (block for block in blocks("python") if "EXPECTED_FAILURES" in block)
    exec(block, namespace)
    assert namespace["EXPECTED_FAILURES"].keys() == EXPECTED_FAILURES.keys()
