"""From a config's `data` section to batches that `fit` takes: the path all data sets share."""

import hashlib
import json
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.data.batches import ArrayBatches
from sparse_keras.data.tabular.csr import SparseTable, is_matrix
from sparse_keras.data.tabular.features import Features
from sparse_keras.data.tabular.fitting import fit_features
from sparse_keras.data.tabular.readers import READERS
from sparse_keras.data.tabular.select_columns import select_columns
from sparse_keras.data.tabular.splits import hold_out


@dataclass(frozen=True, repr=False)
class TabularData:
    """A data set ready for `fit`.

    Args:
        name: Name of the data set.
        features: The `Features` fitted on the training rows.
        train: `ArrayBatches` of the training rows, shuffled anew each epoch.
        validation: `ArrayBatches` of the validation rows, or None.
        test: `ArrayBatches` of the test rows, or None.
        frames: The raw rows behind them, target included: a dict of DataFrames, or of
            `SparseTable`s, with the keys "train", "validation" (when there are such rows) and
            "test".
    """

    name: str
    features: Features
    train: ArrayBatches
    validation: ArrayBatches | None
    test: ArrayBatches | None
    frames: dict

    def digest(self):
        """SHA-256 of what a training on these data sees: the rows as encoded, and the encoding."""
        found = hashlib.sha256(json.dumps(self.features.to_dict(), sort_keys=True).encode())
        for batches in (self.train, self.validation):
            if batches is not None:
                for arrays in (batches.x, batches.y, batches.sample_weight):
                    for array in arrays.values() if isinstance(arrays, dict) else [arrays]:
                        for part in _parts(array):
                            found.update(np.ascontiguousarray(part))
        return found.hexdigest()

    def __repr__(self):
        rows = ", ".join(f"{len(frame):,} {part}" for part, frame in self.frames.items())
        return f"{self.name}: {rows} rows; {self.features}"


def load_data(config):
    """Reads, splits and encodes the data set a config names.

    Statistics, vocabularies, bins and the choice of columns (`data.features`) are learned from the
    training rows only; validation rows are held out first, stratified for classification and seeded
    by `split_seed`.

    Args:
        config: A `Config` with a `data` section.

    Returns:
        A `TabularData`.

    Raises:
        ValueError: If the config names no data, or the data cannot be used.

    Example:

    ```python
    config = sparse_keras.load_config("tabular/sparse_mlp_adult")
    data = sparse_keras.load_data(config)
    model = sparse_keras.build_model(config, data)
    model.fit(data.train, validation_data=data.validation)
    ```
    """
    options = config.data
    if options is None:
        raise ValueError(
            f"The config has no data section. Expected data: {{type: ...}} with one of "
            f"{listing(READERS)}."
        )
    if options.type not in READERS:
        raise ValueError(
            f"data.type must be one of {listing(READERS)}. Received: {options.type!r}."
            f"{did_you_mean(options.type, READERS)}"
        )
    raw = READERS[options.type](options)
    frames = {"train": raw.train}
    if options.validation_fraction:
        frames["train"], frames["validation"] = hold_out(
            raw.train,
            raw.target,
            options.validation_fraction,
            options.split_seed,
            name="data.validation_fraction",
        )
    frames["test"] = raw.test
    selection = None
    if getattr(options, "features", None) is not None:  # Texts and matrices have no such key.
        selection = _selected(raw, frames["train"], options)
        unused = list(selection.left_out)
        frames = {part: frame.drop(columns=unused) for part, frame in frames.items()}
    fit = raw.fit or partial(
        fit_features, bins=options.bins, max_bins=options.max_bins, weight=raw.weight
    )
    features = replace(fit(frames["train"], raw.target), selection=selection)
    batches = {
        part: ArrayBatches(
            features.encode(frame),
            features.encode_target(frame),
            features.sample_weight(frame),
            batch_size=config.training.batch_size,
            shuffle=part == "train",
            seed=config.training.seed,
        )
        for part, frame in frames.items()
    }
    return TabularData(
        raw.name, features, batches["train"], batches.get("validation"), batches["test"], frames
    )


def _selected(raw, train, options):
    """The `Selection` of columns that `data.features` makes from the training rows."""
    if raw.fit is not None or isinstance(train, SparseTable):
        raise ValueError(
            f"data.features: {raw.name} has no columns to choose among, its inputs are learned as "
            "a whole. Leave the key out."
        )
    return select_columns(train, raw.target, options.features, options.split_seed, raw.weight)


def _parts(array):
    """The arrays that an array consists of: itself, those of a CSR matrix, or none."""
    if array is None:
        return ()
    return (array.indptr, array.indices, array.data) if is_matrix(array) else (array,)
