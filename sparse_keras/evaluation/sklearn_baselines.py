"""The models of scikit-learn that a network has to beat, on raw columns.

Both see the columns that the network sees, and each target of a table gets a model of its own, each
label too. What `joblib` writes of one predicts from raw rows, its encoding included.
"""

import warnings

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
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

from sparse_keras.data.tabular.columns import category_keys, numeric_values

MAX_TREES = 500
BINS = 32
# HistGradientBoosting takes no more categories of a column; the rarest share a code.
_MOST_CATEGORIES = 254
_LARGEST = float(np.finfo("float32").max)


class RawColumns:
    """Raw columns as scikit-learn takes them.

    Numbers as float64, NaN where missing; categories as text, "missing" where missing. What counts
    as missing, or as the same category, is what the network's own encoding says.

    Args:
        features: The `data.Features`.
    """

    def __init__(self, features):
        self.numeric = [column.name for column in features.numeric]
        self.categorical = [column.name for column in features.categorical]
        self.with_gaps = [column.name for column in features.numeric if column.has_missing]

    def __call__(self, frame):
        columns = {
            name: np.clip(numeric_values(frame[name]), -_LARGEST, _LARGEST) for name in self.numeric
        }
        for name in self.categorical:
            keys = category_keys(frame[name])
            columns[name] = np.where(np.equal(keys, None), "missing", keys).astype(object)
        return pd.DataFrame(columns)


class RawSparse:
    """Rows that are mostly zeros, as the network gets them: CSR, never made dense.

    Args:
        features: The `data.Features`.
    """

    def __init__(self, features):
        self.features = features

    def __call__(self, table):
        return self.features.encode(table)["sparse"]


class Baseline:
    """A model of scikit-learn for each target.

    Args:
        features: The `data.Features` of the training rows.
        seed: Seed of what is random.
        settings: Dict of what to change of its own settings, as `draw_settings` returns it.
    """

    def __init__(self, features, seed=0, settings=None):
        self.features = features
        self.settings = settings or {}
        self.columns = RawColumns(features) if features.sparse is None else RawSparse(features)
        self.seed = seed

    @property
    def identity(self):
        """What sets it apart from others, for what was measured before."""
        return f"{type(self).__name__}, seed {self.seed}, {sorted(self.settings.items())}"

    def fit(self, frame):
        """Fits raw rows, target included.

        Args:
            frame: A DataFrame.

        Returns:
            Itself.
        """
        y, weight = self.features.encode_target(frame), self.features.sample_weight(frame)
        with warnings.catch_warnings(action="ignore"):  # Bins that are too narrow are made one.
            self.encoding = self.make_encoding()
            x = self.encoding.fit_transform(self.columns(frame))
            if self.features.target.task == "multitask":
                self.models = {
                    one.name: self._fit_target(x, y[one.name], one.task, weight[one.name])
                    for one in self.features.target.targets
                }
            else:
                self.models = self._fit_target(x, y, self.features.target.task, weight)
        return self

    def _fit_target(self, x, y, task, weight):
        """The models of one target: a list, with one for each label of "multilabel"."""
        if weight is not None:  # A row of weight 0 may have no label.
            there = weight > 0
            x, y, weight = x[there], y[there], weight[there]
        if task == "multilabel":
            return [self._fit(x, label, "binary", weight) for label in y.T]
        return [self._fit(x, y, task, weight)]

    def _fit(self, x, y, task, weight):
        if task == "regression":
            return self.make_regressor().fit(x, y, sample_weight=weight)
        y = y.astype(int)
        if len(np.unique(y)) == 1:
            return _OneClass(y[0])
        return self.make_classifier(y).fit(x, y, sample_weight=weight)

    def predict(self, frame):
        """Predicts raw rows.

        Args:
            frame: A DataFrame.

        Returns:
            float64 `[N, outputs]`, as a network predicts: probabilities, or values for regression;
            for several targets a dict of such arrays.
        """
        target = self.features.target
        x = self.encoding.transform(self.columns(frame))
        if target.task == "multitask":
            return {one.name: _predict(self.models[one.name], x, one) for one in target.targets}
        return _predict(self.models, x, target)


class Boosting(Baseline):
    """Histogram-based gradient boosting at scikit-learn's settings, but for the number of trees.

    Up to 500 trees; a tenth of the rows, held out by itself, says when it is enough.
    """

    def make_encoding(self):
        # A category that is new counts as missing.
        codes = OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=np.nan,
            max_categories=_MOST_CATEGORIES,
        )
        return make_column_transformer(
            ("passthrough", self.columns.numeric), (codes, self.columns.categorical)
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

    def draw_settings(self, rng):
        """Settings drawn at random, around those that work on most tables."""
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
        # The rows that it holds out have every class, which needs two rows of each.
        sizes = np.unique(y, return_counts=True)[1]
        stops = sizes.min() >= 2 and len(y) // 10 >= len(sizes)
        return HistGradientBoostingClassifier(**self._options(bool(stops)))


class Linear(Baseline):
    """Logistic or ridge regression on 32 quantile bins of each number, and on each category.

    On rows that are mostly zeros: on these as they are.
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
            sparse_threshold=1.0,
        )

    def make_regressor(self):
        return Ridge(alpha=1 / self._c, random_state=self.seed)

    def make_classifier(self, y):
        return LogisticRegression(C=self._c, max_iter=1000, random_state=self.seed)

    def draw_settings(self, rng):
        """Settings drawn at random: the regularisation."""
        return {"C": float(10 ** rng.uniform(-2.0, 2.0))}

    @property
    def _c(self):
        # Rows of many small numbers, such as TF-IDF, need larger coefficients than one-hot rows.
        return self.settings.get("C", 1.0 if self.features.sparse is None else 10.0)


class _OneClass:
    """Of rows that are all of one class."""

    def __init__(self, label):
        self.classes_ = np.array([label])

    def predict_proba(self, x):
        return np.ones((x.shape[0], 1))


def _predict(models, x, target):
    if target.task == "regression":
        return models[0].predict(x)[:, None]
    if target.task == "multiclass":
        return _probabilities(models[0], x, target.outputs)
    return np.stack([_probabilities(model, x, 2)[:, 1] for model in models], axis=1)


def _probabilities(model, x, classes):
    """`[N, classes]`, 0 for classes that no training row had."""
    probabilities = np.zeros((x.shape[0], classes))
    probabilities[:, model.classes_] = model.predict_proba(x)
    return probabilities
