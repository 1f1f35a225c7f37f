"""Fuzzer of interrupted trainings: killed anywhere, they end with the weights of one that was not.

    python -m tests.fuzz.kills --seed 7 --cases 20

A case starts `sparse-keras train`, ends it at a random moment by SIGKILL, SIGINT or two SIGINTs,
resumes it with `--resume last`, and so on, until it is let through. A case's moments depend on the
seed and its number, and what the processes are doing then on the machine.
"""

import argparse
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from pathlib import Path

import h5py
import numpy as np

from sparse_keras.training.runs.folder import RunFolder

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "tabular/sparse_mlp_breast_cancer"
OPTIONS = ("training.epochs=4", "training.checkpoint_every={steps: 3}", "training.batch_size=64")
KILLS = 3  # in a case, at most
# Python itself, before it runs any of our code, prints a traceback of Ctrl-C.
FIRST = 0.3  # seconds


def start(output, *more):
    options = [part for option in OPTIONS for part in ("--set", option)]
    return subprocess.Popen(
        [sys.executable, "-m", "sparse_keras", "train", CONFIG, *options, *more]
        + ["--output", str(output)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell in the background has its children ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def finish(output, *more):
    """Trains to the end. Returns the `RunFolder`."""
    process = start(output, *more)
    _, err = process.communicate()
    assert process.returncode == 0, err
    return only_run(output)


def only_run(output):
    """The `RunFolder` of the only run, or None. Each folder that can be seen is one of a run."""
    folder = Path(output, CONFIG)
    paths = [path for path in folder.glob("*") if not path.name.startswith(".")]
    assert len(paths) <= 1, paths
    runs = [RunFolder(path) for path in paths]
    for run in runs:
        run.read_environment()
        assert (run.path / "resolved.yaml").is_file() and (run.path / "config.yaml").is_file()
    return runs[0] if runs else None


def result_of(run):
    """What two trainings have in common: arrays, the history and the metrics."""
    arrays = {}
    with zipfile.ZipFile(run.model_file) as archive:
        content = archive.read("model.weights.h5")
    with h5py.File(io.BytesIO(content)) as file:
        file.visititems(
            lambda name, item: (
                arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
    metrics = json.loads((run.path / "metrics.json").read_text())
    del metrics["fit_seconds"]
    return arrays, (run.path / "history.csv").read_text(), metrics


def assert_same(found, expected):
    assert found[0].keys() == expected[0].keys()
    for name, array in expected[0].items():
        np.testing.assert_array_equal(found[0][name], array, err_msg=name)
    assert found[1:] == expected[1:]


def run_case(seed, number, expected, seconds, folder):
    """Runs a case.

    Args:
        seed, number: What decides its moments.
        expected: What `result_of` returned of a training that nothing happened to.
        seconds: How long that took.
        folder: A new folder.

    Returns:
        What happened, for people.
    """
    rng = np.random.default_rng([seed, number])
    story = []
    for _ in range(rng.integers(1, KILLS + 1)):
        kind = ("SIGKILL", "SIGINT", "two SIGINTs")[rng.integers(3)]
        process = start(folder, *_resume(folder))
        time.sleep(FIRST + rng.random() * seconds)
        if kind == "SIGKILL":
            process.kill()
        else:
            process.send_signal(signal.SIGINT)
            if kind == "two SIGINTs":
                time.sleep(0.002)
                process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
        story.append(f"{kind} -> {process.returncode}")
        if kind == "SIGKILL":
            assert process.returncode in (-signal.SIGKILL, 0), f"{story}\n{err}"
        else:
            # By the signal itself: Python does so if it interrupted an `exec`, and when everything
            # is done and said.
            assert process.returncode in (0, 1, -signal.SIGINT), f"{story}\n{err}"
            assert "Traceback" not in err, f"{story}\n{err}"
            if "\nrun folder" not in out:
                assert process.returncode != 0, f"{story}\n{err}"
                assert "interrupted" in err.splitlines()[-1], f"{story}\n{err}"
        run = only_run(folder)
        if run is not None and run.is_finished:
            break
        if process.returncode == 1 and "continue with" in err:
            assert str(run.path) in err
    else:
        run = finish(folder, *_resume(folder))
    run.check_model()
    assert_same(result_of(run), expected)
    left = sorted(path.name for path in run.path.iterdir() if path.name not in _FILES)
    assert not left, f"{story}: {left}"
    return ", ".join(story)


_FILES = ("config.yaml", "resolved.yaml", "environment.json", "history.csv", "metrics.json") + (
    "model.keras",
    "last.keras",
    "best.keras",
)


def _resume(folder):
    return () if only_run(folder) is None else ("--resume", "last")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    args = parser.parse_args(argv)
    os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        expected = result_of(finish(Path(folder, "whole")))
        seconds = time.perf_counter() - begin
        for number in range(args.first, args.first + args.cases):
            try:
                story = run_case(args.seed, number, expected, seconds, Path(folder, str(number)))
                print(f"case {number}: {story}", flush=True)
            except Exception:
                failures += 1
                traceback.print_exc()
                print(
                    f"repeat: python -m tests.fuzz.kills --seed {args.seed} --first {number} "
                    "--cases 1",
                    file=sys.stderr,
                    flush=True,
                )
    print(f"{args.cases} cases, {failures} failures")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
