"""The speed benchmark runs, at sizes that take no time, and writes what its tables need."""

import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from benchmarks.speed import __main__ as command_line
from benchmarks.speed import cases, layers, subjects, tables, turns

ROOT = pathlib.Path(__file__).resolve().parents[2]


def speed(*arguments):
    command = [sys.executable, "-m", "benchmarks.speed", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def measured(file, *arguments):
    done = speed("--quick", "--output", file, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(file.read_text(encoding="utf-8"))


def check(result):
    """Every figure is there, none failed, and every table can be made."""
    for name, of_case in result["figures"].items():
        modes = set(result["cases"][name]["modes"])
        has_dense = any(subject.startswith("dense/") for subject in of_case)
        for subject, figures in of_case.items():
            for mode, figure in figures.items():
                assert mode in modes and "failed" not in figure, (name, subject, mode, figure)
                if mode == "memory":
                    assert 0 < figure["baseline"] <= figure["peak"]
                    continue
                assert figure["first_seconds"] > 0
                if mode != "first":
                    low, high = figure["quartiles"]
                    assert 0 < low <= figure["median"] <= high
                    assert len(figure["seconds"]) == result["settings"]["repeats"]
                    assert ("ratio" in figure) == (has_dense and mode != "update")
    for name in tables.BLOCKS:
        text = tables.render(f"<!-- speed: {name} --><!-- end of speed -->", lambda _: result)
        widths = {line.count(" | ") for line in text.splitlines()[1:-1]}
        assert len(widths) == 1


@pytest.mark.slow
@pytest.mark.tensorflow
def test_a_quick_run_in_its_own_processes(tmp_path):
    names = ("ours/tensorflow", "dense/tensorflow")
    result = measured(
        tmp_path / "speed.json", "--cases", "decode_8", "--subjects", *names, "--repeats", 2
    )
    check(result)
    assert set(result["figures"]["decode_8"]) == set(names)
    assert result["figures"]["decode_8"]["dense/tensorflow"]["inference"]["ratio"] == 1.0
    assert {"machine", "versions", "date", "settings", "command", "skipped"} <= set(result)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_all_kinds_of_cases_on_tensorflow(tmp_path):
    names, subjects = ("e64_bfloat16", "deep"), "ours/tensorflow*"
    result = measured(
        tmp_path / "speed.json", "--cases", *names, "--subjects", subjects, "--repeats", 2
    )
    check(result)
    assert set(result["cases"]) == set(names)


def test_toy_figures_stay_out_of_results_and_docs(tmp_path, monkeypatch):
    args = command_line.parse(["--quick"])
    assert command_line.ROOT not in args.output.parents
    assert command_line.parse([]).output == command_line.OUTPUT
    (tmp_path / "toy.json").write_text('{"settings": {"quick": true}}')
    monkeypatch.setattr(command_line, "OUTPUT", tmp_path / "cpu.json")
    with pytest.raises(SystemExit, match="--quick"):
        command_line.read("toy")


@pytest.mark.parametrize(
    "content, told",
    [("[]", "no file of results"), ('{"settings": {"quick": false}}', "one is --quick")],
)
def test_what_cannot_be_added_to(content, told, tmp_path):
    file = tmp_path / "old.json"
    file.write_text(content)
    done = speed("--quick", "--add", "--output", file, "--cases", "small", "--subjects", "dense/*")
    assert done.returncode == 1 and told in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("wrong", [["--budget", "-1"], ["--budget", "nan"], ["--output", "."]])
def test_wrong_options(wrong):
    done = speed(*wrong)
    assert done.returncode == 2 and wrong[0] in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("option", ["--cases", "--subjects", "--modes"])
def test_an_unknown_name_is_one_line(option):
    done = speed(option, "e9000")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "e9000" in line and "There are" in line


@pytest.mark.slow
def test_a_worker_that_dies_fails_alone():
    dies = subjects.Subject("dense", "tensorflow")
    case = cases.quick(cases.CASES[0])
    broken = subjects.Subject("no_such_kind", "tensorflow")
    settings = turns.Settings(repeats=1, budget=0.1)
    figures, _ = turns.measure(case, [broken, dies], ["inference"], settings, say=str)
    assert "failed" in figures[broken.name]["inference"]
    assert figures[dies.name]["inference"]["median"] > 0


@pytest.mark.parametrize("glu", [False, True])
def test_all_experts_compute_what_ours_computes(glu):
    case = cases.Case("one", "columns", (4, 2, 8, 16, 10), (), (), glu=glu)
    reference, layer = (layers.build(kind, case) for kind in ("all_experts", "ours"))
    rng = np.random.default_rng(0)
    kernels = {
        name: rng.normal(size=getattr(reference, name).shape)
        for name in ("up", "gate", "up_bias", "down", "down_bias")
        if hasattr(reference, name)
    }
    for name, value in kernels.items():
        getattr(reference, name).assign(value)
        part = getattr(layer.experts, name.removesuffix("_bias"))
        if name.endswith("_bias"):
            part.bias.assign(value)
        else:  # [D, E, H] in AllExperts
            part.kernel.assign(value if name == "down" else np.swapaxes(value, 0, 1))
    x = rng.normal(size=(case.tokens, case.width)).astype("float32")
    expected, outputs = (keras.ops.convert_to_numpy(one(x)) for one in (reference, layer))
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)
