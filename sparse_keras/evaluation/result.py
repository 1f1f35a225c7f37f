"""Comparison: the results of `compare`, as a table, as Markdown and as a file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparse_keras._internal.atomic import write_text
from sparse_keras.evaluation.tables import markdown_of

if TYPE_CHECKING:
    import pandas as pd


class Comparison:
    """The results of a comparison.

    Args:
        content: The content of a results file, a dict of JSON values.

    Attributes:
        content: Everything that was measured. `["models"][name]` holds the `"metrics"` and
            `"costs"` of a model, each `{"mean": ..., "std": ..., "values": [one per seed]}`; and,
            except for the first model, `"against"`: the first model's metrics minus its own,
            paired by seed.

    Example:

    ```python
    comparison = sparse_keras.compare("tabular/sparse_mlp_breast_cancer", seeds=3)
    comparison["hgb"]["against"]["auc"]  # mean, low, high, wins, ties, losses, verdict
    comparison.save("breast_cancer.json")
    ```
    """

    def __init__(self, content: dict[str, Any]):
        self.content = content

    def __getitem__(self, model: str) -> dict[str, Any]:
        """Returns the metrics and costs of a model."""
        return self.content["models"][model]

    def __repr__(self) -> str:
        models = ", ".join(self.content["models"])
        seeds = len(self.content["seeds"])
        return f"Comparison of {self.content['config']} over {seeds} seeds: {models}"

    def to_frame(self) -> pd.DataFrame:
        """Returns the comparison as a table.

        Returns:
            A DataFrame with a row per model. For each metric it has the columns `<metric>` (the
            mean) and `<metric>_std`; `<metric>_difference`, `_low`, `_high` and `_verdict`, of the
            first model minus this one; and the means of the costs. NaN where undefined.
        """
        import pandas as pd

        rows = {}
        for name, model in self.content["models"].items():
            row = rows[name] = {"label": model["label"]}
            for metric, values in model["metrics"].items():
                against = model.get("against", {}).get(metric, {})
                row |= {metric: values["mean"], f"{metric}_std": values["std"]}
                row[f"{metric}_difference"] = against.get("mean")
                row |= {f"{metric}_{key}": against.get(key) for key in ("low", "high", "verdict")}
            row |= {cost: values["mean"] for cost, values in model["costs"].items()}
        frame = pd.DataFrame.from_dict(rows, orient="index")
        text = [name for name in frame if name == "label" or name.endswith("_verdict")]
        return frame.astype({name: "float64" for name in frame if name not in text})

    def to_markdown(self) -> str:
        """Returns the comparison as Markdown tables: metrics, paired differences, costs."""
        return markdown_of(self.content)

    def save(self, path: str | os.PathLike) -> None:
        """Writes a JSON file atomically.

        Args:
            path: The file, in an existing folder.
        """
        write_text(path, json.dumps(self.content, indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike) -> Comparison:
        """Reads a file that `save` wrote.

        Raises:
            ValueError: If the file holds no comparison.
        """
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(content, dict) or "models" not in content:
            raise ValueError(
                f"{str(path)!r} holds no comparison. Expected a file that `Comparison.save` wrote."
            )
        return cls(content)
