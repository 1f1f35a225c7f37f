"""KerasHub's mixture models against themselves, made sparse by `hub.sparsify`.

    python -m benchmarks.keras_hub --backends tensorflow jax torch --output results/hub/cpu.json

For each family and backend, one process builds a model and times it in turns: as KerasHub computes
it, and sparsified, on the same weights. A gradient step is SGD on a batch of 8 x 128 tokens;
`predict` is of the same batch; generation is greedy, 112 tokens after 16. Peak memory is that of
processes of their own, in which one gradient step is taken.
"""

import argparse
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
SIZES = {"num_layers": 2, "hidden_dim": 256, "num_experts": 64, "top_k": 4, "hidden": 512}
QUICK = {"num_layers": 1, "hidden_dim": 32, "num_experts": 8, "top_k": 2, "hidden": 32}
BATCH, LENGTH, PROMPT, VOCABULARY = 8, 128, 16, 1000
FAMILIES = ("Qwen3-MoE", "Mixtral", "Qwen-MoE", "GPT-OSS")
MODES = ("gradient step", "predict", "generate")


def arguments(family, sizes):
    """The class of a family's backbone, and its arguments for these sizes."""
    common = {
        "vocabulary_size": VOCABULARY,
        "num_layers": sizes["num_layers"],
        "num_query_heads": 4,
        "num_key_value_heads": 2,
        "hidden_dim": sizes["hidden_dim"],
        "num_experts": sizes["num_experts"],
        "top_k": sizes["top_k"],
    }
    hidden = sizes["hidden"]
    own = {
        "Mixtral": {"intermediate_dim": hidden},
        "GPT-OSS": {"intermediate_dim": hidden},
        "Qwen3-MoE": {
            "intermediate_dim": hidden,
            "moe_intermediate_dim": hidden,
            "norm_top_k_prob": True,
            "head_dim": sizes["hidden_dim"] // 4,  # Without it, KerasHub cannot generate.
        },
        "Qwen-MoE": {
            "intermediate_dim": hidden,
            "moe_intermediate_dim": hidden,
            "shared_expert_intermediate_dim": hidden,
        },
    }
    prefix = {"GPT-OSS": "GptOss"}.get(family, family.replace("-MoE", "Moe"))
    return prefix, {**common, **own[family]}


def build(family, sizes):
    import keras
    import keras_hub

    keras.utils.set_random_seed(0)
    prefix, options = arguments(family, sizes)
    backbone = getattr(keras_hub.models, f"{prefix}Backbone")(**options)
    task = getattr(keras_hub.models, f"{prefix}CausalLM")(backbone=backbone, preprocessor=None)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    task.compile(keras.optimizers.SGD(1e-3), loss, sampler="greedy")
    return task


def batch():
    import numpy as np

    rng = np.random.default_rng(0)
    ids = rng.integers(1, VOCABULARY, (BATCH, LENGTH)).astype("int32")
    return {"token_ids": ids, "padding_mask": np.ones_like(ids)}


def runs(task):
    """A function without arguments for each mode."""
    import numpy as np

    x = batch()
    y = np.roll(x["token_ids"], -1, axis=1)
    prompt = {
        "token_ids": np.where(np.arange(LENGTH) < PROMPT, x["token_ids"][:1], 0),
        "padding_mask": (np.arange(LENGTH) < PROMPT)[None].astype("int32"),
    }
    return {
        "gradient step": lambda: task.train_on_batch(x, y),
        "predict": lambda: task.predict_on_batch(x),
        "generate": lambda: task.generate(prompt, stop_token_ids=None),
    }


def measure(family, sizes, repeats):
    """Seconds of each mode, plain and sparse in turns; and whether both generate the same."""
    import numpy as np

    from sparse_keras import hub

    subjects = {"keras_hub": build(family, sizes), "sparse": hub.sparsify(build(family, sizes))}
    texts = [np.asarray(runs(task)["generate"]()["token_ids"]) for task in subjects.values()]
    seconds = {name: {mode: [] for mode in MODES} for name in subjects}
    for mode in MODES:
        functions = {name: runs(task)[mode] for name, task in subjects.items()}
        for function in functions.values():
            function()  # Traces and compiles.
        for _ in range(repeats):
            for name, function in functions.items():
                start = time.perf_counter()
                np.asarray(_first(function()))
                seconds[name][mode].append(time.perf_counter() - start)
    return {"seconds": seconds, "same_text": bool(np.array_equal(*texts))}


def peak(family, sizes, sparse):
    """Peak memory of a process, in bytes: after building a model, and after a gradient step."""
    from sparse_keras import hub

    task = build(family, sizes)
    built = _peak_bytes()
    if sparse:
        hub.sparsify(task)
    sparsified = _peak_bytes()
    runs(task)["gradient step"]()
    return {"built": built, "sparsified": sparsified, "step": _peak_bytes()}


def _peak_bytes():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _first(values):
    import keras

    first, *_ = keras.tree.flatten(values)
    return keras.ops.convert_to_numpy(first)


def worker(request):
    sizes = QUICK if request["quick"] else SIZES
    if request["do"] == "peak":
        return peak(request["family"], sizes, request["sparse"])
    return measure(request["family"], sizes, request["repeats"])


def ask(backend, **request):
    """What a worker of a backend answers."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "benchmarks.keras_hub", "--worker", json.dumps(request)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def figures(backend, family, quick, repeats):
    found = ask(backend, do="measure", family=family, quick=quick, repeats=repeats)
    medians = {
        name: {mode: statistics.median(values) for mode, values in modes.items()}
        for name, modes in found["seconds"].items()
    }
    found["medians"] = medians
    found["times_as_fast"] = {
        mode: medians["keras_hub"][mode] / medians["sparse"][mode] for mode in MODES
    }
    found["peak_bytes"] = {
        name: ask(backend, do="peak", family=family, quick=quick, sparse=name == "sparse")
        for name in ("keras_hub", "sparse")
    }
    return found


def table(result):
    """The results as a table in Markdown: seconds of both, and how many times as fast."""
    heads = ["family, backend", *MODES, "peak memory of the step"]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for backend, families in result["figures"].items():
        for family, found in families.items():
            plain, sparse = (found["medians"][name] for name in ("keras_hub", "sparse"))
            cells = [
                f"{plain[mode]:.3f} -> {sparse[mode]:.3f} ({found['times_as_fast'][mode]:.1f}x)"
                for mode in MODES
            ]
            before, after = (found["peak_bytes"][name]["step"] for name in ("keras_hub", "sparse"))
            memory = f"{before / 2**30:.2f} -> {after / 2**30:.2f} GiB"
            lines.append(f"| {family}, {backend} | " + " | ".join([*cells, memory]) + " |")
    return "\n".join(lines) + "\n"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backends", nargs="+", default=["tensorflow"])
    parser.add_argument("--families", nargs="+", default=FAMILIES, choices=FAMILIES)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="toy sizes, to see that it runs")
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.worker:
        print(json.dumps(worker(json.loads(args.worker))))
        return
    import keras_hub

    result = {
        "command": " ".join(["python -m benchmarks.keras_hub", *(argv or sys.argv[1:])]),
        "sizes": QUICK if args.quick else SIZES,
        "batch": {"batch": BATCH, "length": LENGTH, "prompt": PROMPT, "vocabulary": VOCABULARY},
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
        },
        "keras_hub": keras_hub.__version__,
        "date": time.strftime("%Y-%m-%d"),
        "figures": {},
    }
    for backend in args.backends:
        result["figures"][backend] = {}
        for family in args.families:
            found = figures(backend, family, args.quick, args.repeats)
            result["figures"][backend][family] = found
            print(backend, family, found["times_as_fast"], "same text:", found["same_text"])
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
