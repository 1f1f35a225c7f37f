"""What the classifier and the regressor share: arguments, encoding, training."""

import contextlib
import random
from typing import Any

import keras
import numpy as np
import pandas as pd
import scipy.sparse
from pydantic import ValidationError
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from sparse_keras.data import SparseTable, TabularData, fit_features, fit_sparse
from sparse_keras.data.csr import is_matrix
from sparse_keras.data.tabular.native import to_pandas
from sparse_keras.estimators.tabular.table import batches, train_validation_split
from sparse_keras.models import PreprocessedModel
from sparse_keras.schema.config import Config
from sparse_keras.schema.sections.tabular.table import TableSection
from sparse_keras.training.building import build_network, compile_model
from sparse_keras.training.loop import check_losses, early_stopping, fit

ARGUMENTS = """
    The table is encoded as by a config: numbers are standardised and cut into bins, text, bool and
    category columns of a DataFrame become embeddings, and missing values are handled. You need not
    scale, impute or one-hot encode anything. A sparse matrix stays sparse: the network multiplies
    its non-zeros alone.

    Args:
        num_experts: E, experts in each block.
        k: K, experts chosen for each row.
        hidden_dim: Width of an expert's hidden layer.
        balance_loss: Weight of the loss that spreads the rows over the experts.
        stem: Width of the dense layer before the first block, or `None` for no such layer. For a
            sparse matrix, the width of the first layer, which cannot be left out.
        depth: Number of blocks.
        dropout: Fraction of each block's output that is dropped in training.
        embedding_dim: Width of each categorical column's embedding.
        bins: How numeric columns are cut into bins: `"tree"`, `"quantile"` or `"none"`. Columns of
            a sparse matrix are never cut.
        max_bins: Most bins of a numeric column.
        learning_rate: Step size of AdamW.
        weight_decay: Its weight decay.
        epochs: Most passes over the training rows.
        batch_size: Rows in a batch. `"auto"` takes a fiftieth of the rows, from 16 to 256.
        validation_fraction: Fraction of the rows held out to decide when to stop early. With 0,
            training does not stop early.
        patience: Epochs without a better validation loss before training stops. The model then
            gets the best epoch's weights back.
        random_state: Seed of weights, shuffling, dropout and the validation rows; an integer for
            repeatable results.
        verbose: As in `keras.Model.fit`.
"""


class SparseExpertEstimator(BaseEstimator):
    """The base class of the estimators. A subclass says what it makes of `y`, in `_target`."""

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
        learning_rate: float = 1e-3,
        weight_decay: float = 0.004,
        epochs: int = 100,
        batch_size: int | str = "auto",
        validation_fraction: float = 0.1,
        patience: int | None = 5,
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
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        # The rows of an expert are multiplied as one matrix, so that the last bit of a float32 may
        # depend on the order of the rows.
        tags.non_deterministic = True
        return tags

    def _fit(self, X, y):
        """Encodes a table and its targets, and trains.

        Args:
            X: The table as `fit` gets it.
            y: The targets as `fit` gets them, which `self._target` checks.
        """
        table = self._table(X, reset=True)
        sparse = isinstance(table, SparseTable)
        target, y = self._target(y, taken=set() if sparse else set(table.columns))
        check_consistent_length(table.matrix if sparse else table, y)
        if len(table) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 rows to learn from. Received: n_samples=1."
            )
        seed = int(check_random_state(self.random_state).randint(2**31))
        config, options = self._checked(len(table), seed, sparse)
        frame = SparseTable(table.matrix, y) if sparse else pd.concat([table, y], axis=1)
        train, validation = train_validation_split(frame, target, options.validation_fraction, seed)
        if sparse:
            features = fit_sparse(train, target)
        else:
            features = fit_features(train, target, options.bins, options.max_bins)
        training = config.training
        data = TabularData(
            "table",
            features,
            batches(features, train, training, shuffle=True),
            None if validation is None else batches(features, validation, training, shuffle=False),
            None,
            {},
        )
        # Without validation rows, there is no loss to stop early by.
        callbacks = [] if validation is None else [early_stopping(training.early_stopping, "min")]
        with _seeded(seed):
            self.model_ = PreprocessedModel(build_network(config, data), data.preprocessor)
            compile_model(self.model_, config, data)
            history = fit(
                self.model_,
                data.train,
                data.validation,
                training,
                callbacks,
                verbose=self.verbose,
            )
        self.history_ = history.history
        self.n_iter_ = len(self.history_["loss"])
        check_losses(
            self.history_["loss"],
            f"A smaller learning_rate than {self.learning_rate:g} may help.",
        )
        return self

    def _table(self, X, reset):
        """The rows as a DataFrame whose columns are named, or as a `SparseTable`."""
        X = to_pandas(X)
        if is_matrix(X):
            X = validate_data(self, X, reset=reset, accept_sparse="csr", dtype="numeric")
            return SparseTable(X)
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, reset=reset, skip_check_array=True)
            frame = X.reset_index(drop=True)
        else:
            X = validate_data(self, X, reset=reset, ensure_all_finite="allow-nan", dtype="numeric")
            frame = pd.DataFrame(X)
        if not reset and self.model_.preprocessor.features.sparse is not None:
            return SparseTable(scipy.sparse.csr_matrix(frame.to_numpy("float32")))
        if not hasattr(self, "feature_names_in_"):
            frame.columns = [f"x{number}" for number in range(frame.shape[1])]
        return frame

    def _checked(self, rows, seed, sparse):
        """The arguments, checked as those of a config: a `Config` and a `TableSection`."""
        given = {name: _plain(value) for name, value in self.get_params(deep=False).items()}
        if given["batch_size"] == "auto":
            given["batch_size"] = int(np.clip(rows // 50, 16, 256))
        model = {name: given[name] for name in ("stem", "depth", "dropout", "embedding_dim")}
        if sparse and model["stem"] is not None:
            model["sparse_projection"] = {"units": model.pop("stem")}
            model["stem"] = None
        # A config refuses a key that has no effect.
        unused = {"max_bins"} if given["bins"] == "none" else set()
        table = {"bins", "max_bins", "validation_fraction"} - unused
        try:
            options = TableSection.model_validate({name: given[name] for name in table})
            config = Config.model_validate(
                {
                    "version": 1,
                    "model": {
                        "type": "sparse_mlp",
                        "experts": {
                            "type": "mlp",
                            "num_experts": given["num_experts"],
                            "hidden_dim": given["hidden_dim"],
                        },
                        "router": {
                            "type": "top_k",
                            "k": given["k"],
                            "balance_loss": given["balance_loss"],
                        },
                        **model,
                    },
                    "optimizer": {
                        "type": "adamw",
                        "learning_rate": given["learning_rate"],
                        "weight_decay": given["weight_decay"],
                    },
                    "training": {
                        "epochs": given["epochs"],
                        "batch_size": given["batch_size"],
                        "seed": seed,
                        "early_stopping": {"patience": given["patience"]},
                    },
                }
            )
            return config, options
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(
                f"{type(self).__name__}: `{first['loc'][-1]}`: {first['msg']}. "
                f"Received: {first['input']!r}."
            ) from None

    def _predict_rows(self, X):
        check_is_fitted(self)
        return self.model_.predict(self._table(X, reset=False), verbose=0)


def _plain(value):
    """NumPy's numbers, as `GridSearchCV` passes them, as Python's."""
    return value.item() if isinstance(value, np.generic) else value


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
