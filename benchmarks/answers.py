"""How fast a trained model of a table answers, beside gradient boosting on the same rows.

    python -m benchmarks.answers                # measures, and writes results/answers/cpu.json
    python -m benchmarks.answers --rows 100000  # another length of the CSV file

Both models are trained on UCI Adult: the config `tabular/sparse_mlp_adult` for one epoch, since its
speed does not depend on its weights, and `HistGradientBoosting` as `sparse-keras compare` fits it.
Measured are the wall-clock times of

* one row, from a dict to a probability: the medians of 200 rows, in turns of 40, since threads that
  one model leaves waiting for more work slow down the next; also through `keras.Model.predict` of
  the network;
* 100,000 rows, from a DataFrame: the medians of 7, in turns;
* `sparse-keras predict` of a CSV file, with its start, and the same through pandas and boosting;
* the start of a process that loads the model, beyond `import keras`: the medians of 5;
* the graphs that are traced for batches of ten sizes.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import keras

import sparse_keras
from benchmarks.speed import machine
from sparse_keras.evaluation.tabular.sklearn_baselines import Boosting
from sparse_keras.training.train import train

RESULT = pathlib.Path(__file__).resolve().parents[1] / "results" / "answers" / "cpu.json"
CONFIG = "tabular/sparse_mlp_adult"
FRAME_ROWS, ONE_ROWS = 100_000, 200

_LOAD = """
import sys, time
start = time.perf_counter()
import keras
keras.ops.zeros(())
imported = time.perf_counter()
import sparse_keras
sparse_keras.load_model(sys.argv[1])
print(imported - start, time.perf_counter() - imported)
"""
_BOOSTING_CSV = """
import sys, time
import joblib
import pandas
boosting = joblib.load(sys.argv[1])
parts = []
for chunk in pandas.read_csv(sys.argv[2], chunksize=50_000):
    parts.append(pandas.DataFrame(boosting.predict(chunk)))
pandas.concat(parts).to_csv(sys.argv[3], index=False)
"""


def seconds(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def in_turns(functions, inputs, together=1):
    """The median seconds of each function, over the inputs: one function after the other.

    Args:
        functions: Dict from name to function.
        inputs: What each is called with.
        together: How many inputs a function gets in its turn.
    """
    for function in functions.values():
        function(inputs[0])
    times = {name: [] for name in functions}
    for start in range(0, len(inputs), together):
        for name, function in functions.items():
            times[name] += [seconds(function, one) for one in inputs[start : start + together]]
    return {name: statistics.median(values) for name, values in times.items()}


def one_row(model, boosting, frame):
    rows = [
        {name: None if value != value else value for name, value in row.items()}
        for row in frame.head(ONE_ROWS).to_dict("records")
    ]
    import pandas as pd

    return in_turns(
        {
            "sparse_keras": lambda row: model.predict(row, verbose=0),
            "keras": lambda row: model.core.predict(model.encode(row), verbose=0),
            "boosting": lambda row: boosting.predict(pd.DataFrame([row])),
        },
        rows,
        together=40,
    )


def many_rows(model, boosting, frame, repeats):
    return in_turns(
        {
            "sparse_keras": lambda rows: model.predict(rows, verbose=0),
            "boosting": boosting.predict,
        },
        [frame.sample(FRAME_ROWS, replace=True, random_state=seed) for seed in range(repeats)],
    )


def traced_graphs(model, frame):
    """How often the network is traced for batches of ten sizes."""
    core, traced = model.core, []
    call = core.call
    core.call = lambda *args, **kwargs: traced.append(1) or call(*args, **kwargs)
    fresh = type(model)(core, model.preprocessor)
    for size in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89):
        fresh.predict(frame.head(size), verbose=0)
    core.call = call
    return len(traced)


def csv_file(run, boosting, frame, rows, folder):
    import joblib

    path = folder / "rows.csv"
    frame.sample(rows, replace=True, random_state=0).to_csv(path, index=False)
    joblib.dump(boosting, folder / "boosting.joblib")
    python = [sys.executable]
    commands = {
        "sparse_keras": [
            *python, "-m", "sparse_keras", "predict", str(run), str(path),
            "--output", str(folder / "ours.csv"),
        ],
        "boosting": [
            *python, "-c", _BOOSTING_CSV, str(folder / "boosting.joblib"), str(path),
            str(folder / "theirs.csv"),
        ],
    }  # fmt: skip
    return {
        name: seconds(lambda command=command: subprocess.run(command, check=True))
        for name, command in commands.items()
    }


def loading(run, repeats=5):
    found = []
    for _ in range(repeats):
        command = [sys.executable, "-c", _LOAD, str(run)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found.append([float(part) for part in done.stdout.split()])
    keras_seconds, load_seconds = (statistics.median(values) for values in zip(*found, strict=True))
    return {"import_keras": keras_seconds, "beyond": load_seconds}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of the CSV file")
    parser.add_argument("--repeats", type=int, default=7, help="of the 100,000 rows")
    parser.add_argument("--output", type=pathlib.Path, default=RESULT)
    args = parser.parse_args(argv)
    about = machine.describe()
    config = sparse_keras.load_config(CONFIG, ["training.epochs=1", "training.early_stopping=null"])
    data = sparse_keras.load_data(config)
    with tempfile.TemporaryDirectory() as folder:
        run = train(config, data, output=folder, verbose=0)
        boosting = Boosting(data.features).fit(data.frames["train"])
        model = sparse_keras.load_model(run.path)
        frame = data.raw_test.drop(columns=list(data.features.target.columns))
        result = {
            "config": CONFIG,
            "backend": keras.backend.backend(),
            "machine": about,
            "versions": machine.versions(),
            "csv_rows": args.rows,
            "trees": len(boosting.models[0]._predictors),
            "seconds": {
                "one_row": one_row(model, boosting, frame),
                "frame": many_rows(model, boosting, frame, args.repeats),
                "csv": csv_file(run.path, boosting, frame, args.rows, pathlib.Path(folder)),
                "loading": loading(run.path),
            },
            "traced_graphs": traced_graphs(model, frame),
        }
    args.output.parent.mkdir(exist_ok=True)
    args.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(table(result))


def table(result):
    """The results as a Markdown table."""
    of, rows = result["seconds"], result["csv_rows"]
    lines = [
        ("one row, from a dict, ms", 1e3 * of["one_row"]["sparse_keras"],
         1e3 * of["one_row"]["boosting"]),
        (f"{FRAME_ROWS:,} rows, from a DataFrame, s", of["frame"]["sparse_keras"],
         of["frame"]["boosting"]),
        (f"a CSV file of {rows:,} rows to a file, with the start, s", of["csv"]["sparse_keras"],
         of["csv"]["boosting"]),
    ]  # fmt: skip
    text = "|  | sparse experts | gradient boosting | ratio |\n| --- | --- | --- | --- |\n"
    for name, ours, theirs in lines:
        text += f"| {name} | {ours:.3g} | {theirs:.3g} | {ours / theirs:.2f} |\n"
    loaded = of["loading"]
    keras_ms = 1e3 * of["one_row"]["keras"]
    text += f"| one row through `keras.Model.predict`, ms | {keras_ms:.3g} | | |\n"
    text += f"| loading in a new process, beyond `import keras`, s | {loaded['beyond']:.2g} | | |\n"
    text += f"| graphs traced for batches of ten sizes | {result['traced_graphs']} | | |\n"
    about = result["machine"]
    return f"{text}\nOn {about['cores']} cores of an {about['cpu']}; {result['trees']} trees.\n"


if __name__ == "__main__":
    main()
