"""Runs the benchmark; see the package's docstring."""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time
from importlib import metadata

from benchmarks.keras_hub.in_transformers import CONFIGS
from benchmarks.keras_hub.models import (
    BATCH,
    FAMILIES,
    LENGTH,
    MODES,
    PROMPT,
    QUICK,
    SIZES,
    VOCABULARY,
)

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGES = ("keras", "keras-hub", "tensorflow", "jax", "torch", "transformers")


def ask(backend, **request):
    """What a worker of a backend answers."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "benchmarks.keras_hub.worker", json.dumps(request)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def figures(backend, family, quick, repeats):
    found = ask(
        backend,
        do="measure",
        family=family,
        quick=quick,
        repeats=repeats,
        with_transformers=backend == "torch" and family in CONFIGS,
    )
    found["medians"] = {
        name: {mode: statistics.median(values) for mode, values in modes.items()}
        for name, modes in found["seconds"].items()
    }
    found["peak_bytes"] = {
        name: ask(backend, do="peak", family=family, quick=quick, sparse=name == "sparse")
        for name in ("keras_hub", "sparse")
    }
    return found


def main(argv=None):
    parser = argparse.ArgumentParser(description="KerasHub's mixture models, plain and sparse.")
    parser.add_argument("--backends", nargs="+", default=["tensorflow", "jax", "torch"])
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="toy sizes, to see that it runs")
    parser.add_argument("--output", type=pathlib.Path)
    args = parser.parse_args(argv)
    result = {
        "command": " ".join(["python -m benchmarks.keras_hub", *(argv or sys.argv[1:])]),
        "sizes": QUICK if args.quick else SIZES,
        "batch": {"batch": BATCH, "length": LENGTH, "prompt": PROMPT, "vocabulary": VOCABULARY},
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
        },
        "versions": {name: metadata.version(name) for name in PACKAGES},
        "date": time.strftime("%Y-%m-%d"),
        "figures": {},
    }
    for backend in args.backends:
        result["figures"][backend] = {}
        for family in args.families:
            found = figures(backend, family, args.quick, args.repeats)
            result["figures"][backend][family] = found
            plain, sparse = (found["medians"][name] for name in ("keras_hub", "sparse"))
            ratios = {mode: f"{plain[mode] / sparse[mode]:.1f}x" for mode in MODES}
            print(backend, family, ratios, "same text:", found["same_text"], flush=True)
            if args.output:  # After each, as a whole run takes most of an hour.
                args.output.parent.mkdir(parents=True, exist_ok=True)
                args.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
