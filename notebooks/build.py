"""Generates the notebooks: each `NN_title.py` beside this file, executed, gives `NN_title.ipynb`.

The `.py` files (jupytext's percent format) are the source; a `.ipynb` is never edited by hand.

    python notebooks/build.py                   executes all sources, writes all notebooks
    python notebooks/build.py 01_gated_experts  only those named
    python notebooks/build.py --check           executes nothing; fails where a notebook has other
                                                cells than its source

`tests/test_notebooks.py` executes and compares with the functions of this file.
"""

import argparse
import os
import pathlib
import re
import sys
import tempfile
import time

import jupytext
import nbformat
from nbclient import NotebookClient

FOLDER = pathlib.Path(__file__).resolve().parent

# Start-up messages of TensorFlow, and of tqdm, which KerasHub imports: no setting silences them.
_START_UP = re.compile(
    r"WARNING: All log messages before absl|[IWE]\d{4} \d\d:|To enable the foll"
    r"|.*TqdmWarning: IProgress not found|  from \.autonotebook import tqdm"
)


def sources():
    """The sources of all notebooks, in the order of their numbers."""
    return sorted(FOLDER.glob("[0-9][0-9]_*.py"))


def read_source(source):
    """A source as a notebook without outputs."""
    notebook = jupytext.read(source)
    for number, cell in enumerate(notebook.cells, start=1):
        cell["id"] = f"cell-{number:02}"  # By default random: every build would be a diff.
    return notebook


def execute(notebook, timeout=600):
    """Executes a notebook in place, in an empty temporary folder, on the code of this checkout.

    Args:
        notebook: A notebook, as `read_source` returns it.
        timeout: Seconds that one cell may take.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell fails.
        nbclient.exceptions.CellTimeoutError: If a cell takes too long.
    """
    paths = [str(FOLDER.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    # An inherited backend, such as agg, would leave the notebook without figures.
    environment.pop("MPLBACKEND", None)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=timeout,
            record_timing=False,
            resources={"metadata": {"path": folder}},
        )
        client.execute(env=environment)
    # The Python version differs between machines, and would be a diff.
    notebook.metadata.pop("language_info", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not _is_start_up(output)]


def _is_start_up(output):
    """Whether an output consists of start-up messages and nothing else."""
    if output.get("name") != "stderr":
        return False
    return all(_START_UP.match(line) for line in output.text.splitlines() if line.strip())


def drift(source):
    """How the notebook beside a source differs from it in its cells: a string, or None."""
    path = source.with_suffix(".ipynb")
    command = f"Run: python notebooks/build.py {source.stem}"
    if not path.is_file():
        return f"{path.name} is missing. {command}"
    expected, cells = _cells(jupytext.read(source)), _cells(nbformat.read(path, as_version=4))
    if len(expected) != len(cells):
        return f"{path.name} has {len(cells)} cells, {source.name} has {len(expected)}. {command}"
    for number, (source_cell, cell) in enumerate(zip(expected, cells, strict=True), start=1):
        if source_cell != cell:
            return f"{path.name} and {source.name} differ in cell {number}. {command}"
    return None


def _cells(notebook):
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def _build(source):
    start = time.perf_counter()
    notebook = read_source(source)
    execute(notebook)
    nbformat.write(notebook, source.with_suffix(".ipynb"))
    print(f"{source.stem}: {time.perf_counter() - start:.0f} s")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="sources without .py; all if none is given")
    parser.add_argument("--check", action="store_true", help="compare, execute nothing")
    options = parser.parse_args(arguments)

    known = {source.stem: source for source in sources()}
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"no notebook {', '.join(unknown)}. There are: {', '.join(known)}")
    chosen = [known[name] for name in options.names or known]
    if not options.check:
        for source in chosen:
            _build(source)
        return 0
    problems = [problem for problem in map(drift, chosen) if problem]
    print(*problems, sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
