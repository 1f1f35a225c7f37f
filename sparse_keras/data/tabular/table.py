"""From a config's `data` section to batches that `fit` takes: the path that all tables share."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.data.batches import ArrayBatches
from sparse_keras.data.dataset import digest_of
from sparse_keras.data.tabular.columns import category_keys
from sparse_keras.data.tabular.csr import SparseTable
from sparse_keras.data.tabular.features import Features
from sparse_keras.data.tabular.fitting import fit_features
from sparse_keras.data.tabular.inputs import TableInputs
from sparse_keras.data.tabular.preprocessor import TablePreprocessor
from sparse_keras.data.tabular.readers import READERS, RawTable
from sparse_keras.data.tabular.select_columns import select_columns
from sparse_keras.data.tabular.split import Split, repeated_rows, warn_of_absent_classes
from sparse_keras.data.tabular.splits import hold_out
from sparse_keras.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

    from sparse_keras.schema import TableSection


@dataclass(frozen=True, repr=False)
class TabularData:
    """A table ready for `fit`: a `Dataset`.

    Args:
        name: Name of the data set.
        features: The `Features` fitted on the training rows.
        train: `ArrayBatches` of the training rows, shuffled anew each epoch.
        validation: `ArrayBatches` of the validation rows, or None.
        test: `ArrayBatches` of the test rows.
        frames: The raw rows behind them, target included: a dict of DataFrames, or of
            `SparseTable`s, with the keys "train", "validation" (when there are such rows) and
            "test".
        dropped: Number of rows that were left out because they have no target.
        ignored: Names of the columns that are left out by `data.columns`.
        split: The `Split` of the rows. None for estimators.
        repeated: Number of test rows whose inputs are those of a training or validation row.
    """

    name: str
    features: Features
    train: ArrayBatches
    validation: ArrayBatches | None
    test: ArrayBatches | None  # None for estimators, which have no test rows.
    frames: dict
    dropped: int = 0
    ignored: tuple = ()
    split: Split | None = None
    repeated: int = 0

    @property
    def raw_test(self) -> pd.DataFrame | SparseTable | None:
        """The raw test rows."""
        return self.frames.get("test")

    @property
    def inputs(self) -> TableInputs:
        """What a model has to know of the columns."""
        return self.features.inputs()

    @property
    def task(self) -> Task:
        """What is predicted."""
        return self.features.target.as_task()

    @property
    def weighted(self) -> bool:
        """Whether batches hold a weight for each row."""
        return self.features.weight is not None

    @property
    def preprocessor(self) -> TablePreprocessor:
        """The encoding of raw rows."""
        return TablePreprocessor(self.features)

    def digest(self) -> str:
        """SHA-256 of what a training on these data sees: the rows as encoded, and the encoding."""
        arrays = [
            array
            for batches in (self.train, self.validation)
            if batches is not None
            for arrays in (batches.x, batches.y, batches.sample_weight)
            for array in (arrays.values() if isinstance(arrays, dict) else [arrays])
        ]
        return digest_of(arrays, json.dumps(self.features.to_dict(), sort_keys=True))

    def row_digests(self) -> dict[str, str]:
        """SHA-256 of the rows of each part, before they are encoded.

        Unlike `digest`, they do not depend on statistics, whose last digits may differ between
        machines.
        """
        return {
            part: digest_of(_raw_arrays(frame, self.features))
            for part, frame in self.frames.items()
        }

    def __repr__(self):
        rows = ", ".join(f"{len(frame):,} {part}" for part, frame in self.frames.items())
        dropped = f" ({self.dropped:,} without a target left out)" if self.dropped else ""
        split = f"; {self.split}" if self.split is not None else ""
        repeated = ""
        if self.repeated:
            what = "test row has" if self.repeated == 1 else "test rows have"
            repeated = f"; {self.repeated:,} {what} the inputs of a training or validation row"
        return f"{self.name}: {rows} rows{dropped}{split}{repeated}; {self.features}"

    def describe_split(self) -> dict:
        """Returns the split as a dict for JSON, with the numbers of rows."""
        rows = {part: len(frame) for part, frame in self.frames.items()}
        split = {} if self.split is None else self.split.to_dict()
        return split | {"rows": rows, "repeated_test_rows": self.repeated}


def _raw_arrays(frame, features):
    """The inputs, the targets and the weights of raw rows, as arrays for `digest_of`."""
    if isinstance(frame, SparseTable):
        yield frame.matrix
        frame = frame.targets
    numbers = {column.name: column.values for column in features.numeric}
    numbers |= {column.name: column.seconds for column in features.dates}
    weight = () if features.weight is None else (features.weight,)
    for name in dict.fromkeys((*features.columns, *features.target.columns, *weight)):
        if name in numbers:
            yield numbers[name](frame[name])
        else:
            keys = ["" if key is None else f"={key}" for key in category_keys(frame[name])]
            yield np.frombuffer("\0".join(keys).encode(errors="surrogatepass"), "uint8")


def load_table(options: TableSection, batch_size: int, seed: int) -> TabularData:
    """Reads, splits and encodes a table.

    Statistics, vocabularies, bins and the choice of columns (`data.features`) are learned from the
    training rows only. Validation rows that are not named are held out first, stratified for
    classification and seeded by `split_seed`.

    Args:
        options: The validated `data` section of a config, of one of `READERS`.
        batch_size: Rows in a batch.
        seed: Seed of the order of the training rows.

    Raises:
        ValueError: If the data cannot be used.
    """
    if options.type not in READERS:
        raise ValueError(
            f"data.type must be one of {listing(READERS)}. Received: {options.type!r}."
            f"{did_you_mean(options.type, READERS)}"
        )
    raw = READERS[options.type](options)
    if not isinstance(raw, RawTable):
        raise ValueError(
            f"The data set {options.type!r} must return a sparse_keras.data.RawTable, since its "
            f"section is one of tables. Received: a {type(raw).__name__}. The section of another "
            "kind of data derives from sparse_keras.schema.DataSection."
        )
    frames = _parts(raw, options)
    # Validation rows that are drawn may lack a rare class, which only early stopping would see.
    drawn = ("validation",) if raw.validation is None else ()
    named = {part: frame for part, frame in frames.items() if part not in drawn}
    warn_of_absent_classes(raw.target, named)
    selection = None
    if getattr(options, "features", None) is not None:  # Texts and matrices have no such key.
        selection = _selected(raw, frames["train"], options)
        unused = list(selection.left_out)
        frames = {part: frame.drop(columns=unused) for part, frame in frames.items()}
    fit = raw.fit or partial(
        fit_features,
        bins=options.bins,
        max_bins=options.max_bins,
        weight=raw.weight,
        missing=raw.missing,
        columns=raw.kinds,
    )
    features = replace(fit(frames["train"], raw.target), selection=selection)
    batches = {
        part: ArrayBatches(
            features.encode(frame),
            features.encode_target(frame),
            features.sample_weight(frame),
            batch_size=batch_size,
            shuffle=part == "train",
            seed=seed,
        )
        for part, frame in frames.items()
    }
    return TabularData(
        raw.name,
        features,
        batches["train"],
        batches.get("validation"),
        batches["test"],
        frames,
        raw.dropped,
        raw.kinds.ignored,
        _split(raw, options),
        0 if isinstance(raw.test, SparseTable) else repeated_rows(frames, features.columns),
    )


def _parts(raw, options):
    """The rows of each part; validation rows are drawn if they are not named."""
    frames = {"train": raw.train}
    if raw.validation is not None:
        frames["validation"] = raw.validation
    elif options.validation_fraction:
        frames["train"], frames["validation"] = hold_out(
            raw.train,
            raw.target,
            options.validation_fraction,
            options.split_seed,
            name="data.validation_fraction",
        )
    return frames | {"test": raw.test}


def _split(raw, options):
    """The `Split` of the rows, validation rows included."""
    split = raw.split
    if split is None:
        drawn = hasattr(options, "test_fraction")
        split = Split("random", drawn=("test",)) if drawn else Split("official")
    if raw.validation is None and options.validation_fraction:
        split = replace(split, drawn=(*split.drawn, "validation"))
    return replace(split, seed=options.split_seed)


def _selected(raw, train, options):
    """The `Selection` of columns that `data.features` makes from the training rows."""
    if raw.fit is not None or isinstance(train, SparseTable):
        raise ValueError(
            f"data.features: {raw.name} has no columns to choose among, its inputs are learned as "
            "a whole. Leave the key out."
        )
    return select_columns(
        train, raw.target, options.features, options.split_seed, raw.weight, raw.kinds
    )
