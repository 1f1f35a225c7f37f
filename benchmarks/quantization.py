"""Measures how fast a mixture with quantized experts answers, beside the same in float32.

    python -m benchmarks.quantization

One layer, by the number of its tokens; the three take turns, so that a busy machine disturbs all
alike. Writes results/speed/quantization.json, and the table of docs/tuning.md.
"""

import argparse
import json
import pathlib
import statistics
import time

import keras
import tensorflow as tf

from sparse_keras import layers
from sparse_keras.evaluation.machine import machine

ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULT = ROOT / "results" / "speed" / "quantization.json"
PAGE = ROOT / "docs" / "tuning.md"
_START, _END = "<!-- results -->\n", "<!-- end of results -->"
EXPERTS, WIDTH, HIDDEN, K = 8, 512, 704, 2
TOKENS = (1, 4, 8, 1024)
MODES = ("float32", "int8", "int4")
_INPUTS = 16


def make(mode):
    """A mixture, built, with the same weights in each mode."""
    keras.utils.set_random_seed(0)
    bank = layers.GLUExperts(EXPERTS, HIDDEN)
    mixture = layers.MixtureOfExperts(bank, router=layers.TopKRouter(k=K))
    mixture.build((None, WIDTH))
    if mode != "float32":
        bank.quantize(mode)
    return mixture


def milliseconds(mixtures, tokens, jit_compile, rounds):
    """The median time of a call of each mixture, in turns."""
    signature = [tf.TensorSpec((tokens, WIDTH))]
    calls = {
        mode: tf.function(mixture.__call__, signature, jit_compile=jit_compile)
        for mode, mixture in mixtures.items()
    }
    inputs = [tf.random.normal((tokens, WIDTH)) for _ in range(_INPUTS)]
    times = {mode: [] for mode in calls}
    for call in calls.values():
        call(inputs[0])
    for number in range(rounds):
        for mode, call in calls.items():
            start = time.perf_counter()
            call(inputs[number % _INPUTS]).numpy()
            times[mode].append(time.perf_counter() - start)
    return {mode: 1e3 * statistics.median(of_mode) for mode, of_mode in times.items()}


def table(content):
    """The times as Markdown."""
    about = content["machine"]
    lines = [
        f"A mixture of {EXPERTS} GLU experts, {WIDTH} to {HIDDEN}, k = {K}: the median of "
        f"{content['rounds']} calls in turns, and its ratio to that of float32; {about['cores']} "
        f"cores of an {about['cpu']}.",
        "",
        "| tokens | compiled by | float32 | int8 | int4 |",
        "| ---: | --- | ---: | ---: | ---: |",
    ]
    for case in content["cases"]:
        times = case["milliseconds"]
        cells = [f"{times['float32']:.2f} ms"]
        cells += [f"{times[mode] / times['float32']:.2f} ×" for mode in MODES[1:]]
        compiler = "XLA" if case["xla"] else "TensorFlow"
        lines.append(f"| {case['tokens']:,} | {compiler} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def written(content, text):
    """The page with these results."""
    return text[: text.index(_START)] + _START + table(content) + text[text.index(_END) :]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--output", type=pathlib.Path, default=RESULT)
    arguments = parser.parse_args()
    mixtures = {mode: make(mode) for mode in MODES}
    cases = [
        {
            "tokens": tokens,
            "xla": xla,
            "milliseconds": milliseconds(mixtures, tokens, xla, arguments.rounds),
        }
        for xla in (False, True)
        for tokens in TOKENS
    ]
    content = {"machine": machine(), "rounds": arguments.rounds, "cases": cases}
    arguments.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if arguments.output == RESULT:
        PAGE.write_text(written(content, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
