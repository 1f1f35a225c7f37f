"""Trains a dense language model, upcycles it, trains both on, and shrinks the mixture again.

    python -m benchmarks.upcycling --seeds 0,1,2

All models of a seed go on with the same rows in the same order, from the same parent, with the same
schedule and a new optimizer, for as many FLOPs as the parent that is trained on. Seeds that were
measured before, with as many steps, stay.
"""

import argparse
import json
import pathlib
import statistics
import time

import keras
import numpy as np

import sparse_keras
from sparse_keras.compression import dense_student, distill, merge_experts, prune_experts
from sparse_keras.compression.summary import weight_bytes
from sparse_keras.evaluation.machine import machine
from sparse_keras.models import active_params, causal_lm, flops_per_example, total_params

RESULT = pathlib.Path(__file__).resolve().parents[2] / "results" / "upcycling" / "cpu.json"
CONFIG = "text/causal_lm_shakespeare"
DATA = ("data.vocabulary_size=512", "data.context_length=64")
MODEL = {"depth": 2, "width": 64, "num_heads": 4, "hidden_dim": 172, "context_length": 64}
KEYS = ("token_ids", "segment_ids")
BATCH, LEARNING_RATE, WARMUP = 16, 3e-3, 30
ROUTER = {"type": "top_k", "balance_loss": 0.01}
UPCYCLED = {
    "parts": {"num_experts": 16, "k": 2, "split": 2},
    "copies": {"num_experts": 8, "k": 2},
}
# The same with routers that start from clusters of the rows of so many batches.
CLUSTERED, CLUSTER_BATCHES = ("parts", "copies"), 16


def rows_of(data, seed, steps):
    """Token ids and labels of as many batches, of as many epochs as that takes."""
    batches = []
    for epoch in range(1 + steps // len(data.train)):
        data.train.on_epoch_end() if epoch else None
        batches += [data.train[n] for n in range(len(data.train))]
    order = np.random.default_rng(seed).permutation(len(batches))[:steps]
    return {
        "x": {key: np.concatenate([batches[n][0][key] for n in order]) for key in KEYS},
        "y": np.concatenate([batches[n][1] for n in order]),
    }


def part(rows, start, steps):
    """The rows of some steps."""
    cut = slice(start * BATCH, (start + steps) * BATCH)
    return {key: value[cut] for key, value in rows["x"].items()}, rows["y"][cut]


def prepare(model, steps):
    """Compiles a model to be trained for some steps."""
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(steps - WARMUP, 1), alpha=0.1, warmup_target=LEARNING_RATE, warmup_steps=WARMUP
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=0.01, global_clipnorm=1.0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-100)
    model.compile(optimizer=optimizer, loss=loss, jit_compile=False)


def fit(model, rows, start, steps):
    """Trains a compiled model, and returns the seconds that processors worked."""
    x, y = part(rows, start, steps)
    begin = time.process_time()
    model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)
    return time.process_time() - begin


def loss_of(model, validation):
    """The mean cross-entropy of a token of the validation texts, in nats."""
    x, y = validation
    return float(model.evaluate(x, y, batch_size=2 * BATCH, verbose=0))


def costs(model):
    """Parameters, FLOPs and bytes."""
    return {
        "params": total_params(model),
        "active_params": active_params(model),
        "flops_per_token": flops_per_example(model) / MODEL["context_length"],
    }


def measure(seed, data, arguments):
    """Trains all models of a seed. Returns their losses, and the mixture of copies."""
    rows = rows_of(data, seed, arguments.parent_steps + arguments.steps)
    validation = validation_of(data)
    keras.utils.set_random_seed(seed)
    parent = causal_lm(vocabulary_size=data.inputs.vocabulary_size, **MODEL)
    prepare(parent, arguments.parent_steps)
    fit(parent, rows, 0, arguments.parent_steps)
    of_seed = {"parent": {"val_loss": loss_of(parent, validation), **costs(parent)}}
    models = {"continued": parent}
    for name, options in UPCYCLED.items():
        models[name] = sparse_keras.upcycle(parent, **options, router=ROUTER, seed=seed)
    examples, _ = part(rows, 0, CLUSTER_BATCHES)
    for name in CLUSTERED:
        models[f"{name}_clusters"] = sparse_keras.upcycle(
            parent, **UPCYCLED[name], router=ROUTER, examples=examples, seed=seed
        )
    flops = flops_per_example(parent)
    for name, model in models.items():
        steps = round(arguments.steps * flops / flops_per_example(model))
        prepare(model, steps)
        at_start = loss_of(model, validation)
        seconds = fit(model, rows, arguments.parent_steps, steps)
        of_seed[name] = {
            "steps": steps,
            "start_loss": at_start,
            "val_loss": loss_of(model, validation),
            "cpu_seconds": seconds,
            **costs(model),
        }
        print(seed, name, of_seed[name], flush=True)
    return of_seed, models["copies"], rows


def validation_of(data):
    batches = [data.validation[n] for n in range(min(len(data.validation), 40))]
    whole = [batch for batch in batches if len(batch[1]) == len(batches[0][1])]
    x = {key: np.concatenate([batch[0][key] for batch in whole]) for key in KEYS}
    return x, np.concatenate([batch[1] for batch in whole])


def quantized(model, mode):
    """A copy of a model whose matrices are integers."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    copy.quantize(mode)
    return copy


def milliseconds(models, x, rounds=15):
    """The median time of `predict` of each model, in turns."""
    seconds = {name: [] for name in models}
    for round in range(rounds + 1):
        for name, model in models.items():
            start = time.perf_counter()
            model.predict(x, batch_size=2 * BATCH, verbose=0)
            if round:  # The first compiles.
                seconds[name].append(time.perf_counter() - start)
    return {name: 1e3 * statistics.median(times) for name, times in seconds.items()}


def shrink(model, rows, data, arguments):
    """Makes a trained mixture smaller in each way, and trains it for some steps."""
    validation = validation_of(data)
    seen, _ = part(rows, 0, 8)
    size = weight_bytes(model)
    found = {"copies": {"val_loss": loss_of(model, validation), **costs(model)}}
    models = {"copies": model}
    for mode in ("int8", "int4"):
        models[mode] = quantized(model, mode)
        prepare(models[mode], 1)
        found[mode] = {"val_loss": loss_of(models[mode], validation), **costs(model)}
        found[mode]["bytes"] = [size, weight_bytes(models[mode])]
        print(mode, found[mode], flush=True)
    ways = {
        "prune": lambda: prune_experts(model, seen, keep=4),
        "merge": lambda: merge_experts(model, seen, 4),
        "merge_unaligned": lambda: merge_experts(model, seen, 4, align=False),
        "concatenate": lambda: dense_student(model, seen),
        "one": lambda: dense_student(model, seen, "merge"),
    }
    start = arguments.parent_steps
    for name, way in ways.items():
        small, table = way()
        prepare(small, arguments.shrink_steps)
        before, initial = loss_of(small, validation), small.get_weights()
        fit(small, rows, start, arguments.shrink_steps)
        more = {"tuned_loss": loss_of(small, validation)}
        if name in ("concatenate", "one"):
            small.set_weights(initial)
            distiller = distill(model, small)
            prepare(distiller, arguments.shrink_steps)
            fit(distiller, rows, start, arguments.shrink_steps)
            model.trainable = True
            more["distilled_loss"] = loss_of(small, validation)
        found[name] = {"val_loss": before, **more, **costs(small)}
        found[name]["bytes"] = list(table.bytes)
        models[name] = small
        print(name, found[name], flush=True)
    for name, time_of in milliseconds(models, validation[0]).items():
        found[name]["predict_ms"] = time_of
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--parent-steps", type=int, default=300)
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--shrink-steps", type=int, default=40)
    parser.add_argument("--output", type=pathlib.Path, default=RESULT)
    arguments = parser.parse_args()
    config = sparse_keras.load_config(CONFIG, DATA)
    data = sparse_keras.load_data(config)
    content = {
        "data": repr(data),
        "machine": machine(),
        "tokens_per_step": BATCH * MODEL["context_length"],
        "parent_steps": arguments.parent_steps,
        "steps": arguments.steps,
        "shrink_steps": arguments.shrink_steps,
        "runs": {},
    }
    if arguments.output.is_file():
        before = json.loads(arguments.output.read_text(encoding="utf-8"))
        if all(before[key] == content[key] for key in ("data", "steps", "parent_steps")):
            content = before
    for seed in arguments.seeds.split(","):
        if seed in content["runs"]:
            continue
        of_seed, copies, rows = measure(int(seed), data, arguments)
        content["runs"][seed] = of_seed
        if seed == "0":
            content["shrunk"] = shrink(copies, rows, data, arguments)
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
