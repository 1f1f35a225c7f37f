"""Do the methods of `feature_selection` find what matters, and what does that cost?

A planted problem, five seeds: two classes, 60 features, of which 10 decide, 10 are noisy copies of
these, 20 are copies of 5 sources that do not matter, and 20 are noise. Each method keeps 10
features by the training rows; gradient boosting then learns from those and is measured on others.

    python benchmarks/feature_selection.py            # measures, writes the file and the table
    python benchmarks/feature_selection.py --render   # only writes the table

writes `results/studies/feature_selection.json` and the table of `docs/feature_selection.md`.
"""

import argparse
import json
import pathlib
import re
import statistics
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
FILE = ROOT / "results" / "studies" / "feature_selection.json"
PAGE = ROOT / "docs" / "feature_selection.md"
SEEDS = 5
RELEVANT = KEPT = 10
NAMES = {
    "all": "all features",
    "univariate": "t-test",
    "l1": "L1 logistic regression",
    "pagerank": "PageRank",
    "betweenness": "betweenness",
    "k_means": "K-means",
    "k_means_many": "K-means, 3 k clusters",
    "dbscan": "DBSCAN",
    "auto": "`AutoSelector`",
}


def planted(seed):
    """`(x, y, x_test, y_test, which of the 10 a feature says, or -1)`."""
    import numpy as np

    rng = np.random.default_rng(seed)
    z = rng.standard_normal((3000, RELEVANT))
    weights = rng.uniform(0.4, 1.2, RELEVANT) * rng.choice([-1, 1], RELEVANT)
    y = (z @ weights + 0.5 * rng.standard_normal(3000) > 0).astype(int)
    copies = z + 0.4 * rng.standard_normal(z.shape)
    others = np.repeat(rng.standard_normal((3000, 5)), 4, axis=1)
    others += 0.4 * rng.standard_normal(others.shape)
    x = np.concatenate([z, copies, others, rng.standard_normal((3000, 20))], axis=1)
    says = np.concatenate([np.arange(10), np.arange(10), np.full(40, -1)])
    order = rng.permutation(60)
    return x[:1000, order], y[:1000], x[1000:, order], y[1000:], says[order]


def selectors(count, seed):
    """The unfitted selectors by name; None for all features."""
    from sparse_keras.feature_selection import METHODS, AutoSelector, KMeansSelector

    found = {"all": None}
    for name, kind in METHODS.items():
        found[name] = kind(count)
        if "random_state" in found[name].get_params():
            found[name].set_params(random_state=seed)
    found["k_means_many"] = KMeansSelector(count, n_clusters=3 * count, random_state=seed)
    found["auto"] = AutoSelector(seconds=20, random_state=seed)
    return {name: found[name] for name in NAMES}


def measure(seed, names=tuple(NAMES)):
    """Returns, for each method, the features found, the test AUC, the features and seconds."""
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    x, y, x_test, y_test, says = planted(seed)
    rows = {}
    for name, selector in selectors(KEPT, seed).items():
        if name not in names:
            continue
        start = time.perf_counter()
        kept = np.ones(x.shape[1], bool) if selector is None else selector.fit(x, y).get_support()
        seconds = time.perf_counter() - start
        model = HistGradientBoostingClassifier(max_iter=60, random_state=seed)
        model.fit(x[:, kept], y)
        probabilities = model.predict_proba(x_test[:, kept])[:, 1]
        rows[name] = {
            "kept": int(kept.sum()),
            "auc": float(roc_auc_score(y_test, probabilities)),
            "seconds": seconds,
            "found": len(set(says[kept].tolist()) - {-1}),
        }
        if name == "auto":
            rows[name]["method"] = selector.best_method_
    return rows


def table(study):
    """The table, as Markdown."""
    heads = ["method", "features selected", "of the 10 found", "test AUC", "seconds to select"]
    lines = [f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    for name, title in NAMES.items():
        rows = [seed[name] for seed in study["seeds"]]
        cells = [title, _mean(rows, "kept", 1), _mean(rows, "found", 1), _mean(rows, "auc", 4)]
        cells.append("" if name == "all" else _mean(rows, "seconds", 2))
        lines.append(f"| {' | '.join(cells)} |")
    chosen = [seed["auto"]["method"] for seed in study["seeds"]]
    counts = ", ".join(f"{name} ({chosen.count(name)})" for name in sorted(set(chosen)))
    return "\n".join([*lines, "", f"`AutoSelector` chose: {counts}."])


def _mean(rows, key, digits):
    values = [row[key] for row in rows]
    if key == "seconds":
        return f"{statistics.mean(values):.{digits}f}"
    return f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f}"


def render(text, study):
    """The page with the table of a study."""
    pattern = r"(<!-- study -->\n).*?(<!-- end of study -->)"
    return re.sub(pattern, lambda m: f"{m[1]}{table(study)}\n{m[2]}", text, flags=re.DOTALL)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--render", action="store_true", help="only write the table")
    args = parser.parse_args()
    if not args.render:
        seeds = []
        for seed in range(SEEDS):
            seeds.append(measure(seed))
            print(seed, seeds[-1], flush=True)
        study = {"command": "python benchmarks/feature_selection.py", "seeds": seeds}
        FILE.parent.mkdir(parents=True, exist_ok=True)
        FILE.write_text(json.dumps(study, indent=1) + "\n", encoding="utf-8")
    study = json.loads(FILE.read_text(encoding="utf-8"))
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8"), study), encoding="utf-8")


if __name__ == "__main__":
    main()
