"""Measures a case: all its subjects side by side, in turns."""

import dataclasses
import statistics

from benchmarks.speed.process import Failed, Process

# A repetition lasts at least this long, so that what the other processes left in the caches of the
# CPU counts for little.
REPETITION_SECONDS = 0.1
MOST_STEPS = 1000


@dataclasses.dataclass(frozen=True)
class Settings:
    """How long to measure.

    Args:
        repeats: Repetitions of each subject in each mode.
        budget: Seconds for them. A slow subject gets fewer, but at least 3.
    """

    repeats: int = 15
    budget: float = 6.0


def measure(case, subjects, modes, settings, say):
    """The figures of a case, `{subject: {mode: figure}}`, and the GPUs that the frameworks saw.

    A figure holds `first_seconds`, the `seconds` of a step in each repetition with their `median`
    and `quartiles`, and the `steps` of one repetition; or `failed`, with the reason.
    """
    figures = {subject.name: {} for subject in subjects}
    wanted = {
        subject.name: [m for m in modes if m in case.modes and m in subject.modes]
        for subject in subjects
    }
    devices = {}
    timed = [s for s in subjects if any(mode != "memory" for mode in wanted[s.name])]
    processes = {}
    try:
        for subject in timed:
            processes[subject.name] = Process(case, subject)
        for process in processes.values():
            process.send("build")
        for subject in timed:
            try:
                devices[subject.backend] = processes[subject.name].receive()["device"]
            except Failed as error:
                failed = {"failed": str(error)}
                timed_modes = (mode for mode in wanted[subject.name] if mode != "memory")
                figures[subject.name].update((mode, failed) for mode in timed_modes)
                processes.pop(subject.name).close()
        for mode in (mode for mode in modes if mode != "memory"):
            taking = {name: p for name, p in processes.items() if mode in wanted[name]}
            for name, figure in take_turns(case, mode, taking, settings, say).items():
                figures[name][mode] = figure
    finally:
        for process in processes.values():
            process.close()

    for subject in subjects:
        if "memory" in wanted[subject.name]:
            say(f"{case.name}: memory of {subject.name}")
            figures[subject.name]["memory"] = peak_memory(case, subject)
    return figures, devices


def take_turns(case, mode, processes, settings, say):
    """The figures of all processes in one mode."""
    figures = {}
    for name, process in processes.items():
        say(f"{case.name}: {mode}, first step of {name}")
        figures[name] = attempt(process, "first", mode=mode)
    repeats = {}
    for name, figure in figures.items():
        if "step_seconds" in figure:
            step = figure.pop("step_seconds")
            figure["steps"] = steps_of(case, mode, step, settings)
            affordable = int(settings.budget / (step * figure["steps"]))
            repeats[name] = min(settings.repeats, max(3, affordable))
            figure["seconds"] = []
    for turn in range(settings.repeats if repeats else 0):
        say(f"{case.name}: {mode}, turn {turn + 1} of {settings.repeats}")
        for name, count in repeats.items():
            # Those with fewer repetitions spread them over all turns.
            due = (turn + 1) * count // settings.repeats > turn * count // settings.repeats
            figure = figures[name]
            if due and "failed" not in figure:
                answer = attempt(
                    processes[name],
                    "repeat",
                    mode=mode,
                    repetition=turn + 1,
                    steps=figure["steps"],
                )
                if "failed" in answer:
                    figures[name] = answer
                else:
                    figure["seconds"].append(answer["seconds"])
    for figure in figures.values():
        if figure.get("seconds"):
            figure["median"] = statistics.median(figure["seconds"])
            figure["quartiles"] = quartiles(figure["seconds"])
    return figures


def attempt(process, do, **request):
    """The answer, or why there is none."""
    try:
        if not process.alive:
            raise Failed("ended in an earlier mode")
        return process.ask(do, **request)
    except Failed as error:
        return {"failed": str(error)}


def steps_of(case, mode, step_seconds, settings):
    """How many steps one repetition takes."""
    if mode.startswith("fit"):
        return max(1, min(case.fit_steps, int(settings.budget / 3 / step_seconds)))
    return max(1, min(MOST_STEPS, round(REPETITION_SECONDS / step_seconds)))


def quartiles(values):
    if len(values) < 2:
        return [values[0], values[0]]
    low, _, high = statistics.quantiles(values, method="inclusive")
    return [low, high]


def peak_memory(case, subject):
    process = Process(case, subject)
    try:
        return attempt(process, "memory")
    finally:
        process.close()


def add_ratios(figures):
    """Writes into every figure its median over that of the dense layer in the same framework."""
    for name, modes in figures.items():
        dense = figures.get("dense/" + name.partition("/")[2], {})
        for mode, figure in modes.items():
            reference = dense.get("fit" if mode == "fit_fused" else mode, {})
            if "median" in figure and "median" in reference:
                figure["ratio"] = figure["median"] / reference["median"]
