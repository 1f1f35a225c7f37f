"""Report: the result of `report`, as values and as a page."""

from __future__ import annotations

import os
import pathlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sparse_keras._internal.atomic import write_text

if TYPE_CHECKING:
    from sparse_keras.inspection import Inspection
    from sparse_keras.inspection.words import Verdict
    from sparse_keras.reporting.curves import Calibration, Curve
    from sparse_keras.reporting.history import History
    from sparse_keras.tasks.metric_info import MetricInfo


@dataclass(frozen=True)
class Scores:
    """How well something predicts a target.

    Attributes:
        label: What to call it.
        values: Dict from the names of metrics to floats, `None` where undefined.
        difference: The model's main metric minus this one's; `None` for the model itself.
        error: The standard error of the difference, or for the model of its main metric, over test
            rows that are drawn again; `None` where it cannot be estimated.
        seconds: Seconds of training; `None` where nothing was trained.
    """

    label: str
    values: dict[str, float | None]
    difference: float | None = None
    error: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, eq=False)
class TargetReport:
    """What is measured of one target, on N rows that have it.

    Attributes:
        name: The target.
        kind: "binary", "multiclass", "multilabel", "regression", or a plug-in's.
        classes: The names of the classes or of the labels, as text; the positive one last.
        threshold: The probability from which on a row is predicted to be positive, that of the
            model; a tuple with one for each label if they differ. `None` where there is none.
        rows: N.
        shares: Dict from a class or label to (rows of training with it, their share, rows of N
            with it, their share); shares are weighted. Empty for regression.
        spread: For regression, dict from "train" and "test" to (mean, standard deviation).
        metrics: Dict from the name of each metric that can be better or worse to a `MetricInfo`.
        main: The name of the metric that stands for all.
        scores: Dict from "model", "constant" and the baselines to `Scores`.
        confusion: `[C, C]`, number of rows by true and predicted class, or `None`.
        by_class: Dict from a class or label to its precision, recall, F1, number of rows and, for
            labels, AUC.
        roc, precision_recall: Dicts from "model" and a baseline to a `Curve`.
        calibration: A `Calibration`, or `None`.
        thresholds: Of two classes, what other thresholds would do; see `curves.at_thresholds`.
        residuals: For regression, `[N]`, the true value minus the predicted one.
        pairs: For regression, `[n, 2]`, true and predicted values of rows drawn at random.
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    threshold: Any
    rows: int
    shares: dict[str, tuple[int, float, int, float]]
    spread: dict[str, tuple[float, float]]
    metrics: dict[str, MetricInfo]
    main: str
    scores: dict[str, Scores]
    confusion: np.ndarray | None = None
    by_class: dict[str, dict[str, Any]] = field(default_factory=dict)
    roc: dict[str, Curve] = field(default_factory=dict)
    precision_recall: dict[str, Curve] = field(default_factory=dict)
    calibration: Calibration | None = None
    thresholds: list[dict[str, Any]] = field(default_factory=list)
    residuals: np.ndarray | None = None
    pairs: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Importance:
    """Permutation importance of raw columns.

    Attributes:
        columns: The names of the C columns.
        drops: Dict from a target to `[C, repeats]`: how much worse its main metric is when the
            values of a column are shuffled among the rows.
        rows: Number of rows.
        of: Number of rows from which they were drawn.
    """

    columns: tuple[str, ...]
    drops: dict[str, np.ndarray]
    rows: int
    of: int


@dataclass(frozen=True, eq=False)
class Report:
    """The result of `sparse_keras.report`; `to_html(path)` writes the page.

    Attributes:
        path: The folder of the run.
        config: The name of the config.
        data: The name of the data set.
        part: The part of the rows on which metrics are measured, "test" or "validation".
        rows: Dict from the name of each part to its number of rows.
        started: When the run was started, as text.
        command: The command line that repeats it, or `None`.
        facts: Pairs of a name and a text: the model, the optimizer, versions and others.
        split: How the rows were split, sentences.
        columns: `(name, kind, detail)` for each column, as `Features.kinds`; empty for other data.
        targets: A `TargetReport` for each target.
        history: The logs of the epochs, a `History`.
        importance: An `Importance`, or `None`.
        inspection: What the experts do on the rows, an `Inspection`, or `None` without experts.
        costs: Dict of the model's costs, as `compare` measures them.
        left_out: Dict from what is left out to the reason, a sentence.
    """

    path: pathlib.Path
    config: str
    data: str
    part: str
    rows: dict[str, int]
    started: str
    command: str | None
    facts: list[tuple[str, str]] = field(repr=False)
    split: str = field(repr=False)
    columns: list[tuple[str, str, str]] = field(repr=False)
    targets: list[TargetReport] = field(repr=False)
    history: History = field(repr=False)
    importance: Importance | None = field(repr=False)
    inspection: Inspection | None = field(repr=False)
    costs: dict[str, Any] = field(repr=False)
    left_out: dict[str, str] = field(default_factory=dict, repr=False)

    def summary(self) -> list[Verdict]:
        """The run in sentences, each marked as good, bad or neutral."""
        from sparse_keras.reporting.words import summary

        return summary(self)

    def to_html(self, path: str | os.PathLike | None = None) -> str | os.PathLike:
        """Writes a self-contained page of HTML: no network, no scripts.

        Args:
            path: The file to write. `None` to return the text instead.

        Returns:
            The path as given, or the text.
        """
        from sparse_keras.reporting.page import page_of

        text = page_of(self)
        if path is None:
            return text
        write_text(path, text)
        return path
