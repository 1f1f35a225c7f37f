"""Several targets of one table, learned together: multi-task learning.

A label may be missing in some rows: those rows then teach the other targets only. `encode` fills
such labels with a harmless value, and `present` says which they are, so that batches give them
weight 0.
"""

from dataclasses import dataclass, replace

import numpy as np

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.tasks import MultiTask


@dataclass(frozen=True)
class MultiTarget:
    """What a multi-task model predicts: several `Target`s.

    Args:
        name: What to call them together.
        targets: Tuple of at least two `Target`s with names and columns of their own.

    Raises:
        ValueError: If there are fewer, or two share a name or a column.
    """

    name: str
    targets: tuple

    task = "multitask"

    def __post_init__(self):
        names = [target.name for target in self.targets]
        if len(names) < 2:
            raise ValueError(
                f"A MultiTarget has at least two targets. Received: {listing(names) or 'none'}."
            )
        for what, given in (("name", names), ("column", self.columns)):
            twice = sorted({str(one) for one in given if list(given).count(one) > 1})
            if twice:
                raise ValueError(
                    f"Each target of a MultiTarget has a {what} of its own. Received twice: "
                    f"{listing(twice)}."
                )

    @property
    def names(self):
        """The names of the targets: the keys of what a multi-task model returns."""
        return tuple(target.name for target in self.targets)

    @property
    def columns(self):
        """The raw columns that hold the targets, which are therefore no inputs."""
        return tuple(column for target in self.targets for column in target.columns)

    def present(self, frame):
        """Says which labels are there.

        Args:
            frame: A table with the columns of all targets.

        Returns:
            Dict from target name to bool `[N]`. The labels of a "multilabel" target are there or
            missing together.
        """
        return {target.name: ~target.missing(frame) for target in self.targets}

    def encode(self, frame):
        """Encodes raw target values for `fit`.

        Args:
            frame: A table (DataFrame, dict of columns) with the columns of all targets.

        Returns:
            Dict from target name to what its `Target.encode` gives; 0 where a label is missing.

        Raises:
            ValueError: If a value is none of the classes, or no finite number.
        """
        return {target.name: target.encode_present(frame)[0] for target in self.targets}

    def as_task(self) -> MultiTask:
        """Returns what is asked of a model, without the columns that hold the targets."""
        return MultiTask(self.name, tuple(target.as_task() for target in self.targets))

    def fitted(self, frame):
        """The same with the mean and the deviation of each regression over the rows that have it.

        Raises:
            ValueError: If a target is missing in every row.
        """
        fitted = []
        for target in self.targets:
            y, present = target.encode_present(frame)
            if not present.any():
                raise ValueError(
                    f"Target {target.name!r} is missing in every training row: nothing can be "
                    "learned of it. Leave it out."
                )
            fitted.append(target.with_statistics(y[present]))
        return replace(self, targets=tuple(fitted))


def target_of(name, targets, tasks):
    """The target of a data set of which some targets are chosen.

    Args:
        name: What to call several of them together.
        targets: The `Target`s that the data set has.
        tasks: The names of those to learn.

    Returns:
        A plain `Target` for one task, else a `MultiTarget` in the order of `tasks`.

    Raises:
        ValueError: If there is no such target.
    """
    known = {target.name: target for target in targets}
    for task in tasks:
        if task not in known:
            raise ValueError(
                f"data.tasks must name targets of {name}: {listing(known)}. Received: {task!r}."
                f"{did_you_mean(task, known)}"
            )
    chosen = tuple(known[task] for task in tasks)
    return chosen[0] if len(chosen) == 1 else MultiTarget(name, chosen)


def as_matrix(target, frame):
    """Targets as numbers `[N, D]` for a tree that is to explain all of them alike.

    Each target is centred, one column for each class where there are more than two, and scaled so
    that its variances sum to 1. A missing label is 0, the mean: it asks for no cut.

    Args:
        target: A `MultiTarget`.
        frame: A table with its columns.
    """
    blocks = []
    for one in target.targets:
        y, present = one.encode_present(frame)
        values = np.eye(one.outputs)[y] if one.task == "multiclass" else y.reshape(len(y), -1)
        values = values.astype("float64")
        centred = np.where(present[:, None], values - values[present].mean(axis=0), 0.0)
        scale = np.sqrt((centred[present] ** 2).mean(axis=0).sum())
        blocks.append(centred / (scale or 1.0))
    return np.concatenate(blocks, axis=1)
