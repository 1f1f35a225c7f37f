"""Fine-tunes all-MiniLM-L6-v2 on news and on mails: dense, upcycled, and from random weights.

    python -m benchmarks.encoders --seeds 0,1,2

All models of a seed get the same texts in the same order, with the same schedule and as many steps.
Runs that were measured before, with the same settings, stay: an interrupted measurement goes on.
"""

import argparse
import json
import pathlib
import time

import keras
import numpy as np

import sparse_keras
from sparse_keras.evaluation.machine import machine
from sparse_keras.evaluation.text.linear_svc import LinearSVCOnTexts
from sparse_keras.models import (
    TextEncoder,
    active_params,
    encoder_classifier,
    flops_per_example,
    total_params,
)
from sparse_keras.tasks.scores import scores

RESULT = pathlib.Path(__file__).resolve().parents[2] / "results" / "upcycling" / "encoders.json"
CHECKPOINT = "all_minilm_l6_v2"
NAMES = ("reuters_r8", "spam_assassin")
DATA = {name: f"text/text_classifier_{name.removeprefix('reuters_')}_minilm" for name in NAMES}
MODELS = ("dense", "upcycled", "scratch")
BATCH, WARMUP = 16, 0.1
# Halves of the hidden units of the last two blocks, two of which cost what the dense layer costs.
UPCYCLING = {"num_experts": 8, "split": 2, "layers": [-1, -2]}
ROUTER = {"type": "top_k", "k": 2, "balance_loss": 0.01}
METRICS = ("accuracy", "balanced_accuracy", "log_loss")


def load(name, max_length):
    """The data, with the tokens of the checkpoint."""
    overrides = [f"data.max_length={max_length}", f"training.batch_size={BATCH}"]
    return sparse_keras.load_data(sparse_keras.load_config(DATA[name], overrides))


def make(name, task):
    """A model, before training."""
    encoder = sparse_keras.load_pretrained(CHECKPOINT, tokenizer=False)
    if name != "dense":
        encoder = sparse_keras.upcycle(encoder, **UPCYCLING, router=ROUTER, seed=0)
    if name == "scratch":
        encoder = TextEncoder.from_config(encoder.get_config())
        encoder.build()
    return encoder_classifier(encoder, task, head_dropout=0.1)


def prepare(model, task, steps, learning_rate):
    """Compiles a model to be trained for some steps."""
    warmup = max(round(WARMUP * steps), 1)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(steps - warmup, 1), alpha=0.01, warmup_target=learning_rate, warmup_steps=warmup
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=0.01, global_clipnorm=1.0)
    loss = task.make_loss("cross_entropy", {}, "mean")
    model.compile(optimizer=optimizer, loss=loss, jit_compile=False)


def batches(data, seed, steps):
    """The batches of as many steps, in an order that depends on the seed."""
    data.train.seed, data.train.epoch = seed, 0
    while True:
        for number in range(len(data.train)):
            if not steps:
                return
            steps -= 1
            yield data.train[number]
        data.train.on_epoch_end()


def of_part(model, task, part):
    """The metrics of a part of the data."""
    predictions = np.concatenate(
        [model.predict_on_batch(x) for x, _ in map(part.__getitem__, range(len(part)))]
    )
    found = scores(task, part.labels, predictions)
    return {name: float(found[name]) for name in METRICS}


def measure(name, data, seed, arguments):
    """Trains a model, and returns what it costs and what it predicts."""
    task = data.task
    keras.utils.set_random_seed(seed)
    model = make(name, task)
    rate = arguments.scratch_learning_rate if name == "scratch" else arguments.learning_rate
    prepare(model, task, arguments.steps, rate)
    begin, wall = time.process_time(), time.perf_counter()
    for x, y in batches(data, seed, arguments.steps):
        model.train_on_batch(x, y)
    seconds, wall = time.process_time() - begin, time.perf_counter() - wall
    length = data.inputs.length
    return {
        "validation": of_part(model, task, data.validation),
        "test": of_part(model, task, data.test),
        "params": total_params(model),
        "active_params": active_params(model),
        "flops_per_token": flops_per_example(model, length) / length,
        "cpu_seconds": seconds,
        "wall_seconds": wall,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--data", default=",".join(DATA))
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--max-length", type=int, default=62)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--scratch-learning-rate", type=float, default=5e-4)
    parser.add_argument("--output", type=pathlib.Path, default=RESULT)
    arguments = parser.parse_args()
    keys = ("steps", "max_length", "learning_rate", "scratch_learning_rate")
    settings = {key: getattr(arguments, key) for key in keys} | {"batch_size": BATCH}
    content = {"settings": settings, "machine": machine(), "data": {}, "baseline": {}, "runs": {}}
    if arguments.output.is_file():
        before = json.loads(arguments.output.read_text(encoding="utf-8"))
        content = before if before["settings"] == settings else content
    for data_set in arguments.data.split(","):
        data = load(data_set, arguments.max_length)
        content["data"][data_set] = repr(data)
        runs = content["runs"].setdefault(data_set, {})
        if data_set not in content["baseline"]:
            found = LinearSVCOnTexts().measure(data)["metrics"]
            content["baseline"][data_set] = {name: found[name] for name in METRICS}
        for seed in arguments.seeds.split(","):
            for name in arguments.models.split(","):
                if name in runs.setdefault(seed, {}):
                    continue
                runs[seed][name] = measure(name, data, int(seed), arguments)
                print(data_set, seed, name, runs[seed][name], flush=True)
                arguments.output.parent.mkdir(parents=True, exist_ok=True)
                text = json.dumps(content, indent=1) + "\n"
                arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
