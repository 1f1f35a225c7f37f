"""`SparseExpertClassifier`, for scikit-learn."""

from functools import partial
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import check_classification_targets, unique_labels

from sparse_keras.data import MultiTarget, Target
from sparse_keras.estimators.tabular.base import ARGUMENTS, SparseExpertEstimator
from sparse_keras.estimators.tabular.classes import (
    check_classes,
    class_weights,
    codes_of,
    distinct,
    is_multilabel,
    labels_of,
    names_of,
    side_by_side,
    target_names,
)
from sparse_keras.estimators.tabular.table import free_name


class SparseExpertClassifier(ClassifierMixin, SparseExpertEstimator):
    __doc__ = f"""A classifier of sparse experts behind a router, for tables.

    For two or more classes; for several labels of a row (`y` of shape `[N, L]`, 0 or 1); and for
    several targets of two or more classes each (`y` of shape `[N, T]`), which a multi-gate mixture
    of experts (`models.mmoe`) learns together.
    {ARGUMENTS}        class_weight: What rows to `fit` count by their class, in addition to
            `sample_weight`: `"balanced"`, or a dict from classes to weights; for several targets or
            labels a list of such dicts, whose weights are multiplied. Each as in scikit-learn's
            `compute_sample_weight`.

    Attributes:
        classes_: The classes; for labels, a list of `[0, 1]` for each; for several targets, a list
            of the classes of each.
        model_: The trained `models.PreprocessedModel`, which is a `keras.Model`:
            `model_.save("model.keras")`.
        history_: Dict from each log's name to its values, one for each epoch.
        n_iter_: Number of epochs, all calls of `partial_fit` and of `fit` with `warm_start`
            included.
        n_features_in_: Number of columns.
        feature_names_in_: Their names, if `fit` got a DataFrame with names.

    Example:

    ```python
    from sklearn.model_selection import cross_val_score

    cross_val_score(sparse_keras.SparseExpertClassifier(num_experts=16, k=2), frame, y)
    ```
    """

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
        class_weight: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            num_experts=num_experts,
            k=k,
            hidden_dim=hidden_dim,
            balance_loss=balance_loss,
            stem=stem,
            depth=depth,
            dropout=dropout,
            embedding_dim=embedding_dim,
            bins=bins,
            max_bins=max_bins,
            missing=missing,
            columns=columns,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            epochs=epochs,
            batch_size=batch_size,
            validation_fraction=validation_fraction,
            patience=patience,
            warm_start=warm_start,
            random_state=random_state,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        eval_set: Any = None,
        callbacks: Any = None,
    ) -> Self:
        """Trains on a table.

        Args:
            X: DataFrame, array or sparse matrix `[N, D]`. NaN is a missing value; a sparse matrix
                may hold none.
            y: The class of each row, `[N]`; labels, `[N, L]`, each 0 or 1; or several classes of
                each row, `[N, T]`.
            sample_weight: What each row counts in the loss, `[N]`, not negative. Rows of weight 0
                are left out.
            eval_set: `(X, y)` or `(X, y, sample_weight)`, or a list of one such tuple: rows to
                validate with, instead of a part of the training rows. They decide when training
                stops early.
            callbacks: Keras callbacks, which come after early stopping.

        Returns:
            The estimator.

        Raises:
            ValueError: If X or y cannot be used, or an argument is invalid.
        """
        return self._fit(X, y, sample_weight, eval_set, callbacks)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Trains for one pass over a part of the rows, and goes on where the last call ended.

        The first call learns how the columns are encoded: means, bins and categories. Give it rows
        that stand for all. Categories that first appear later are encoded as unseen. No rows are
        held out, so that training does not stop early. `epochs`, `patience` and
        `validation_fraction` do not count. After `fit`, training goes on from its weights.

        Args:
            X: As for `fit`.
            y: As for `fit`.
            classes: All classes that will be in `y`, in any order; for several targets a list with
                those of each. Needed in the first call, but for labels.
            sample_weight: As for `fit`.

        Returns:
            The estimator.

        Raises:
            ValueError: If X or y cannot be used, a class is not among `classes`, or an argument is
                invalid.
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight={self.class_weight!r} is not supported by partial_fit, which does "
                "not see all rows. Pass a dict of weights, such as "
                "sklearn.utils.class_weight.compute_class_weight gives for a sample of y."
            )
        if hasattr(self, "model_") and classes is not None:
            self._check_same(_classes_of(classes), "`classes`")
        return self._partial_fit(X, y, sample_weight, partial(self._target_of, classes))

    def _new_target(self, y, taken):
        """Learns the classes, and returns the target."""
        columns = check_classes(y, type(self).__name__)
        if is_multilabel(columns):
            return self._labels_target(y, len(columns), taken)
        classes = [distinct(column, type(self).__name__) for column in columns]
        return self._classes_target(y, classes, taken)

    def _target_of(self, classes, y, taken):
        """The target of rows that may not have all classes; see `partial_fit`."""
        columns = check_classes(y, type(self).__name__)
        if classes is None:
            if is_multilabel(columns):
                return self._labels_target(y, len(columns), taken)
            raise ValueError("classes must be passed on the first call to partial_fit.")
        classes = _classes_of(classes)
        classes = classes if isinstance(classes, list) else [classes]
        classes = [distinct(one, type(self).__name__) for one in classes]
        if len(classes) != len(columns):
            raise ValueError(
                f"`classes` must list the classes of each of {len(columns)} targets in y. "
                f"Received: those of {len(classes)}."
            )
        return self._classes_target(
            y, [distinct(one, type(self).__name__) for one in classes], taken
        )

    def _labels_target(self, y, count, taken):
        self.classes_ = [np.array([0, 1]) for _ in range(count)]
        name = free_name("target", taken)
        return Target(name, "multilabel", target_names(y, count, "label", {*taken, name}))

    def _classes_target(self, y, classes, taken):
        def target(name, classes):
            task = "binary" if len(classes) == 2 else "multiclass"
            return Target(name, task, names_of(classes))

        name = free_name("target", taken)
        if len(classes) == 1:
            self.classes_ = classes[0]
            return target(name, classes[0])
        self.classes_ = classes
        names = target_names(y, len(classes), "target", taken)
        return MultiTarget(name, tuple(map(target, names, classes)))

    def _check_target(self, y):
        """Checks that `y` has the classes of the present weights; see `warm_start`."""
        columns = check_classes(y, type(self).__name__)
        if self._task == "multilabel":
            return  # Its number of labels is checked where they are encoded.
        classes = [np.unique(column) for column in columns]
        self._check_same(classes if len(classes) > 1 else classes[0], "y", "with warm_start ")

    def _check_same(self, classes, what, when=""):
        before, now = (one if isinstance(one, list) else [one] for one in (self.classes_, classes))
        if len(before) != len(now) or not all(map(np.array_equal, before, now)):
            raise ValueError(
                f"{what} must {when}have the same classes as in the previous call. Expected: "
                f"{self.classes_}. Received: {classes}."
            )

    def _target_columns(self, y, target):
        """The targets as a DataFrame, with the names of classes."""
        columns = check_classes(y, type(self).__name__)
        if target.task == "multilabel":
            return labels_of(y, target.classes)
        classes = self.classes_ if target.task == "multitask" else [self.classes_]
        if len(columns) != len(classes):
            raise ValueError(
                f"y must have the shape [N{f', {len(classes)}' * (len(classes) > 1)}]. Received: "
                f"shape {np.shape(y)}."
            )
        codes = map(codes_of, columns, classes)
        return pd.DataFrame(
            {
                one.name: pd.Series(one.classes, dtype=object).iloc[numbers].to_numpy()
                for one, numbers in zip(target.targets, codes, strict=True)
            }
        )

    def _class_weights(self, rows, target):
        classes = self.classes_ if isinstance(self.classes_, list) else [self.classes_]
        if target.task == "multilabel":
            codes = target.encode(rows.targets)
        else:
            codes = [one.encode(rows.targets[one.name]) for one in target.targets]
            codes = np.stack(codes, axis=1)
        return class_weights(self.class_weight, classes, codes.astype(int))

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row, `[N]`; its labels, `[N, L]`; or the most probable
        class of each target, `[N, T]`."""
        probabilities = self.predict_proba(X)
        if self._task == "multilabel":
            return (probabilities >= 0.5).astype(int)
        if self._task == "multitask":
            pairs = zip(self.classes_, probabilities, strict=True)
            return side_by_side([classes[one.argmax(axis=1)] for classes, one in pairs])
        return self.classes_[probabilities.argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray | list[np.ndarray]:
        """The probability of each class, `[N, C]`; of each label, `[N, L]`; or for several targets
        a list with the probabilities of each, `[N, C]`."""
        probabilities = self._predict_rows(X)
        if self._task == "multilabel":
            return probabilities
        if self._task == "multitask":
            return [_of_each_class(one) for one in probabilities.values()]
        return _of_each_class(probabilities)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy: the fraction of rows whose class is right; for labels and for several
        targets, the fraction of rows in which all are.

        Args:
            X: As for `predict`.
            y: The true classes, as for `fit`.
            sample_weight: What each row counts, `[N]`.
        """
        predicted = self.predict(X)
        if self._task != "multitask":
            return accuracy_score(y, predicted, sample_weight=sample_weight)
        right = (np.asarray(y) == predicted).all(axis=1)
        return float(np.average(right, weights=sample_weight))

    @property
    def _task(self):
        """What is predicted: "binary", "multiclass", "multilabel" or "multitask"."""
        return self._features.target.task


def _classes_of(classes):
    """What `partial_fit` gets as classes, in order: an array, or a list of one for each target."""
    if isinstance(classes, (list, tuple)) and len(classes) and np.ndim(classes[0]) == 1:
        return [unique_labels(one) for one in classes]
    check_classification_targets(classes)
    return unique_labels(classes)


def _of_each_class(probabilities):
    if probabilities.shape[1] > 1:
        return probabilities
    return np.hstack([1.0 - probabilities, probabilities])
