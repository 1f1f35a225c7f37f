"""Memory and time of `fit` on sparse matrices: they grow with the non-zeros, not with N x D.

    python -m benchmarks.sparse_memory              matrices of growing numbers of rows
    python -m benchmarks.sparse_memory CONFIG       the trainings of a config, --seeds of them

Each measurement is a process of its own, whose whole resident memory is counted, TensorFlow
included. Results are written to results/sparse/.
"""

import argparse
import json
import pathlib
import platform
import resource
import subprocess
import sys
import tempfile
import time

RESULTS = pathlib.Path(__file__).parents[1] / "results" / "sparse"
COLUMNS = 40_000
NONZEROS_OF_A_ROW = 80  # a density of 0.2 %, that of texts
ROWS = (10_000, 20_000, 40_000, 80_000)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", nargs="?", help="name of a config; none: made-up matrices")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--one", help=argparse.SUPPRESS)  # what a measuring process gets
    args = parser.parse_args()
    if args.one:
        print(json.dumps(_one(**json.loads(args.one))))
        return
    if args.config:
        tasks = [{"config": args.config, "seed": seed} for seed in range(args.seeds)]
    else:
        tasks = [{"rows": rows} for rows in ROWS]
    name = args.config.split("/")[-1] if args.config else "memory"
    RESULTS.mkdir(parents=True, exist_ok=True)
    content = {
        "command": f"python -m benchmarks.sparse_memory {args.config or ''}".strip(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "measured": [],
    }
    for task in tasks:
        content["measured"].append(_in_a_process(task))
        print(json.dumps(content["measured"][-1]), flush=True)
        # After each, for those that are not waited for.
        text = json.dumps(content, indent=2) + "\n"
        (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")


def _in_a_process(task):
    command = [sys.executable, "-m", "benchmarks.sparse_memory", "--one", json.dumps(task)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(told.splitlines()[-1])


def _one(**task):
    measured = _train_config(**task) if "config" in task else _train_matrix(**task)
    return task | measured | {"peak_megabytes": round(_peak())}


def _train_config(config, seed):
    import sparse_keras

    loaded = sparse_keras.load_config(config, [f"training.seed={seed}"])
    data = sparse_keras.load_data(loaded)
    with tempfile.TemporaryDirectory() as folder:
        cpu = time.process_time()
        run = sparse_keras.train(loaded, data, output=folder, verbose=0)
        cpu = time.process_time() - cpu
    matrix = data.train.x
    return {
        "config_hash": loaded.hash,
        "shape": list(matrix.shape),
        "nonzeros": int(matrix.nnz),
        "metrics": {name: round(float(value), 5) for name, value in run.metrics.items()},
        "seconds": round(run.seconds, 1),
        "cpu_seconds": round(cpu, 1),
    }


def _train_matrix(rows):
    import keras
    import numpy as np
    import scipy.sparse

    from sparse_keras.data import ArrayBatches
    from sparse_keras.models import sparse_mlp

    before = _peak()
    rng = np.random.default_rng(0)
    count = rows * NONZEROS_OF_A_ROW
    matrix = scipy.sparse.csr_matrix(
        (
            rng.random(count, "float32"),
            rng.integers(0, COLUMNS, count, "int32"),
            np.arange(0, count + 1, NONZEROS_OF_A_ROW),
        ),
        shape=(rows, COLUMNS),
    )
    matrix.sum_duplicates()
    model = sparse_mlp(
        experts={"type": "mlp", "num_experts": 8, "hidden_dim": 32},
        sparse_dim=COLUMNS,
        sparse_projection={"units": 32},
        stem=None,
    )
    model.compile(keras.optimizers.Adam(), "binary_crossentropy")
    batches = ArrayBatches({"sparse": matrix}, rng.integers(0, 2, rows), batch_size=256)
    model.fit(ArrayBatches({"sparse": matrix[:512]}, batches.y[:512]), verbose=0)  # traces
    seconds, cpu = time.perf_counter(), time.process_time()
    model.fit(batches, epochs=1, verbose=0)
    return {
        "columns": COLUMNS,
        "nonzeros": int(matrix.nnz),
        "dense_megabytes": round(rows * COLUMNS * 4 / 1e6),
        "imports_megabytes": round(before),
        "seconds": round(time.perf_counter() - seconds, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "microseconds_of_cpu_per_nonzero": round(
            1e6 * (time.process_time() - cpu) / int(matrix.nnz), 3
        ),
    }


def _peak():
    """Most resident memory of this process so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3  # bytes on macOS, else KB


if __name__ == "__main__":
    main()
