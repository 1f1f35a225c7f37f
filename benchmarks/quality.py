"""Measures a config against its dense twin and strong baselines, and publishes the numbers.

Every model sees the same rows: per seed, one validation split, which the networks stop by. The
scikit-learn models get the validation rows as training rows as well; gradient boosting holds out a
part of them itself.

    python benchmarks/quality.py tabular/sparse_mlp_adult --seeds 5
    python benchmarks/quality.py --render     # only writes the tables into the README

writes `results/<config>.json` and the table of it in the README.
"""

import argparse
import json
import pathlib
import re
import statistics
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
NAMES = {
    "sparse": "sparse experts",
    "dense_twin": "dense twin",
    "gradient_boosting": "gradient boosting (HistGradientBoosting)",
    "logistic_regression": "logistic regression on 32 quantile bins",
}
HEADS = {"auc": "AUC", "accuracy": "accuracy"}


def measure(config_name, seeds):
    """The test metrics of every model, for every seed."""
    import sparse_keras

    models = {name: [] for name in NAMES}
    for seed in range(seeds):
        overrides = [f"training.seed={seed}", f"data.split_seed={seed}"]
        config = sparse_keras.load_config(config_name, overrides)
        data = sparse_keras.load_data(config)
        configs = {"sparse": config, "dense_twin": sparse_keras.dense_twin(config, data)}
        for name, one in configs.items():
            with tempfile.TemporaryDirectory() as folder:
                run = sparse_keras.train(one, data, output=folder, verbose=0)
            metrics = {metric: run.metrics[metric] for metric in HEADS}
            models[name].append(
                metrics
                | {
                    "active_params": sparse_keras.models.active_params(run.model.core),
                    "params": sparse_keras.models.total_params(run.model.core),
                    "flops": sparse_keras.models.flops_per_example(run.model.core),
                    "fit_seconds": run.seconds,
                }
            )
        for name, found in baselines(data, seed).items():
            models[name].append(found)
        print(seed, {name: found[-1] for name, found in models.items()}, flush=True)
    config = sparse_keras.load_config(config_name)
    return {
        "config": config_name,
        "config_hash": config.hash,
        "command": f"python benchmarks/quality.py {config_name} --seeds {seeds}",
        "models": {name: summary(found) for name, found in models.items()},
    }


def baselines(data, seed):
    """Gradient boosting on raw columns, and logistic regression on quantile bins."""
    import numpy as np
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder

    features = data.features
    parts = [data.frames[part] for part in ("train", "validation") if part in data.frames]
    train, test = pd.concat(parts), data.frames["test"]
    numeric = [column.name for column in features.numeric]
    categorical = [column.name for column in features.categorical]
    frames = [frame[numeric + categorical].copy() for frame in (train, test)]
    for frame in frames:
        frame[categorical] = frame[categorical].astype("object").fillna("missing")
    y_train, y_test = (features.encode_target(frame).astype(int) for frame in (train, test))

    boosting = HistGradientBoostingClassifier(
        max_iter=200,
        early_stopping=True,
        categorical_features="from_dtype",
        random_state=seed,
    )
    linear = make_pipeline(
        make_column_transformer(
            (
                KBinsDiscretizer(32, encode="onehot", subsample=None, quantile_method="linear"),
                numeric,
            ),
            (OneHotEncoder(handle_unknown="ignore"), categorical),
        ),
        LogisticRegression(max_iter=1000),
    )
    vocabularies = {name: pd.CategoricalDtype(frames[0][name].unique()) for name in categorical}
    found = {}
    for name, model in (("gradient_boosting", boosting), ("logistic_regression", linear)):
        x_train, x_test = frames
        if name == "gradient_boosting":
            x_train, x_test = x_train.astype(vocabularies), x_test.astype(vocabularies)
        start = time.perf_counter()
        model.fit(x_train, y_train)
        seconds = time.perf_counter() - start
        probability = model.predict_proba(x_test)[:, 1]
        found[name] = {
            "auc": float(roc_auc_score(y_test, probability)),
            "accuracy": float(accuracy_score(y_test, np.round(probability))),
            "fit_seconds": seconds,
        }
    return found


def summary(found):
    """Mean, standard deviation and values of each metric over seeds."""
    metrics = {}
    for name in found[0]:
        values = [one[name] for one in found]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        metrics[name] = {"mean": statistics.fmean(values), "std": spread, "values": values}
    return {"seeds": list(range(len(found))), "metrics": metrics}


def table(result):
    """The Markdown table of one result."""
    seeds = len(result["models"]["sparse"]["seeds"])
    lines = [
        f"| mean ± standard deviation over {seeds} seeds | "
        + " | ".join(f"test {head}" for head in HEADS.values())
        + " | active parameters |",
        "|---" * (len(HEADS) + 2) + "|",
    ]
    for name, model in result["models"].items():
        cells = [
            f"{model['metrics'][metric]['mean']:.4f} ± {model['metrics'][metric]['std']:.4f}"
            for metric in HEADS
        ]
        active = model["metrics"].get("active_params")
        cells.append(f"{active['mean']:,.0f}" if active else "")
        lines.append(f"| {NAMES[name]} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *(versus(result, other) for other in NAMES if other != "sparse")])


def versus(result, other):
    """One sentence on where the sparse model stands, with paired differences over seeds."""
    sparse, against = (result["models"][name]["metrics"] for name in ("sparse", other))
    parts = []
    for metric, head in HEADS.items():
        pairs = zip(sparse[metric]["values"], against[metric]["values"], strict=True)
        differences = [a - b for a, b in pairs]
        error = statistics.stdev(differences) / len(differences) ** 0.5
        parts.append(f"{statistics.fmean(differences):+.4f} ± {error:.4f} {head}")
    return (
        f"Sparse experts against {NAMES[other]}: {', '.join(parts)} (paired, ± standard error).  "
    )


def render(text, folder=ROOT / "results"):
    """The text with every results block written anew from its JSON file."""

    def block(match):
        file = folder / f"{match['name']}.json"
        return (
            f"<!-- results: {match['name']} -->\n"
            + table(json.loads(file.read_text(encoding="utf-8")))
            + "\n<!-- end of results -->"
        )

    pattern = r"<!-- results: (?P<name>\S+) -->.*?<!-- end of results -->"
    return re.sub(pattern, block, text, flags=re.DOTALL)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", nargs="?")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--render", action="store_true", help="only write the README's tables")
    args = parser.parse_args()
    if args.config:
        result = measure(args.config, args.seeds)
        file = ROOT / "results" / f"{args.config}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    elif not args.render:
        parser.error("name a config, or give --render")
    readme = ROOT / "README.md"
    readme.write_text(render(readme.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
