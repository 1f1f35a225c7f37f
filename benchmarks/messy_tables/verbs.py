"""One table through the command line, and what it says of rows and columns."""

import csv
import json
import re
import subprocess
import sys
import time

import pandas as pd


def through_all_verbs(path, target, seeds, tune):
    """Runs every verb on a table in its folder.

    Args:
        path: The file of the table.
        target: The column to predict.
        seeds: Seeds of `compare`.
        tune: Settings tried for each baseline of `compare`.

    Returns:
        A dict of JSON values: `rows` and `columns` of the file; `verbs`, the exit code and the
        seconds of each; `problems`, a list of sentences; `comparison`, what `compare` measured.
    """
    folder, config = path.parent, f"{path.stem}.yaml"
    verbs, outputs, problems = {}, {}, []

    def run(verb, *arguments):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "sparse_keras", verb, *map(str, arguments)],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        seconds = round(time.perf_counter() - start, 1)
        verbs[verb] = {"exit": done.returncode, "seconds": seconds}
        outputs[verb] = done.stdout
        if done.returncode:
            problems.append(f"{verb}: {done.stderr.strip().splitlines()[-1:]}")
        return done.returncode == 0

    header, records = _read(path)
    run("init", path.name, "--target", target)
    run("check", "--build", config)
    if run("train", config):
        new = pd.read_csv(path, dtype=str, keep_default_na=False).drop(columns=target)
        new.to_csv(folder / "new.csv", index=False)
        run("evaluate", "last")
        if run("predict", "last", "new.csv", "--output", "predictions.csv"):
            predicted = len(pd.read_csv(folder / "predictions.csv"))
            if predicted != len(new):
                problems.append(f"predict: {predicted} predictions of {len(new)} rows")
        run("report", "last", "--output", "report.html")
    comparison = {}
    only = ("--only", "hgb,linear", "--tune", tune, "--output", "comparison.json")
    if run("compare", config, "--seeds", seeds, *only):
        comparison = json.loads((folder / "comparison.json").read_text("utf-8"))
    problems += _lost_columns(header, outputs) + _lost_rows(records, outputs["check"])
    return {
        "rows": records,
        "columns": len(header),
        "verbs": verbs,
        "problems": problems,
        "shown": outputs["init"],
        "comparison": comparison,
    }


def _read(path):
    """The header and the number of records of a CSV file, by the module of Python."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        header, *records = csv.reader(file)
    return header, sum(1 for record in records if record)


def _lost_columns(header, outputs):
    """The columns that `init` or `check` do not show."""
    problems = []
    for verb in ("init", "check"):
        shown = " ".join(outputs[verb].split())
        lost = [name for name in header if " ".join(name.split()) not in shown]
        if lost:
            problems.append(f"{verb} does not show the columns {lost}")
    return problems


def _lost_rows(records, output):
    """Whether the parts of the data, and what is shown as left out, are all rows."""
    parts = re.search(r"([\d,]+) train, (?:([\d,]+) validation, )?([\d,]+) test rows", output)
    if parts is None:
        return ["check does not show the rows"]
    left_out = re.search(r"([\d,]+) without a target left out", output)
    counts = [*parts.groups(), left_out[1] if left_out else None]
    total = sum(int(count.replace(",", "")) for count in counts if count)
    return [] if total == records else [f"{total} of {records} rows are shown"]
