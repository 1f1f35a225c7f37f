"""Every notebook runs from top to bottom, and the committed .ipynb is what its source generates."""

import nbformat
import pytest

from notebooks import build
from tests.support.timing import limit, seconds_of_processes

SECONDS = 90  # On two cores that do nothing else.

every_source = pytest.mark.parametrize("source", build.sources(), ids=lambda path: path.stem)


def test_there_are_notebooks():
    """The tests below are empty without sources."""
    assert "01_gated_experts" in [source.stem for source in build.sources()]


@pytest.mark.slow
@pytest.mark.tensorflow
@every_source
def test_runs(source):
    if "import keras_hub" in source.read_text(encoding="utf-8"):
        pytest.importorskip("keras_hub")
    notebook = build.read_source(source)
    start = seconds_of_processes()
    build.execute(notebook, timeout=1200)
    assert seconds_of_processes() - start < limit(2 * SECONDS)


@every_source
def test_no_drift(source):
    assert build.drift(source) is None


def test_every_notebook_has_a_source():
    notebooks = {path.stem for path in build.FOLDER.glob("*.ipynb")}
    assert notebooks == {source.stem for source in build.sources()}


@every_source
def test_committed_with_outputs(source):
    """It was executed once from top to bottom, in a fresh kernel, without an error or a warning."""
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert outputs
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]


@pytest.fixture
def pair(tmp_path):
    """A source of two cells and its notebook."""
    source = tmp_path / "00_pair.py"
    source.write_text("# %% [markdown]\n# Title\n\n# %%\nprint(1)\n", encoding="utf-8")
    notebook = build.read_source(source)
    nbformat.write(notebook, source.with_suffix(".ipynb"))
    return source, notebook


def test_drift_sees_nothing_where_there_is_none(pair):
    source, _ = pair
    assert build.drift(source) is None


@pytest.mark.parametrize("number", [0, 1])
def test_drift_sees_a_changed_cell(pair, number):
    source, notebook = pair
    notebook.cells[number].source += "2"
    nbformat.write(notebook, source.with_suffix(".ipynb"))
    assert f"cell {number + 1}" in build.drift(source)


def test_drift_sees_a_missing_cell_and_a_missing_notebook(pair):
    source, notebook = pair
    notebook.cells.pop()
    nbformat.write(notebook, source.with_suffix(".ipynb"))
    assert "1 cells" in build.drift(source)
    source.with_suffix(".ipynb").unlink()
    assert "missing" in build.drift(source)
