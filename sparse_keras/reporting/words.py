"""A report in sentences, each of which says no more than was measured."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from sparse_keras._internal.metric_text import metric_text
from sparse_keras.inspection.words import Verdict
from sparse_keras.layers.mixtures.routing_warnings import percent
from sparse_keras.reporting.contenders import CONSTANT, MODEL
from sparse_keras.reporting.uncertainty import Z

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sparse_keras.reporting.history import History
    from sparse_keras.reporting.result import Importance, Report, Scores, TargetReport

# Accuracy says little if one class has at least this share of the rows.
UNBALANCED = 0.8
# Probabilities are called off if they are by this much on average, and this many times what chance
# alone would do.
OFF, OFF_OF_RATE = 0.03, 0.25
# Fewer rows than this make rough numbers.
FEW_ROWS = 200
# The validation loss has risen if it ends this much above its lowest value, as a ratio.
RISEN = 1.05
# A column matters if its mean drop is this many standard errors above 0.
MATTERS = 2.0
_MOST_NAMED = 3
# How sentences call what the model is compared with.
_NAMES = {
    CONSTANT: "no model, which predicts the same for each row",
    "linear": "a linear model",
    "hgb": "gradient boosting",
}


def interval_text(middle: float, error: float, most: float = math.inf) -> str:
    """A 95 % interval of what is at most `most`."""
    high = min(middle + Z * error, most)
    return f"{metric_text(middle - Z * error)} to {metric_text(high)}"


def summary(report: Report) -> list[Verdict]:
    """Describes a run: how good it is, what to beware of, what it relies on."""
    sentences, several = [], len(report.targets) > 1
    for target in report.targets:
        for verdict in _of_target(target, report.part):
            text = verdict.text[0].upper() + verdict.text[1:]
            text = _about(target.name, verdict.text) if several else text
            sentences.append(Verdict(verdict.kind, text))
    sentences += _on_validation_rows(report)
    sentences += of_history(report.history)
    if report.importance is not None:
        for name, drops in report.importance.drops.items():
            text = _importance(report.importance, drops)
            sentences.append(Verdict("so", _about(name, text) if several else text))
    if report.inspection is not None:
        sentences += [each for each in report.inspection.summary() if each.kind == "bad"]
    return sentences


def _about(name, text):
    """A sentence after the name of its target: "AUC 0.9" keeps its capitals."""
    return f"{name}: {text[0].lower() + text[1:] if text[1:2].islower() else text}"


def _of_target(target: TargetReport, part: str):
    main, own = target.metrics[target.main], target.scores[MODEL]
    value = own.values[target.main]
    if value is None:
        yield Verdict("bad", f"The {main.label} on {target.rows:,} {part} rows is undefined.")
        return
    others = {
        name: verdict
        for name, other in target.scores.items()
        if name != MODEL and (verdict := against(target, name, other)) is not None
    }
    if verdict := opening(target, others):
        yield verdict
    interval = ""
    if own.error is not None:
        # AUC, accuracy and R² are at most 1.
        most = 1.0 if main.best == "max" else math.inf
        interval = f" (95 % interval {interval_text(value, own.error, most)})"
    yield Verdict(
        "so", f"{main.label} {metric_text(value)} on {target.rows:,} {part} rows{interval}."
    )
    yield from others.values()
    if target.rows < FEW_ROWS:
        yield Verdict(
            "so",
            "These are few rows: with others, the numbers may be quite different. "
            "`sparse-keras compare` repeats the training on other splits.",
        )
    yield from _balance(target)
    yield from _calibration(target)


def opening(target: TargetReport, others: Mapping[str, Verdict]) -> Verdict | None:
    """What the comparisons come to; `None` if there are too few, or one was not tested.

    Args:
        target: The target.
        others: Dict from what the model is compared with to the verdict of `against`.
    """
    baselines = {name: verdict for name, verdict in others.items() if name != CONSTANT}
    if CONSTANT not in others or not baselines:
        return None
    if any(target.scores[name].error is None for name in others):
        return None
    if others[CONSTANT].kind != "good":
        return Verdict("bad", "It has learned nothing that helps on these rows.")
    better = [_NAMES.get(name, name) for name, one in baselines.items() if one.kind == "bad"]
    if better:
        return Verdict("bad", f"It is useful, but {' and '.join(better)} did better.")
    if all(verdict.kind == "good" for verdict in baselines.values()):
        return Verdict("good", "It is useful, and better than what it is compared with.")
    equal = [_NAMES.get(name, name) for name, one in baselines.items() if one.kind == "so"]
    return Verdict(
        "so", f"It is useful, and not significantly different from {' and '.join(equal)}."
    )


def against(target: TargetReport, name: str, other: Scores) -> Verdict | None:
    """Compares the model with something else; `None` if a metric is undefined.

    It is better or worse only if the 95 % interval of the difference does not hold 0.
    """
    if other.difference is None:
        return None
    main = target.metrics[target.main]
    what = _NAMES.get(name, other.label)
    numbers = f"{main.label} {metric_text(other.values[target.main])}"
    gain = other.difference if main.best == "max" else -other.difference
    if other.error is None:
        word = "better" if gain > 0 else "worse" if gain < 0 else "as good"
        compared = f"{'Than' if word != 'as good' else 'As'} {what}"
        return Verdict("so", f"{compared}: {word} ({numbers}); not tested for significance.")
    if abs(gain) <= Z * other.error:
        kind = "bad" if name == CONSTANT else "so"
        return Verdict(kind, f"Not significantly different from {what} ({numbers}).")
    if gain > 0:
        return Verdict("good", f"Significantly better than {what} ({numbers}).")
    advice = " The model has learned nothing useful." if name == CONSTANT else ""
    return Verdict("bad", f"Significantly worse than {what} ({numbers}).{advice}")


def _balance(target):
    if target.kind not in ("binary", "multiclass") or not target.shares:
        return
    name, (_, _, count, share) = max(target.shares.items(), key=lambda each: each[1][3])
    if count == target.rows:
        yield Verdict("bad", f"All rows are of the class {name!r}: most metrics say nothing.")
        return
    if share >= UNBALANCED:
        text = (
            f"{percent(share)} of the rows are {name!r}, so accuracy says little: always "
            f"predicting {name!r} has {metric_text(share)}."
        )
        yield Verdict("so", text)
    if target.kind == "binary" and target.by_class:
        positive = target.classes[1]
        recall = target.by_class[positive]["recall"]
        found = int(target.confusion[1, 1])
        positives, predicted = int(target.confusion[1].sum()), int(target.confusion[:, 1].sum())
        if not predicted:
            yield Verdict(
                "bad",
                f"At the threshold {target.threshold:.4g} no row is predicted to be "
                f"{positive!r}. A lower one finds some: see the chart of precision and recall.",
            )
        elif recall is not None:
            yield Verdict(
                "so",
                f"At the threshold {target.threshold:.4g} it finds {found:,} of {positives:,} rows "
                f"that are {positive!r}; of {predicted:,} that it predicts to be so, "
                f"{percent(found / predicted)} are.",
            )


def _calibration(target):
    measured = target.calibration
    if measured is None:
        return
    if measured.error <= measured.chance:
        text = (
            f"Its probabilities are off by {100 * measured.error:.1f} points on average, which may "
            "be chance."
        )
        yield Verdict("so", text)
        return
    # Of a rare class, few points are much.
    rate = target.shares[target.classes[1]][3] if target.kind == "binary" else 1.0
    worst = int(np.argmax(np.abs(measured.predicted - measured.observed)))
    error, chance = 100 * measured.error, 100 * measured.chance
    digits = 1 if round(error, 1) > round(chance, 1) else 2
    text = (
        f"Its probabilities are off by {error:.{digits}f} points on average (by chance at most "
        f"{chance:.{digits}f}): where it predicts {percent(measured.predicted[worst])}, "
        f"{percent(measured.observed[worst])} came true."
    )
    if measured.error >= min(OFF, OFF_OF_RATE * rate):
        yield Verdict("bad", f"{text} Use them to rank rows, not as chances.")
    else:
        yield Verdict("so", text)


def _on_validation_rows(report):
    """The main metric of the validation rows, beside that of the test rows; a list."""
    history, metric = report.history, report.targets[0].metrics[report.targets[0].main]
    validation = history.logs.get(f"val_{history.main}")
    if report.part != "test" or len(report.targets) > 1 or not validation or history.best is None:
        return []
    value = metric_text(validation[history.best - 1])
    text = f"{metric.label} {value} on the validation rows, by which the epoch was chosen."
    return [Verdict("so", text)]


def of_history(history: History) -> list[Verdict]:
    """What the learning curves say."""
    if not history.epochs:
        return []
    sentences = []
    if history.best is None:
        text = "Without validation rows, nothing says after how many epochs to stop."
        return [Verdict("so", text)] if history.monitor is None else []
    if history.best == history.epochs and not history.stopped_early and history.epochs > 1:
        sentences.append(
            Verdict(
                "so",
                f"The last of {history.epochs} epochs was the best by {history.monitor}: more "
                "epochs (training.epochs) may make it better.",
            )
        )
    losses = [loss for loss in history.logs.get("val_loss", ()) if math.isfinite(loss)]
    if losses and min(losses) > 0 and losses[-1] >= RISEN * min(losses):
        kept = (
            f"the model has the weights of epoch {history.kept}"
            if history.kept < history.epochs
            else "and the model has the weights of the last epoch"
        )
        text = (
            f"The validation loss ends {losses[-1] / min(losses) - 1:.0%} above its lowest value: "
            f"the network overfits after that; {kept}."
        )
        sentences.append(Verdict("so", text.replace("%", " %")))
    return sentences


def matters(drops: np.ndarray) -> np.ndarray:
    """Which columns matter, bool `[C]`: their drop is clearly above 0, given its spread.

    Args:
        drops: `[C, repeats]`.
    """
    repeats = drops.shape[1]
    error = drops.std(axis=1, ddof=1) / math.sqrt(repeats)
    mean = drops.mean(axis=1)
    return (mean > 0) & (mean > MATTERS * error)


def _importance(importance: Importance, drops: np.ndarray) -> str:
    order = [n for n in np.argsort(-drops.mean(axis=1), kind="stable") if matters(drops)[n]]
    if not order:
        return "No column matters measurably when it is shuffled alone."
    *first, last = (importance.columns[n] for n in order[:_MOST_NAMED])
    named = f"{', '.join(first)} and {last}" if first else last
    others = len(importance.columns) - len(order)
    rest = ""
    if others:
        noun = "column makes" if others == 1 else "columns make"
        rest = f" {others} of {len(importance.columns)} {noun} no measurable difference."
    return f"It relies most on {named}.{rest}"
