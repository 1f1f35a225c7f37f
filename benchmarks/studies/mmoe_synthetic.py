"""The MMoE paper's synthetic experiment: do gates of their own help tasks that differ?

    python -m benchmarks.studies.mmoe_synthetic           # trains 50 seeds: 20 minutes on one core
    python -m benchmarks.studies.mmoe_synthetic --docs    # only draws and writes the tables

Shared bottom, one gate and a gate per task learn two regression tasks of correlation 0.5, 0.9 and
1.0 (`correlated_tasks`), from rows drawn afresh for every step. The three models of a seed see the
same tasks and the same rows in the same order. All trainings of ten seeds are one program
(`tensorflow_batched_runs`).

Reference: [Modeling Task Relationships in Multi-task Learning with Multi-gate
Mixture-of-Experts](https://dl.acm.org/doi/10.1145/3219819.3220007), section 3.
"""

import argparse
import pathlib
import tempfile
import time

import numpy as np

from benchmarks.studies import mmoe_synthetic_report as report
from benchmarks.studies import pages

STUDY = "mmoe_synthetic"
OUTPUT = pages.RESULTS / f"{STUDY}.json"
PICTURE = pages.PICTURES / f"{STUDY}.svg"
# Toy figures must not land on measured ones, so --quick writes elsewhere.
QUICK_OUTPUT = pathlib.Path(tempfile.gettempdir()) / f"sparse_keras_{STUDY}_quick.json"

CORRELATIONS = (0.5, 0.9, 1.0)
SETTINGS = {
    "steps": 4000,
    "batch_size": 256,
    "test_rows": 4096,
    "learning_rate": 1e-3,
    "measured_every": 100,
    "group": 10,
}
QUICK = {"steps": 4, "batch_size": 16, "test_rows": 64, "measured_every": 2, "group": 3}
# Other learning rates, for seeds apart from those that are compared.
OTHER_RATES = (3e-3, 1e-2)
OTHER_SEEDS = range(1000, 1008)


def losses(seeds, settings, compiled=True):
    """Trains all models on all correlations for some seeds, as one program.

    Returns:
        `(steps, found)`: the K steps measured at, and a dict from kind to test losses, the mean of
        both tasks, `[K, P, S]`.
    """
    from benchmarks.studies import correlated_tasks, synthetic_networks
    from benchmarks.studies.tensorflow_batched_runs import BatchedRuns

    kinds = list(synthetic_networks.KINDS)
    runs = BatchedRuns(
        [correlated_tasks.Problem(seed, CORRELATIONS) for seed in seeds],
        {
            kind: synthetic_networks.initial_weights(kind, seeds, len(CORRELATIONS))
            for kind in kinds
        },
        dict.fromkeys(kinds, settings["learning_rate"]),
        settings["batch_size"],
        settings["test_rows"],
        compiled,
    )
    steps, found = [0], [runs.test_losses()]
    while steps[-1] < settings["steps"]:
        # In two halves: the rows of a hundred steps would be a quarter of a gigabyte.
        for _ in range(2):
            runs.train(settings["measured_every"] // 2)
        steps.append(steps[-1] + settings["measured_every"])
        found.append(runs.test_losses())
    return steps, {
        kind: np.stack([one[kind].mean(axis=-1) for one in found]).astype(float) for kind in kinds
    }


def measure(seeds, other_rates, settings, compiled=True, keep=None, say=print):
    """All losses of the study.

    Args:
        seeds: Number of seeds that are compared, numbered from 0.
        other_rates: Learning rates to try on the `OTHER_SEEDS`.
        settings: A dict like `SETTINGS`.
        compiled: Whether XLA compiles the programs.
        keep: Function that gets the result so far, after each group of seeds; it is that of a
            command for so many seeds.
        say: Function that gets a line on progress.

    Returns:
        The result, as it is published.
    """
    from benchmarks.studies import correlated_tasks, synthetic_networks
    from sparse_keras.models import total_params

    start = time.process_time()
    problems = [correlated_tasks.Problem(seed, CORRELATIONS) for seed in range(seeds)]
    pearson = np.mean([correlated_tasks.label_correlations(one) for one in problems], axis=0)
    result = {
        "settings": {**settings, "noise_variance": correlated_tasks.NOISE_VARIANCE},
        "correlations": list(CORRELATIONS),
        "label_correlations": pearson.tolist(),
        "parameters": {
            kind: int(total_params(synthetic_networks.build(kind)))
            for kind in synthetic_networks.KINDS
        },
        "other_rates": {},
    }
    groups = []
    for first in range(0, seeds, settings["group"]):
        group = list(range(first, min(first + settings["group"], seeds)))
        steps, found = losses(group, settings, compiled)
        groups.append(found)
        joined = {
            kind: np.concatenate([one[kind] for one in groups], axis=-1) for kind in groups[0]
        }
        result |= summary(steps, joined)
        result["provenance"] = pages.provenance(command(result), time.process_time() - start)
        say(f"{group[-1] + 1} seeds, {result['provenance']['cpu_seconds']} s")
        if keep is not None:
            keep(result)
    for rate in other_rates:
        _, found = losses(list(OTHER_SEEDS), {**settings, "learning_rate": rate}, compiled)
        result["other_rates"][f"{rate:g}"] = {kind: one[-1].tolist() for kind, one in found.items()}
        result["provenance"] = pages.provenance(command(result), time.process_time() - start)
        say(f"learning rate {rate:g}, {result['provenance']['cpu_seconds']} s")
        if keep is not None:
            keep(result)
    return result


def command(result):
    """What to type for a result."""
    rates = " ".join(["--other-rates", *result["other_rates"]])
    return f"python -m benchmarks.studies.{STUDY} --seeds {result['seeds']} {rates}"


def summary(steps, found):
    """Losses of each seed after the last step, and curves of their mean and 95 % interval."""
    from scipy import stats

    result = {"seeds": None, "final": {}, "curves": {"steps": steps}}
    for kind, of_kind in found.items():
        seeds = of_kind.shape[-1]
        half = stats.t.ppf(0.975, seeds - 1) * stats.sem(of_kind, axis=-1)
        result["seeds"] = seeds
        result["final"][kind] = of_kind[-1].tolist()
        result["curves"][kind] = {
            "mean": of_kind.mean(axis=-1).T.tolist(),
            "half_width": half.T.tolist(),
        }
    return result


def publish(result):
    """Draws the picture and writes the tables of a result."""
    report.draw(result, PICTURE)
    text = pages.PAGE.read_text(encoding="utf-8")
    pages.PAGE.write_text(pages.render(text, STUDY, report.BLOCKS, result), encoding="utf-8")


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.studies.mmoe_synthetic", description=__doc__.splitlines()[0]
    )
    add = parser.add_argument
    add("--seeds", type=int, default=50)
    add("--other-rates", type=float, nargs="*", default=OTHER_RATES, metavar="RATE")
    add("--quick", action="store_true", help="toy sizes, to see that everything runs")
    add("--docs", action="store_true", help="only draw and write the tables")
    add("--output", type=pathlib.Path, help=f"default: {OUTPUT.relative_to(pages.ROOT)}")
    args = parser.parse_args(arguments)
    if args.seeds < 3:
        parser.error(f"--seeds must be at least 3, for intervals. Received: {args.seeds}")
    output = args.output or (QUICK_OUTPUT if args.quick else OUTPUT)
    if args.docs:
        publish(pages.read(OUTPUT))
        return
    settings = {**SETTINGS, **(QUICK if args.quick else {})}
    result = measure(
        3 if args.quick else args.seeds,
        [] if args.quick else args.other_rates,
        settings,
        compiled=not args.quick,
        keep=lambda result: pages.write(result, output),
        say=lambda line: print(line, flush=True),
    )
    if args.quick:
        report.draw(result, output.with_suffix(".svg"))
    elif output == OUTPUT:
        publish(pages.read(output))
    print(f"Wrote {output}")


if __name__ == "__main__":
    main()
