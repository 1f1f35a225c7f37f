"""What the classifier and the regressor share: arguments, encoding, training."""

import contextlib
import random
from typing import Any

import keras
import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sparse_keras.data import Features, SparseTable, TabularData, fit_features, fit_sparse
from sparse_keras.estimators.tabular.arguments import check_unchanged, config_of, fixed_arguments
from sparse_keras.estimators.tabular.rows import Rows, unpack_eval_set
from sparse_keras.estimators.tabular.table import as_table, mark_missing
from sparse_keras.models import PreprocessedModel
from sparse_keras.training.building import build_network, compile_model
from sparse_keras.training.loop import check_losses, early_stopping, fit

ARGUMENTS = """
    The table is encoded as by a config: numbers are standardised and cut into bins, dates become
    year, month, weekday, hour and age, text, bool and category columns of a DataFrame become
    embeddings, and missing values are handled. You need not scale, impute or one-hot encode
    anything. A sparse matrix stays sparse: the network multiplies
    its non-zeros alone.

    Args:
        num_experts: E, experts in each block.
        k: K, experts chosen for each row.
        hidden_dim: Width of an expert's hidden layer.
        balance_loss: Weight of the loss that spreads the rows over the experts.
        stem: Width of the dense layer before the first block, or `None` for no such layer. For a
            sparse matrix, the width of the first layer, which cannot be left out.
        depth: Number of blocks; 1 for several targets.
        dropout: Fraction of each block's output that is dropped in training.
        embedding_dim: Width of each categorical column's embedding.
        bins: How numeric columns are cut into bins: `"tree"`, `"quantile"` or `"none"`. Columns of
            a sparse matrix are never cut.
        max_bins: Most bins of a numeric column.
        missing: Words and numbers that mean "missing" beside NaN, such as `("unknown", -999)`; or a
            dict of them by column. Not for sparse matrices.
        columns: Dict from a column to what it holds, where its values do not say it, as
            `data.columns` of a config: such as `{"notes": "text", "signup": "date", "income":
            {"type": "numeric", "unit": "$", "thousands": ","}}`. Not for sparse matrices.
        learning_rate: Step size of AdamW.
        weight_decay: Its weight decay.
        epochs: Most passes over the training rows.
        batch_size: Rows in a batch. `"auto"` takes a fiftieth of the rows, from 16 to 256.
        validation_fraction: Fraction of the rows held out to decide when to stop early. With 0,
            training does not stop early. With an `eval_set`, no rows are held out.
        patience: Epochs without a better validation loss before training stops. The model then
            gets the best epoch's weights back.
        warm_start: Whether `fit` goes on from the present weights, for `epochs` more passes,
            instead of starting anew. The columns and classes must be the same; the encoding stays.
        random_state: Seed of weights, shuffling, dropout and the validation rows; an integer for
            repeatable results.
        verbose: As in `keras.Model.fit`.
"""


class SparseExpertEstimator(BaseEstimator):
    """The base class of the estimators. A subclass says what it makes of `y`: `_new_target`,
    `_check_target` and `_target_columns`."""

    def __init__(
        self,
        num_experts: int = 16,
        k: int = 2,
        hidden_dim: int = 64,
        balance_loss: float = 0.01,
        stem: int | None = 128,
        depth: int = 1,
        dropout: float = 0.0,
        embedding_dim: int = 8,
        bins: str = "tree",
        max_bins: int = 32,
        missing: Any = (),
        columns: Any = None,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.004,
        epochs: int = 100,
        batch_size: int | str = "auto",
        validation_fraction: float = 0.1,
        patience: int = 5,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.num_experts = num_experts
        self.k = k
        self.hidden_dim = hidden_dim
        self.balance_loss = balance_loss
        self.stem = stem
        self.depth = depth
        self.dropout = dropout
        self.embedding_dim = embedding_dim
        self.bins = bins
        self.max_bins = max_bins
        self.missing = missing
        self.columns = columns
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        # The rows of an expert are multiplied as one matrix, so that the last bit of a float32 may
        # depend on the order of the rows.
        tags.non_deterministic = True
        return tags

    def _fit(self, X, y, sample_weight, eval_set, callbacks):
        """Encodes a table and its targets, and trains; see `fit`."""
        callbacks = _checked_callbacks(callbacks)
        goes_on = self.warm_start and hasattr(self, "model_")
        if goes_on:
            self._check_target(y)
        rows, target, missing = self._rows(X, y, sample_weight, goes_on)
        if len(rows) < 2:
            counted = "" if sample_weight is None else " of a weight above 0"
            raise ValueError(
                f"{type(self).__name__} needs at least 2 rows{counted} to learn from. Received: "
                f"n_samples={len(rows)}."
            )
        seed, config, options = self._config(rows, target)
        # Also of the rows held out: otherwise training would stop, and go back, at the epoch that
        # is best without these weights.
        rows = rows.times(self._class_weights(rows, target))
        if eval_set is None:
            train, validation = rows.split(target, options.validation_fraction, seed)
        else:
            X, y, weight = unpack_eval_set(eval_set)
            table = as_table(self, X, reset=False)
            train, validation = rows, Rows.of(table, self._target_columns(y, target), weight)
        training = config.training
        # Without validation rows, there is no loss to stop early by.
        if validation is not None:
            callbacks = [early_stopping(training.early_stopping, "min"), *callbacks]
        if not goes_on:
            self._build(train, target, missing, config, options, seed)
        self._train(train, validation, training, callbacks)
        return self

    def _partial_fit(self, X, y, sample_weight, new_target):
        """Trains for one pass over a table; see `partial_fit`.

        Args:
            X: The table.
            y: Its targets.
            sample_weight: What each row counts.
            new_target: Function of `(y, taken names)` that returns the target to begin with.
        """
        goes_on = hasattr(self, "model_")
        rows, target, missing = self._rows(X, y, sample_weight, goes_on, new_target)
        if not len(rows):
            raise ValueError(
                f"{type(self).__name__} needs at least 1 row to learn from. Received: n_samples=0."
            )
        seed, config, options = self._config(rows, target)
        rows = rows.times(self._class_weights(rows, target))
        if not goes_on:
            self._build(rows, target, missing, config, options, seed)
        self._train(rows, None, config.training.model_copy(update={"epochs": 1}), [])
        return self

    def _rows(self, X, y, sample_weight, goes_on, new_target=None):
        """The rows to train on, their target, and what is missing among them."""
        if goes_on:
            check_unchanged(self, self._fixed)
            target, missing = self._features.target, None
            table = as_table(self, X, reset=False)
        else:
            table, missing = mark_missing(as_table(self, X, reset=True), self.missing)
            taken = set() if isinstance(table, SparseTable) else set(table.columns)
            target = (new_target or self._new_target)(y, taken)
        return Rows.of(table, self._target_columns(y, target), sample_weight), target, missing

    def _config(self, rows, target):
        """The seed of this call, and the arguments as a `Config` and a `TableSection`."""
        seed = int(check_random_state(self.random_state).randint(2**31))
        config, options = config_of(
            self,
            len(rows),
            seed,
            sparse=isinstance(rows.table, SparseTable),
            several=target.task == "multitask",
        )
        return seed, config, options

    def _class_weights(self, rows, target):
        """What rows count by their class, `[N]`; None for the same."""
        return None

    @property
    def _features(self) -> Features:
        """How the columns and the targets are encoded."""
        return self.model_.preprocessor.features

    def _build(self, rows, target, missing, config, options, seed):
        """Learns how to encode rows, and builds a model of them."""
        if isinstance(rows.table, SparseTable):
            if self.columns:
                raise ValueError(
                    "`columns` needs a table with dense columns. Received a sparse matrix and "
                    f"columns={self.columns!r}."
                )
            features = fit_sparse(rows.table, target)
        else:
            features = fit_features(
                rows.table,
                target,
                options.bins,
                options.max_bins,
                missing=missing,
                columns=self.columns,
            )
        if features.texts and target.task == "multitask":
            raise ValueError(
                f"{type(self).__name__} learns several targets from numbers, dates and categories "
                f"only. Received the text {features.texts[0].name!r}. Train one estimator for each "
                "target, or leave the column out: columns={...: 'ignore'}."
            )
        train = rows.batches(features, config.training, shuffle=True)
        data = _TrainingData("table", features, train, None, None, {})
        with _seeded(seed):
            self.model_ = PreprocessedModel(build_network(config, data), data.preprocessor)
        compile_model(self.model_, config, data)
        self._fixed = fixed_arguments(self)
        self.history_, self.n_iter_ = {}, 0

    def _train(self, train, validation, training, callbacks):
        """Trains the model for `training.epochs` more epochs."""
        before, features = self.n_iter_, self._features
        self.model_.optimizer.learning_rate = self.learning_rate
        history = fit(
            self.model_,
            train.batches(features, training, shuffle=True),
            None if validation is None else validation.batches(features, training, shuffle=False),
            training.model_copy(update={"epochs": before + training.epochs}),
            callbacks,
            epoch=before,
            verbose=self.verbose,
        ).history
        self.n_iter_ = before + len(history["loss"])
        self.history_ = _extended(self.history_, history, before, self.n_iter_)
        check_losses(
            self.history_["loss"],
            f"A smaller learning_rate than {self.learning_rate:g} may help.",
        )

    def _predict_rows(self, X):
        check_is_fitted(self)
        table = as_table(self, X, reset=False)
        if self._features.sparse is not None and not isinstance(table, SparseTable):
            table = SparseTable(scipy.sparse.csr_matrix(table.to_numpy("float32")))
        return self.model_.predict(table, verbose=0)


class _TrainingData(TabularData):
    """The rows of one call, which may be weighted where those of the next are not."""

    weighted = True


def _checked_callbacks(callbacks):
    callbacks = keras.tree.flatten(callbacks or [])
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise ValueError(
                "`callbacks` must be a list of keras.callbacks.Callback. Received: "
                f"{type(callback).__name__}."
            )
    return callbacks


def _extended(history, new, before, after):
    """Logs of earlier epochs and of new ones, NaN in the epochs that did not log a value."""
    return {
        name: [
            *history.get(name, [np.nan] * before),
            *new.get(name, [np.nan] * (after - before)),
        ]
        for name in {**history, **new}
    }


@contextlib.contextmanager
def _seeded(seed):
    """Seeds Keras, and leaves Python's and NumPy's own generators as they were."""
    before = random.getstate(), np.random.get_state()
    keras.utils.set_random_seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
