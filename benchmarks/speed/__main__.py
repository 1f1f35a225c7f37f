"""The command line."""

import argparse
import dataclasses
import datetime
import importlib.util
import json
import math
import pathlib
import shlex
import signal
import sys
import tempfile

from rich.console import Console
from rich.table import Table

from benchmarks.speed import cases, data, machine, subjects, tables, turns
from benchmarks.speed.process import ROOT

OUTPUT = ROOT / "results" / "speed" / "cpu.json"
PAGE = ROOT / "docs" / "performance.md"
# Toy figures must not land on measured ones, so --quick writes elsewhere.
QUICK_OUTPUT = pathlib.Path(tempfile.gettempdir()) / "sparse_keras_speed_quick.json"
QUICK = {"repeats": 2, "budget": 0.2}


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        allow_abbrev=False,
        description="Compares the speed and memory of MixtureOfExperts with its peers.",
        epilog="Names may be wildcards: --cases 'e64*' --subjects 'ours/*' 'dense/*'",
    )
    add = parser.add_argument
    add("--list", action="store_true", help="only say what there is")
    add("--docs", action="store_true", help="only write the tables of results/speed into the docs")
    add("--cases", nargs="+", default=["*"], metavar="NAME")
    add("--subjects", nargs="+", default=["*"], metavar="NAME")
    add("--modes", nargs="+", default=["*"], metavar="NAME")
    add("--repeats", type=int, help=f"repetitions; default {turns.Settings.repeats}")
    add("--budget", type=float, help=f"seconds for them; default {turns.Settings.budget:g}")
    add("--quick", action="store_true", help="tiny sizes, to see that everything runs")
    add(
        "--add", action="store_true", help="keep what the output file has, but for what is measured"
    )
    add(
        "--output",
        type=pathlib.Path,
        metavar="FILE",
        help=f"default: results/speed/cpu.json; with --quick {QUICK_OUTPUT}",
    )
    args = parser.parse_args(arguments)
    if args.output is None:
        args.output = QUICK_OUTPUT if args.quick else OUTPUT
    if args.repeats is not None and args.repeats < 1:
        parser.error(f"--repeats must be at least 1. Received: {args.repeats}")
    if args.budget is not None and not 0 < args.budget < math.inf:
        parser.error(f"--budget must be a number above 0. Received: {args.budget}")
    if args.output.is_dir():
        parser.error(f"--output must be a file. Received the folder {args.output}")
    by_case = {case.name: case for case in cases.CASES}
    by_subject = {subject.name: subject for subject in subjects.SUBJECTS}
    try:
        args.cases = [by_case[n] for n in cases.matching(args.cases, list(by_case), "case")]
        names = cases.matching(args.subjects, list(by_subject), "subject")
        args.subjects = [by_subject[name] for name in names]
        args.modes = cases.matching(args.modes, list(cases.MODES), "mode")
    except ValueError as error:
        parser.exit(2, f"{error}\n")
    return args


def show_list(console):
    """What can be measured."""
    table = Table(title="Cases", title_justify="left")
    for head in ("case", "size", "experts", "policy", "modes", "subjects"):
        table.add_column(head, overflow="fold")
    for case in cases.CASES:
        size = case.label + (f" layers={case.layers}" if case.layers > 1 else "")
        experts = "SwiGLU" if case.glu else "ReLU"
        lists = (" ".join(case.modes), " ".join(case.subjects))
        table.add_row(case.name, size, experts, case.policy, *lists)
    console.print(table)
    table = Table("subject", "what", "runs here", title="Subjects", title_justify="left")
    for subject in subjects.SUBJECTS:
        missing = subject.missing()
        here = f"no, needs {' and '.join(missing)}" if missing else "yes"
        table.add_row(subject.name, subject.label, here)
    console.print(table)


def run(args, console):
    """Measures everything asked for, and writes the output file after each case."""
    settings = turns.Settings(**(QUICK if args.quick else {}))
    given = {name: getattr(args, name) for name in ("repeats", "budget")}
    settings = dataclasses.replace(settings, **{k: v for k, v in given.items() if v is not None})
    skipped = {}
    for subject in args.subjects:
        if missing := subject.missing():
            skipped[subject.name] = f"needs {' and '.join(missing)}"
            console.print(f"{subject.name}: skipped, {skipped[subject.name]}", highlight=False)
    modes = list(args.modes)
    if "fit_fused" in modes and not importlib.util.find_spec("sparse_keras.optimizers"):
        modes.remove("fit_fused")
        console.print("fit_fused: skipped, needs sparse_keras.optimizers", highlight=False)

    result = {
        "command": command(args),
        "date": datetime.date.today().isoformat(),
        "machine": machine.describe(),
        "versions": machine.versions(),
        "settings": {
            **dataclasses.asdict(settings),
            "quick": args.quick,
            "inputs": data.INPUTS,
            "decode_inputs": data.DECODE_INPUTS,
        },
        "skipped": skipped,
        "cases": {},
        "figures": {},
    }
    if args.add and args.output.is_file():
        result = added_to(args.output, result)
    for case in args.cases:
        taking = [s for s in args.subjects if s.takes(case) and s.name not in skipped]
        wanted = [mode for mode in modes if mode in case.modes]
        if not any(set(wanted) & set(subject.modes) for subject in taking):
            continue
        if args.quick:
            case = cases.quick(case)
        with console.status(case.name) as status:
            say = status.update if console.is_terminal else str
            figures, devices = turns.measure(case, taking, wanted, settings, say)
        turns.add_ratios(figures)
        result["cases"][case.name] = case.describe()
        kept = result["figures"].setdefault(case.name, {})
        for name, found in figures.items():
            if found:
                kept.setdefault(name, {}).update(found)
        result["machine"]["devices"].update(devices)
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        console.print(tables.case_table(tables.Results(result), case.name).rich())
    if not result["cases"]:
        sys.exit("Nothing to measure: no case has these subjects and modes.")
    for make in tables.BLOCKS.values():
        table = make(tables.Results(result))
        if table.rows:
            console.print(table.rich())
    console.print(f"Wrote {args.output}", highlight=False)


def added_to(file, new):
    """A result that goes on from what a file holds, and tells both commands."""
    try:
        old = json.loads(file.read_text(encoding="utf-8"))
        quick = old["settings"]["quick"]
    except (ValueError, KeyError, TypeError):
        sys.exit(f"--add: {file} is no file of results.")
    if quick != new["settings"]["quick"]:
        sys.exit("--add: of the file and this run, one is --quick, whose figures mean nothing.")
    if old["versions"] != new["versions"] or old["machine"]["cpu"] != new["machine"]["cpu"]:
        sys.exit("--add: the file was measured on another machine, or with other versions.")
    return {
        **new,
        "command": f"{old['command']}; {new['command']}",
        "machine": old["machine"],
        "settings": old["settings"],
        "cases": old["cases"],
        "figures": old["figures"],
    }


def read(name):
    """The content of a results file, or None if there is none."""
    path = OUTPUT.with_name(f"{name}.json")
    if not path.is_file():
        return None
    result = json.loads(path.read_text(encoding="utf-8"))
    if result["settings"]["quick"]:
        sys.exit(f"{path} is from a --quick run, whose figures mean nothing. Measure again.")
    return result


def command(args):
    """The command that measures this again, without the file it writes to."""
    given = list(args.given)
    for number, argument in enumerate(given):
        if argument == "--output":
            del given[number : number + 2]
        elif argument.startswith("--output="):
            del given[number]
    return shlex.join(["python", "-m", "benchmarks.speed", *given])


def main(arguments=None):
    given = sys.argv[1:] if arguments is None else arguments
    args = parse(given)
    args.given = given
    # Into a pipe, a name is never broken in two.
    console = Console(width=None if sys.stdout.isatty() else 200)
    if args.list:
        show_list(console)
    elif args.docs:
        if not OUTPUT.is_file():
            sys.exit(f"There is no {OUTPUT}. Measure first.")
        PAGE.write_text(tables.render(PAGE.read_text(encoding="utf-8"), read), encoding="utf-8")
        console.print(f"Wrote {PAGE}", highlight=False)
    else:
        # Ended from outside, the workers must end too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("Ended."))
        try:
            run(args, console)
        except KeyboardInterrupt:
            sys.exit(130)


if __name__ == "__main__":
    main()
