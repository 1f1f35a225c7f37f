"""One subject on one case, in a process of its own. Answers JSON lines with JSON lines.

The parent (`process.py`) starts it as `python -m benchmarks.speed.worker CASE SUBJECT`, CASE being
the JSON of a `Case`. The requests, and what comes back:

    {"do": "build"}                                  {"device": the GPU's name or null}
    {"do": "first", "mode": M}                       {"first_seconds": s, "step_seconds": s}
    {"do": "repeat", "mode": M, "steps": n, ...}     {"seconds": of one step}
    {"do": "memory"}                                 {"baseline": bytes, "peak": bytes, ...}

or {"error": in one line}.
"""

import gc
import importlib
import json
import os
import resource
import sys
import time

from benchmarks.speed import cases, subjects

MEMORY_STEPS = 3


class Worker:
    def __init__(self, case, subject):
        self.case, self.subject = case, subject
        self.on = importlib.import_module(f"benchmarks.speed.on_{subject.backend}")
        name = "huggingface_torch" if subject.kind.startswith("huggingface") else "layers"
        self.builder = importlib.import_module(f"benchmarks.speed.{name}")
        if "keras_hub" in subject.packages:
            importlib.import_module("keras_hub")
        self.on.wait(self.on.tensor([0.0]) + 1.0)  # The framework is up.
        self.imported = peak_bytes()
        self.layer = None
        self.modes = {}

    def build(self):
        self.layer = self.builder.build(self.subject.kind, self.case)
        return {"device": self.on.device()}

    def first(self, mode):
        """The first step, and how long one takes afterwards, roughly."""
        from benchmarks.speed import modes

        self.modes = {}  # The last mode's memory goes first.
        self.modes[mode] = modes.MODES[mode](self.layer, self.case, self.subject)
        self.modes[mode].prepare(0, 1)
        start = time.perf_counter()
        self.modes[mode].run(1)
        first = time.perf_counter() - start
        if mode == "first":
            return {"first_seconds": first}
        step = self.repeat(mode, repetition=0, steps=1 if first > 1 else 3)["seconds"]
        return {"first_seconds": first, "step_seconds": step}

    def repeat(self, mode, repetition, steps):
        found = self.modes[mode]
        found.prepare(repetition, steps)
        gc.collect()
        return {"seconds": found.run(steps)}

    def memory(self):
        """The peak of a process that builds and takes a few gradient steps."""
        from benchmarks.speed import modes

        self.build()
        gradient = modes.Gradient(self.layer, self.case, self.subject)
        gradient.prepare(0, MEMORY_STEPS)
        gradient.run(MEMORY_STEPS)
        peak = {"baseline": self.imported, "peak": peak_bytes()}
        device_peak = self.on.device_peak()
        return peak if device_peak is None else peak | {"device_peak": device_peak}


def peak_bytes():
    """The most memory this process has had resident so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def in_one_line(error):
    """The first and the last line of an error, which hold the message."""
    lines = f"{type(error).__name__}: {error}".strip().splitlines()
    return lines[0] if len(lines) == 1 else f"{lines[0]} ... {lines[-1].strip()}"


def main():
    import keras

    # What the libraries print must not get between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    keras.config.disable_traceback_filtering()  # It would bury the messages.
    case = json.loads(sys.argv[1])
    case = cases.Case(**{k: tuple(v) if isinstance(v, list) else v for k, v in case.items()})
    worker = Worker(case, subjects.named(sys.argv[2]))
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:
            answer = {"error": in_one_line(error)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
