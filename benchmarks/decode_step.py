"""A decode step: few tokens through a mixture, and through a dense layer of equal active width.

    python -m benchmarks.decode_step --output results/decode/cpu.json

The mixture has SwiGLU experts of width 688 and selects two; the dense layer is a SwiGLU of width
1,376. The number of experts goes from 8 to 64. Inputs are random: every call has other tokens, of
64 batches in turns, as in generation. All subjects of a mode take turns in one process.

A floor is given, too: each expert that a call uses has to be read, and the dense layer reads as
much as two experts. Of N tokens, which seldom choose the same experts, the floor is the number of
distinct experts over two, times the dense layer.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
WIDTHS = {"D": 512, "hidden": 688, "k": 2}
TOKENS, EXPERTS = (1, 4, 8), (8, 16, 64)
MODES = {"TensorFlow graph": "tensorflow", "TensorFlow XLA": "tensorflow", "JAX": "jax"}
BATCHES, REPEATS, ROUNDS = 64, 64, 9


def dense_layer():
    import keras

    class SwiGLU(keras.layers.Layer):
        """A dense layer of the width that one token meets in the mixture."""

        def __init__(self):
            super().__init__()
            width = WIDTHS["k"] * WIDTHS["hidden"]
            self.gate = keras.layers.Dense(width, activation="silu", use_bias=False)
            self.up = keras.layers.Dense(width, use_bias=False)
            self.down = keras.layers.Dense(WIDTHS["D"], use_bias=False)

        def build(self, input_shape):
            self.gate.build(input_shape)
            self.up.build(input_shape)
            self.down.build((None, WIDTHS["k"] * WIDTHS["hidden"]))

        def call(self, inputs):
            return self.down(self.gate(inputs) * self.up(inputs))

    return SwiGLU()


def compiled(layer, mode):
    """The layer as a function of its inputs, which waits for the result."""
    if MODES[mode] == "tensorflow":
        import tensorflow as tf

        function = tf.function(lambda x: layer(x), jit_compile=mode.endswith("XLA"))
        return lambda x: function(x).numpy()
    import jax

    trainable = [variable.value for variable in layer.trainable_variables]
    others = [variable.value for variable in layer.non_trainable_variables]
    function = jax.jit(lambda *state_and_x: layer.stateless_call(*state_and_x)[0])
    return lambda x: jax.block_until_ready(function(trainable, others, x))


def measure(mode):
    """Medians in microseconds of one call, by tokens and subject, and distinct experts."""
    import keras
    import numpy as np

    from sparse_keras.layers import GLUExperts, MixtureOfExperts

    keras.utils.set_random_seed(0)
    subjects = {"dense": dense_layer()}
    for experts in EXPERTS:
        bank = GLUExperts(experts, WIDTHS["hidden"])
        subjects[str(experts)] = MixtureOfExperts(bank, k=WIDTHS["k"])
    rng = np.random.default_rng(0)
    results = {}
    for tokens in TOKENS:
        draws = rng.normal(size=(BATCHES, tokens, WIDTHS["D"])).astype("float32")
        inputs = [keras.ops.convert_to_tensor(draw) for draw in draws]
        distinct = {}
        for name, layer in subjects.items():
            layer(inputs[0])
            if name != "dense":
                used = [layer(x, return_routing=True)[1]["expert_index"] for x in inputs]
                distinct[name] = statistics.mean(len(np.unique(np.asarray(u))) for u in used)
        functions = {name: compiled(layer, mode) for name, layer in subjects.items()}
        times = {name: [] for name in functions}
        for function in functions.values():
            for x in inputs:
                function(x)
        for _ in range(ROUNDS):
            for name, function in functions.items():
                start = time.perf_counter()
                for number in range(REPEATS):
                    function(inputs[number % BATCHES])
                times[name].append((time.perf_counter() - start) / REPEATS * 1e6)
        results[str(tokens)] = {
            "microseconds": {name: statistics.median(values) for name, values in times.items()},
            "distinct_experts": distinct,
        }
    return results


def table(result):
    """Times of a call in milliseconds, and as multiples of the dense layer's and of the floor."""
    heads = ["mode", "tokens", "dense", *(f"E={experts}" for experts in EXPERTS)]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for mode, by_tokens in result["figures"].items():
        for tokens, found in by_tokens.items():
            dense = found["microseconds"]["dense"]
            cells = []
            for experts in map(str, EXPERTS):
                ratio = found["microseconds"][experts] / dense
                floor = found["distinct_experts"][experts] / WIDTHS["k"]
                cells.append(f"{ratio * dense / 1000:.2f} ({ratio:.1f}x; floor {floor:.1f}x)")
            cells = " | ".join([f"{dense / 1000:.2f}", *cells])
            lines.append(f"| {mode} | {tokens} | {cells} |")
    return "\n".join(lines) + "\n"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--mode", choices=MODES, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.mode:
        print(json.dumps(measure(args.mode)))
        return
    figures = {}
    for mode, backend in MODES.items():
        environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-m", "benchmarks.decode_step", "--mode", mode]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr[-2000:])
        figures[mode] = json.loads(done.stdout.splitlines()[-1])
    result = {
        "command": " ".join(["python -m benchmarks.decode_step", *(argv or sys.argv[1:])]),
        "widths": WIDTHS,
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
        },
        "date": time.strftime("%Y-%m-%d"),
        "figures": figures,
    }
    print(table(result))
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
