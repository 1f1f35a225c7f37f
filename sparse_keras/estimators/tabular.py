"""scikit-learn estimators: sparse experts in `cross_val_score`, `GridSearchCV` and `Pipeline`."""

import contextlib
import random

import keras
import numpy as np
import pandas as pd
import scipy.sparse
from pydantic import ValidationError
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from sparse_keras.data import (
    ArrayBatches,
    SparseTable,
    TabularData,
    Target,
    fit_features,
    fit_sparse,
)
from sparse_keras.data.tabular.csr import is_matrix
from sparse_keras.data.tabular.splits import held_out_rows
from sparse_keras.models import PreprocessedModel
from sparse_keras.schema.config import Config
from sparse_keras.schema.sections.tabular.table import TableSection
from sparse_keras.training.building import build_network, compile_model

_ARGUMENTS = """
    The table is encoded as by a config: numbers are standardised and cut into bins, text, bool and
    category columns of a DataFrame become embeddings, missing values have a meaning of their own.
    Nothing has to be scaled, imputed or one-hot encoded before. A sparse matrix goes into the
    network as it is, by its non-zeros alone, and is never made dense.

    Args:
        num_experts: E, experts in each block.
        k: K, experts that see a row.
        hidden_dim: Width of an expert's hidden layer.
        balance_loss: Weight of the loss that spreads the rows over the experts.
        stem: Width of the dense layer before the first block; `None` for no such layer, but for a
            sparse matrix, of which it is the first layer.
        depth: Number of blocks.
        dropout: Part of each block's output dropped in training.
        embedding_dim: Width of each categorical column's embedding.
        bins: Where numeric columns are cut: `"tree"`, `"quantile"` or `"none"`. Columns of a sparse
            matrix are not.
        max_bins: Most bins of a numeric column.
        learning_rate: Step size of AdamW.
        weight_decay: Its weight decay.
        epochs: Most passes over the training rows.
        batch_size: Rows in a batch. `"auto"` takes a fiftieth of the rows, from 16 to 256.
        validation_fraction: Part of the rows held out to stop early by; 0 for none.
        patience: Epochs without a better validation loss before training stops. The best epoch's
            weights are kept.
        random_state: Seed of weights, shuffling, dropout and the validation rows; an integer for
            repeatable results.
        verbose: As in `keras.Model.fit`.
"""


class _SparseExpertEstimator(BaseEstimator):
    """What classifier and regressor share: arguments, encoding, training."""

    def __init__(
        self,
        num_experts=16,
        k=2,
        hidden_dim=64,
        balance_loss=0.01,
        stem=128,
        depth=1,
        dropout=0.0,
        embedding_dim=8,
        bins="tree",
        max_bins=32,
        learning_rate=1e-3,
        weight_decay=0.004,
        epochs=100,
        batch_size="auto",
        validation_fraction=0.1,
        patience=5,
        random_state=None,
        verbose=0,
    ):
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
        # The rows of an expert are multiplied as one matrix: in another order of the rows, the last
        # bit of a float32 may be another.
        tags.non_deterministic = True
        return tags

    def _fit(self, X, y):
        """Trains on checked targets.

        Args:
            X: The table as given.
            y: A DataFrame with the target's columns, as `self._target(y)` names them.
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
        kept, held = _split(frame, target, options.validation_fraction, seed)
        if sparse:
            features = fit_sparse(kept, target)
        else:
            features = fit_features(kept, target, options.bins, options.max_bins)
        data = TabularData(
            "table",
            features,
            _batches(features, kept, config, shuffle=True),
            None if held is None else _batches(features, held, config, shuffle=False),
            None,
            {},
        )
        with _seeded(seed):
            self.model_ = PreprocessedModel(build_network(config, data), data.preprocessor)
            compile_model(self.model_, config, data)
            history = self.model_.fit(
                data.train,
                validation_data=data.validation,
                epochs=config.training.epochs,
                callbacks=_callbacks(config),
                verbose=self.verbose,
                shuffle=False,  # The batches shuffle their rows themselves.
            )
        self.history_ = history.history
        self.n_iter_ = len(self.history_["loss"])
        if not np.isfinite(self.history_["loss"]).all():
            raise FloatingPointError(
                f"The loss became NaN or infinite in epoch {self.n_iter_}. A smaller "
                f"learning_rate than {self.learning_rate:g} may help."
            )
        return self

    def _table(self, X, reset):
        """The rows as a DataFrame whose columns are named, or as a `SparseTable`."""
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
        # A key that changes nothing given another one is an error in a config.
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


class SparseExpertClassifier(ClassifierMixin, _SparseExpertEstimator):
    __doc__ = f"""A classifier of sparse experts behind a router, for tables.

    For two or more classes, and for several labels of a row (`y` of shape `[N, L]`, 0 or 1).
    {_ARGUMENTS}
    Attributes:
        classes_: The classes; for labels, a list of `[0, 1]` for each.
        model_: The trained `models.PreprocessedModel`, which is a `keras.Model`:
            `model_.save("model.keras")`.
        history_: Dict from each log's name to its values, one for each epoch.
        n_iter_: Number of epochs.
        n_features_in_: Number of columns.
        feature_names_in_: Their names, if `fit` got a DataFrame with names.

    Example:

    ```python
    from sklearn.model_selection import cross_val_score

    cross_val_score(sparse_keras.SparseExpertClassifier(num_experts=16, k=2), frame, y)
    ```
    """

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def fit(self, X, y):
        """Trains on a table.

        Args:
            X: DataFrame, array or sparse matrix `[N, D]`. NaN is a missing value, but in a sparse
                matrix, which may hold none.
            y: The class of each row, `[N]`; or labels, `[N, L]`, each 0 or 1.

        Returns:
            The estimator.

        Raises:
            ValueError: If X or y cannot be used, or an argument is invalid.
        """
        return self._fit(X, y)

    def _target(self, y, taken):
        if y is None:
            raise ValueError(
                "SparseExpertClassifier requires y to be passed, but the target y is None"
            )
        check_classification_targets(y)
        name = _free_name("target", taken)
        if type_of_target(y) == "multilabel-indicator":
            y = check_array(y, accept_sparse=False, dtype="float32")
            self.classes_ = [np.array([0, 1]) for _ in range(y.shape[1])]
            names = tuple(_free_name(f"label_{number}", taken) for number in range(y.shape[1]))
            return Target(name, "multilabel", names), pd.DataFrame(y, columns=names)
        y = column_or_1d(y, warn=True)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                "SparseExpertClassifier needs at least two classes. Received 1 class: "
                f"{self.classes_[0]!r}."
            )
        task = "binary" if len(self.classes_) == 2 else "multiclass"
        # Numbers of classes: values such as 1 and "1" may both be classes of scikit-learn's.
        target = Target(name, task, tuple(range(len(self.classes_))))
        return target, pd.DataFrame({name: codes})

    def predict(self, X):
        """The most probable class of each row, `[N]`; or its labels, `[N, L]`."""
        probabilities = self.predict_proba(X)
        if self._multilabel:
            return (probabilities >= 0.5).astype(int)
        return self.classes_[probabilities.argmax(axis=1)]

    def predict_proba(self, X):
        """The probability of each class, `[N, C]`; or of each label, `[N, L]`."""
        probabilities = self._predict_rows(X)
        if self._multilabel or len(self.classes_) > 2:
            return probabilities
        return np.hstack([1.0 - probabilities, probabilities])

    @property
    def _multilabel(self):
        return isinstance(self.classes_, list)


class SparseExpertRegressor(RegressorMixin, _SparseExpertEstimator):
    __doc__ = f"""A regressor of sparse experts behind a router, for tables.
    {_ARGUMENTS}
    Attributes:
        model_: The trained `models.PreprocessedModel`, which is a `keras.Model`:
            `model_.save("model.keras")`.
        history_: Dict from each log's name to its values, one for each epoch.
        n_iter_: Number of epochs.
        n_features_in_: Number of columns.
        feature_names_in_: Their names, if `fit` got a DataFrame with names.

    Example:

    ```python
    model = sparse_keras.SparseExpertRegressor(num_experts=8).fit(frame, prices)
    model.score(other_frame, other_prices)  # R squared
    ```
    """

    def fit(self, X, y):
        """Trains on a table.

        Args:
            X: DataFrame, array or sparse matrix `[N, D]`. NaN is a missing value, but in a sparse
                matrix, which may hold none.
            y: The number to predict for each row, `[N]`.

        Returns:
            The estimator.

        Raises:
            ValueError: If X or y cannot be used, or an argument is invalid.
        """
        return self._fit(X, y)

    def _target(self, y, taken):
        if y is None:
            raise ValueError(
                "SparseExpertRegressor requires y to be passed, but the target y is None"
            )
        y = check_array(y, ensure_2d=False, dtype="float64", input_name="y")
        name = _free_name("target", taken)
        y = column_or_1d(y, warn=True)
        return Target(name, "regression"), pd.DataFrame({name: y})

    def predict(self, X):
        """The prediction for each row, float32 `[N]`."""
        return self._predict_rows(X)[:, 0]


def _split(frame, target, fraction, seed):
    """`(training rows, validation rows)`; None for the latter where there are none."""
    sparse = isinstance(frame, SparseTable)
    stratify = target.task in ("binary", "multiclass")
    targets = frame.targets if sparse else frame
    classes = target.encode(targets) if stratify else np.zeros(len(frame))
    held = held_out_rows(classes, fraction, seed)
    if not held.any():
        return frame, None
    if sparse:
        return frame[~held], frame[held]
    return frame[~held].reset_index(drop=True), frame[held].reset_index(drop=True)


def _callbacks(config):
    stopping = config.training.early_stopping
    return [
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.EarlyStopping(patience=stopping.patience, restore_best_weights=True),
    ]


def _batches(features, frame, config, shuffle):
    return ArrayBatches(
        features.encode(frame),
        features.encode_target(frame),
        batch_size=config.training.batch_size,
        shuffle=shuffle,
        seed=config.training.seed,
    )


def _free_name(name, taken):
    """A name that no column has."""
    while name in taken:
        name += "_"
    return name


def _plain(value):
    """NumPy numbers, as `GridSearchCV` passes them, as Python's."""
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
