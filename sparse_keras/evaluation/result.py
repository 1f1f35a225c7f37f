"""Comparison: what was measured, and its ways out of Python."""

import json
from pathlib import Path

from sparse_keras._internal.atomic import write_text
from sparse_keras.evaluation.tables import markdown_of


class Comparison:
    """The results of a comparison.

    Args:
        content: The content of a results file, a dict that survives JSON.

    Attributes:
        content: All that was measured. `["models"][name]` holds of each model its `"metrics"` and
            `"costs"`, `{"mean": ..., "std": ..., "values": [one for each seed]}` each; and, but
            for the first, `"against"`: the first model's metrics minus its own, paired over seeds.

    Example:

    ```python
    comparison = sparse_keras.compare("tabular/sparse_mlp_breast_cancer", seeds=3)
    comparison["hgb"]["against"]["auc"]  # mean, low, high, wins, ties, losses, verdict
    comparison.save("breast_cancer.json")
    ```
    """

    def __init__(self, content):
        self.content = content

    def __getitem__(self, model):
        """What was measured of one model."""
        return self.content["models"][model]

    def __repr__(self):
        models = ", ".join(self.content["models"])
        seeds = len(self.content["seeds"])
        return f"Comparison of {self.content['config']} over {seeds} seeds: {models}"

    def to_frame(self):
        """The comparison as a table.

        Returns:
            A DataFrame, a row for each model. Of each metric the columns `<metric>` (the mean) and
            `<metric>_std`; `<metric>_difference`, `_low`, `_high` and `_verdict`, of the first
            model minus this one; and the means of the costs. NaN where there is none.
        """
        import pandas as pd

        rows = {}
        for name, model in self.content["models"].items():
            row = rows[name] = {"label": model["label"]}
            for metric, found in model["metrics"].items():
                against = model.get("against", {}).get(metric, {})
                row |= {metric: found["mean"], f"{metric}_std": found["std"]}
                row[f"{metric}_difference"] = against.get("mean")
                row |= {f"{metric}_{key}": against.get(key) for key in ("low", "high", "verdict")}
            row |= {cost: found["mean"] for cost, found in model["costs"].items()}
        frame = pd.DataFrame.from_dict(rows, orient="index")
        text = [name for name in frame if name == "label" or name.endswith("_verdict")]
        return frame.astype({name: "float64" for name in frame if name not in text})

    def to_markdown(self):
        """The comparison as tables in Markdown: metrics, paired differences, costs."""
        return markdown_of(self.content)

    def save(self, path):
        """Writes a JSON file in one piece.

        Args:
            path: The file, in a folder that is there.
        """
        write_text(path, json.dumps(self.content, indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path):
        """Reads what `save` wrote.

        Raises:
            ValueError: If it is something else.
        """
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(content, dict) or "models" not in content:
            raise ValueError(f"{str(path)!r} holds no comparison.")
        return cls(content)
