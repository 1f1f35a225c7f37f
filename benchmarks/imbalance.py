"""Few positives: what do class weights, a tuned threshold and calibration change?

Three tables, three seeds: UCI Adult (24 % positives), credit card default (22 %), and a made-up one
with 5 %. Each is learned as its config says, and with `training.class_weight: balanced`, with early
stopping by the loss and by average precision. The probabilities of the test rows are then measured
as they are, and after each of several calibrations that are fitted on the validation rows.

    python -m benchmarks.imbalance            # measures, writes the file and the tables
    python -m benchmarks.imbalance --render   # only writes the tables

writes `results/studies/imbalance.json` and the tables of `docs/imbalance.md`.
"""

import argparse
import pathlib
import re
import statistics
import tempfile
import time

from benchmarks.studies import pages

FILE = pages.RESULTS / "imbalance.json"
PAGE = pages.ROOT / "docs" / "imbalance.md"
COMMAND = "python -m benchmarks.imbalance"
SEEDS = 3
TABLES = {
    "rare": "made up, 5 % positives",
    "credit_default": "credit card default",
    "adult": "UCI Adult",
}
VARIANTS = {
    "plain": ("as it is", []),
    "weighted": ("class weights", ["training.class_weight=balanced"]),
    "weighted_ap": (
        "class weights, stopped by average precision",
        ["training.class_weight=balanced", "training.early_stopping.monitor=val_average_precision"],
    ),
}
CALIBRATIONS = {
    "none": "none",
    "prior": "class weights undone",
    "temperature": "temperature",
    "platt": "Platt",
    "isotonic": "isotonic",
}
RARE = """
extends: tabular/sparse_mlp
version: 1
data: {type: csv, path: rare.csv, target: y}
training: {epochs: 30}
"""


def made_up(rows=12000, seed=0):
    """A table of numbers, a category and noise, whose target is positive in 5 % of the rows."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 6))
    city = rng.integers(0, 8, rows)
    score = x[:, 0] + 0.7 * x[:, 1] * (city % 2) - 0.5 * np.abs(x[:, 2]) + 0.4 * np.cos(city)
    logit = 1.5 * score - 4.0
    y = rng.random(rows) < 1 / (1 + np.exp(-logit))
    frame = pd.DataFrame(x, columns=[f"x{number}" for number in range(6)])
    return frame.assign(city=[f"city {one}" for one in city], y=y.astype(int))


def configs(folder):
    """The names or paths of the configs, by table."""
    made_up().to_csv(folder / "rare.csv", index=False)
    (folder / "rare.yaml").write_text(RARE, encoding="utf-8")
    names = {name: f"tabular/sparse_mlp_{name}" for name in ("credit_default", "adult")}
    return {"rare": folder / "rare.yaml"} | names


def train(config, overrides, seed):
    """Returns `(classes, probabilities)` of validation and of test rows, and the class weights."""
    import numpy as np

    import sparse_keras
    from sparse_keras.evaluation.compare import with_seed

    config = with_seed(sparse_keras.load_config(config, overrides), seed)
    data = sparse_keras.load_data(config)
    with tempfile.TemporaryDirectory() as folder:
        run = sparse_keras.train(config, data, output=folder, verbose=0)
    of_parts = {}
    for part in ("validation", "test"):
        batches = getattr(data, part)
        of_parts[f"y_{part}"] = batches.y
        of_parts[f"p_{part}"] = run.model.predict(batches.x, verbose=0)[:, 0]
    weights = run.model.class_weights or [1.0, 1.0]
    return of_parts | {"class_weights": np.array(weights), "epochs": len(run.history["loss"])}


def logits(probability):
    """Log-odds, of float32 probabilities that may be 0 or 1."""
    import numpy as np

    probability = np.clip(probability.astype("float64"), 1e-7, 1 - 1e-7)
    return np.log(probability) - np.log1p(-probability)


def calibrated(found, method):
    """The probabilities of the test rows after a calibration on the validation rows."""
    import numpy as np
    from scipy import optimize, special
    from sklearn.isotonic import IsotonicRegression
    from sklearn.linear_model import LogisticRegression

    y, before, test = found["y_validation"], logits(found["p_validation"]), logits(found["p_test"])
    if method == "none":
        return found["p_test"].astype("float64")
    if method == "prior":
        # A model that learned from rows of class weights (v, w) has odds w / v times as large.
        v, w = found["class_weights"]
        return special.expit(test - np.log(w / v))
    if method == "platt":
        model = LogisticRegression(C=np.inf).fit(before[:, None], y)
        return model.predict_proba(test[:, None])[:, 1]
    if method == "isotonic":
        model = IsotonicRegression(y_min=1e-4, y_max=1 - 1e-4, out_of_bounds="clip")
        return model.fit(before, y).predict(test)

    def loss(log_temperature):
        z = before * np.exp(-log_temperature)
        return np.mean(np.logaddexp(0, z) - y * z)

    best = optimize.minimize_scalar(loss, bounds=(-3, 3), method="bounded").x
    return special.expit(test * np.exp(-best))


def calibration_error(y, probability, bins=15):
    """ECE: the mean distance between probability and frequency in bins of equally many rows."""
    import numpy as np

    order = np.argsort(probability, kind="stable")
    parts = np.array_split(order, bins)
    sizes = [len(part) for part in parts]
    distances = [abs(y[part].mean() - probability[part].mean()) for part in parts]
    return float(np.average(distances, weights=sizes))


def analyse(found):
    """Returns the metrics of the test rows: of each calibration, and at each threshold."""
    from sparse_keras.tasks import Binary
    from sparse_keras.tasks.scores import scores

    y = found["y_test"]
    result = {"epochs": int(found["epochs"]), "calibrations": {}, "thresholds": {}}
    task = Binary()
    first = scores(task, y, found["p_test"])
    result |= {name: first[name] for name in ("auc", "average_precision", "base_rate")}
    for method in CALIBRATIONS:
        probability = calibrated(found, method)
        of_method = scores(task, y, probability, names=("log_loss", "brier"))
        of_method["ece"] = calibration_error(y, probability)
        result["calibrations"][method] = of_method
    for criterion in ("none", "f1", "balanced_accuracy"):
        at = task
        if criterion != "none":
            at = task.tuned(criterion, found["y_validation"], found["p_validation"])
        names = ("threshold", "accuracy", "balanced_accuracy", "f1", "recall", "precision")
        result["thresholds"][criterion] = scores(at, y, found["p_test"], names=names)
    return result


def measure(folder, keep=None, seeds=SEEDS):
    """Returns the results of all tables, variants and seeds.

    Args:
        folder: A folder for the made-up table.
        keep: A folder for the predictions, so that they can be analysed again without training.
    """
    import numpy as np

    results = {}
    for table, config in configs(folder).items():
        results[table] = {}
        for variant, (_, overrides) in VARIANTS.items():
            of_seeds = []
            for seed in range(seeds):
                file = keep and keep / f"{table}_{variant}_{seed}.npz"
                if file and file.is_file():
                    found = dict(np.load(file))
                else:
                    found = train(config, overrides, seed)
                    if file:
                        np.savez(file, **found)
                of_seeds.append(analyse(found))
                print(table, variant, seed, of_seeds[-1]["calibrations"]["none"], flush=True)
            results[table][variant] = of_seeds
    return results


def calibration_table(results):
    """Log loss, Brier score and calibration error of each calibration."""
    rows = []
    for table, label in TABLES.items():
        for variant in ("plain", "weighted"):
            for method, name in CALIBRATIONS.items():
                if method == "prior" and variant == "plain":
                    continue
                of_seeds = [one["calibrations"][method] for one in results[table][variant]]
                cells = [_mean(of_seeds, metric) for metric in ("log_loss", "brier", "ece")]
                rows.append([label, VARIANTS[variant][0], name, *cells])
    return pages.table(["table", "training", "calibration", "log loss", "Brier", "ECE"], rows)


def threshold_table(results):
    """What is decided at each threshold, with and without class weights."""
    rows = []
    names = {"none": "0.5", "f1": "`f1`", "balanced_accuracy": "`balanced_accuracy`"}
    for table, label in TABLES.items():
        for variant in VARIANTS:
            for criterion, name in names.items():
                of_seeds = [one["thresholds"][criterion] for one in results[table][variant]]
                metrics = (
                    "threshold",
                    "accuracy",
                    "balanced_accuracy",
                    "f1",
                    "recall",
                    "precision",
                )
                cells = [_mean(of_seeds, metric, 3) for metric in metrics]
                rows.append([label, VARIANTS[variant][0], name, *cells])
    head = ["threshold is", "accuracy", "balanced accuracy", "F1", "recall", "precision"]
    return pages.table(["table", "training", "training.threshold", *head], rows)


def ranking_table(results):
    """AUC and average precision, with and without class weights."""
    rows = [
        [
            label,
            VARIANTS[variant][0],
            *(_mean(results[table][variant], name) for name in ("auc", "average_precision")),
            _mean(results[table][variant], "epochs", 1),
        ]
        for table, label in TABLES.items()
        for variant in VARIANTS
    ]
    return pages.table(["table", "training", "AUC", "average precision", "epochs"], rows)


def _mean(of_seeds, name, digits=4):
    values = [one[name] for one in of_seeds if one[name] is not None]
    return f"{statistics.fmean(values):.{digits}f}" if values else "-"


BLOCKS = {
    "calibration": calibration_table,
    "threshold": threshold_table,
    "ranking": ranking_table,
}


def render(text, study):
    """The page with the tables of a study."""
    for name, table in BLOCKS.items():
        block = f"<!-- imbalance: {name} -->\n{table(study['results'])}\n<!-- end -->"
        pattern = rf"<!-- imbalance: {name} -->\n.*?<!-- end -->"
        text, count = re.subn(pattern, lambda _, block=block: block, text, flags=re.DOTALL)
        if count != 1:
            raise ValueError(f"{PAGE.name} has {count} blocks {name!r}, and should have one.")
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--render", action="store_true", help="only write the tables")
    parser.add_argument("--keep", type=pathlib.Path, help="a folder for the predictions")
    args = parser.parse_args()
    if not args.render:
        start = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            results = measure(pathlib.Path(folder), args.keep)
        study = pages.provenance(COMMAND, time.process_time() - start) | {"results": results}
        pages.write(study, FILE)
    if PAGE.is_file():
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(render(text, pages.read(FILE)), encoding="utf-8")


if __name__ == "__main__":
    main()
