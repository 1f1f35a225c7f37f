"""Baselines of scikit-learn for tables: gradient boosting and a linear model.

Both use the columns that the network uses, and fit a model for each target and for each label. A
baseline that is written by `joblib` predicts from raw rows, because it contains its encoding.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
from sklearn.compose import make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
)

from sparse_keras.data import Features, SparseTable, TabularData
from sparse_keras.data.tabular.columns import for_each_category
from sparse_keras.evaluation.measure import measure_fitted

MAX_TREES = 500
BINS = 32
# The most categories per column that HistGradientBoosting takes; the rarest ones share a code.
_MOST_CATEGORIES = 254
# Gradient boosting takes dense rows: a text becomes so many numbers.
_TEXT_WIDTH = 32
_LARGEST = float(np.finfo("float32").max)


class RawColumns:
    """Converts raw columns to what scikit-learn takes.

    Numbers become float64, NaN where missing, and so do the parts of dates; categories become text,
    "missing" where missing; texts stay text. Missing values and equal categories are recognised as
    in the network's encoding.

    Args:
        features: The `data.Features`.
    """

    def __init__(self, features: Features):
        self.features = features
        self.numeric = [name for name, _ in features.numbers]
        self.categorical = [column.name for column in features.categorical]
        self.with_gaps = [name for name, column in features.numbers if column.has_missing]

    def __call__(self, frame):
        values = self.features.values(frame)
        columns = {
            name: np.clip(column, -_LARGEST, _LARGEST)
            for name, column in zip(self.numeric, values, strict=True)
        }
        for column in self.features.categorical:
            name, keys = column.name, for_each_category(frame[column.name], column.key, object)
            columns[name] = np.where(np.equal(keys, None), "missing", keys).astype(object)
        for column in self.features.texts:
            columns[column.name] = column.texts(frame[column.name])
        return pd.DataFrame(columns)

    def texts(self, reduced_to: int | None = None) -> list[tuple]:
        """Returns the steps of a column transformer that encode texts, as the network does.

        Args:
            reduced_to: Width to which the encoding of each is reduced, by latent semantic analysis;
                None for CSR.
        """
        steps = []
        for column in self.features.texts:
            encode = FunctionTransformer(column.encode)
            if reduced_to is not None and column.width > reduced_to:
                encode = make_pipeline(encode, TruncatedSVD(reduced_to, random_state=0))
            steps.append((encode, column.name))
        return steps


class RawSparse:
    """Converts rows that are mostly zeros to the CSR matrix that the network takes.

    Args:
        features: The `data.Features`.
    """

    def __init__(self, features: Features):
        self.features = features

    def __call__(self, table):
        return self.features.encode(table)["sparse"]


class SklearnBaseline:
    """A model of scikit-learn for each target: an `evaluation.contenders.Baseline`.

    Args:
        features: The `data.Features` of the training rows.
        seed: Random seed.
        settings: Dict of settings that differ from the fixed ones, as `draw_settings` returns it.
        class_weights: The weight of each class that multiplies those of the rows to fit; for
            several targets a dict by name; as `training.class_weights.class_weights` returns it.
    """

    def __init__(
        self,
        features: Features,
        seed: int = 0,
        settings: dict | None = None,
        class_weights: list | dict | None = None,
    ):
        self.features = features
        self.settings = settings or {}
        self.class_weights = class_weights
        self.columns = RawColumns(features) if features.sparse is None else RawSparse(features)
        self.seed = seed

    @property
    def identity(self) -> tuple[str, ...]:
        """Strings that distinguish it from other baselines, for the cache."""
        identity = f"{type(self).__name__}, seed {self.seed}, {sorted(self.settings.items())}"
        return (identity if self.class_weights is None else f"{identity}, {self.class_weights}",)

    def measure(self, data: TabularData) -> dict[str, Any]:
        """Fits the training and validation rows; returns metrics and costs.

        Args:
            data: What `load_data` returned.
        """
        parts = [data.frames[part] for part in ("train", "validation") if part in data.frames]
        rows = _concatenated(parts)
        start = time.perf_counter()
        self.fit(rows)
        seconds = time.perf_counter() - start
        return measure_fitted(self, data, data.frames["test"], seconds)

    def fit(self, frame: pd.DataFrame | SparseTable) -> SklearnBaseline:
        """Fits raw rows.

        Args:
            frame: A DataFrame or `SparseTable` with the target.

        Returns:
            Itself.
        """
        y, weight = self.features.encode_target(frame), self.features.sample_weight(frame)
        with warnings.catch_warnings(action="ignore"):  # Bins that are too narrow are merged.
            self.encoding = self.make_encoding()
            x = self.encoding.fit_transform(self.columns(frame))
            if self.features.target.task == "multitask":
                self.models = {
                    target.name: self._fit_target(
                        x,
                        y[target.name],
                        target.task,
                        weight[target.name],
                        (self.class_weights or {}).get(target.name),
                    )
                    for target in self.features.target.targets
                }
            else:
                self.models = self._fit_target(
                    x, y, self.features.target.task, weight, self.class_weights
                )
        return self

    def _fit_target(self, x, y, task, weight, class_weights):
        """Fits a target; returns a list with one model, or one for each label of "multilabel"."""
        if weight is not None:  # A row of weight 0 may have no label.
            labelled = weight > 0
            x, y, weight = x[labelled], y[labelled], weight[labelled]
        if class_weights is not None:
            of_class = np.asarray(class_weights)[y.astype(int)]
            weight = of_class if weight is None else of_class * weight
        if task == "multilabel":
            return [self._fit(x, label, "binary", weight) for label in y.T]
        return [self._fit(x, y, task, weight)]

    def _fit(self, x, y, task, weight):
        if task == "regression":
            return self.make_regressor().fit(x, y, sample_weight=weight)
        y = y.astype(int)
        if len(np.unique(y)) == 1:
            return _SingleClass(y[0])
        return self.make_classifier(y).fit(x, y, sample_weight=weight)

    def predict(self, frame: pd.DataFrame | SparseTable) -> np.ndarray | dict[str, np.ndarray]:
        """Predicts raw rows.

        Args:
            frame: A DataFrame or `SparseTable`.

        Returns:
            float64 `[N, outputs]` like the predictions of a network: probabilities, or values for
            regression; for several targets a dict of such arrays.
        """
        target = self.features.target
        x = self.encoding.transform(self.columns(frame))
        if target.task == "multitask":
            return {
                member.name: _predict(self.models[member.name], x, member)
                for member in target.targets
            }
        return _predict(self.models, x, target)


class Boosting(SklearnBaseline):
    """Histogram-based gradient boosting with scikit-learn's settings and up to 500 trees.

    It stops early by a tenth of the rows, which it holds out itself.
    """

    def make_encoding(self):
        # New categories count as missing.
        codes = OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=np.nan,
            max_categories=_MOST_CATEGORIES,
        )
        return make_column_transformer(
            ("passthrough", self.columns.numeric),
            (codes, self.columns.categorical),
            *self.columns.texts(reduced_to=_TEXT_WIDTH),
            sparse_threshold=0.0,
        )

    def _options(self, early_stopping=True):
        numeric, categorical = len(self.columns.numeric), len(self.columns.categorical)
        return {
            "max_iter": MAX_TREES if early_stopping else 100,
            "early_stopping": early_stopping,
            "categorical_features": range(numeric, numeric + categorical),
            "random_state": self.seed,
            **self.settings,
        }

    def draw_settings(self, rng: np.random.Generator) -> dict[str, Any]:
        """Draws random settings around those that work on most tables."""
        return {
            "learning_rate": float(np.exp(rng.uniform(np.log(0.03), np.log(0.3)))),
            "max_leaf_nodes": int(rng.choice([7, 15, 31, 63, 127])),
            "min_samples_leaf": int(rng.choice([5, 20, 50, 100])),
            "l2_regularization": float(rng.choice([0.0, 0.1, 1.0, 10.0])),
            "max_features": float(rng.choice([0.3, 0.5, 1.0])),
        }

    def make_regressor(self):
        return HistGradientBoostingRegressor(**self._options())

    def make_classifier(self, y):
        # The rows that it holds out contain every class, which needs two rows of each.
        sizes = np.unique(y, return_counts=True)[1]
        stops = sizes.min() >= 2 and len(y) // 10 >= len(sizes)
        return HistGradientBoostingClassifier(**self._options(bool(stops)))


class Linear(SklearnBaseline):
    """Logistic or ridge regression on 32 quantile bins of each number, and on each category.

    Sparse rows are used as they are.
    """

    def make_encoding(self):
        if self.features.sparse is not None:
            return FunctionTransformer()
        bins = KBinsDiscretizer(BINS, encode="onehot", subsample=None, quantile_method="linear")
        return make_column_transformer(
            (
                make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), bins),
                self.columns.numeric,
            ),
            (MissingIndicator(features="all"), self.columns.with_gaps),
            (OneHotEncoder(handle_unknown="ignore"), self.columns.categorical),
            *self.columns.texts(),
            sparse_threshold=1.0,
        )

    def make_regressor(self):
        return Ridge(alpha=1 / self._c, random_state=self.seed)

    def make_classifier(self, y):
        return LogisticRegression(C=self._c, max_iter=1000, random_state=self.seed)

    def draw_settings(self, rng: np.random.Generator) -> dict[str, Any]:
        """Draws a random strength of the regularization."""
        return {"C": float(10 ** rng.uniform(-2.0, 2.0))}

    @property
    def _c(self):
        # Rows of many small numbers, such as TF-IDF, need larger coefficients than one-hot rows.
        return self.settings.get("C", 10.0 if self.features.only_sparse else 1.0)


class _SingleClass:
    """Classifier of rows that all belong to the same class."""

    def __init__(self, label):
        self.classes_ = np.array([label])

    def predict_proba(self, x):
        return np.ones((x.shape[0], 1))


def _concatenated(tables):
    """The rows of several tables as one table."""
    if not isinstance(tables[0], SparseTable):
        return pd.concat(tables, ignore_index=True)
    return SparseTable(
        scipy.sparse.vstack([table.matrix for table in tables], format="csr"),
        pd.concat([table.targets for table in tables], ignore_index=True),
        tables[0].names,
    )


def _predict(models, x, target):
    if target.task == "regression":
        return models[0].predict(x)[:, None]
    if target.task == "multiclass":
        return _probabilities(models[0], x, target.outputs)
    return np.stack([_probabilities(model, x, 2)[:, 1] for model in models], axis=1)


def _probabilities(model, x, classes):
    """`[N, classes]`; 0 for classes that no training row has."""
    probabilities = np.zeros((x.shape[0], classes))
    probabilities[:, model.classes_] = model.predict_proba(x)
    return probabilities
