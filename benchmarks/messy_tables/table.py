"""The results as Markdown."""

_METRIC = {"binary": "auc", "multiclass": "accuracy", "regression": "r2"}
_HEADS = {"auc": "AUC", "accuracy": "accuracy", "r2": "R²"}
_MODELS = {"moe": "sparse experts", "hgb": "gradient boosting", "linear": "linear, TF-IDF"}


def table(result):
    """Returns a Markdown table of a result: how good each model is, and what was lost."""
    lines = [
        "| table | rows | columns | metric | "
        + " | ".join(_MODELS.values())
        + " | sparse experts minus boosting | minus linear | not shown |",
        "| " + " | ".join(["---"] * (7 + len(_MODELS))) + " |",
    ]
    for name, one in result["tables"].items():
        lines.append(f"| {name} | {one['rows']:,} | {one['columns']} | {_measured(one)} |")
    about = result["machine"]
    seconds = sum(v["seconds"] for one in result["tables"].values() for v in one["verbs"].values())
    note = (
        "\nMeans over seeds (5 for the customers, 3 for the others), each with a split of its own; "
        "differences are paired, with 95 % intervals. The baselines have the best settings of "
        f"{result['tune']} by the validation rows. All verbs together took {seconds / 60:.0f} "
        f"minutes on {about['cores']} cores of an {about['cpu']}.\n"
    )
    if missing := [name for name in result["all"] if name not in result["tables"]]:
        note += f"\nNot measured yet: {', '.join(missing)}.\n"
    return "\n".join(lines) + "\n" + note


def _measured(one):
    problems = "; ".join(one["problems"]) or "nothing"
    models = one["comparison"].get("models", {})
    if "moe" not in models:
        return "| " * (4 + len(_MODELS) - 1) + f"| {problems}"
    metric = next(key for key in _METRIC.values() if key in models["moe"]["metrics"])
    cells = [_HEADS[metric]]
    for model in _MODELS:
        of_model = models.get(model, {}).get("metrics", {}).get(metric)
        cells.append(f"{of_model['mean']:.3f}" if of_model else "–")
    for model in ("hgb", "linear"):
        cells.append(_difference(models, model, metric))
    return " | ".join([*cells, problems])


def _difference(models, model, metric):
    found = models.get(model, {}).get("against", {}).get(metric)
    if not found or found["mean"] is None:
        return "–"
    interval = ""
    if found.get("low") is not None:
        interval = f" [{found['low']:+.3f}, {found['high']:+.3f}] {found['verdict']}"
    return f"{found['mean']:+.3f}{interval}"
