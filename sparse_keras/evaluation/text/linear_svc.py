"""A linear support vector classifier on TF-IDF: the baseline of scikit-learn for texts."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.optimize
import scipy.special
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC

from sparse_keras.data import LabelledTextData
from sparse_keras.data.text.label_codes import encode_labels
from sparse_keras.evaluation.measure import measure_fitted

# Characters of Chinese and Japanese, which have no spaces between words.
_CHARACTERS = re.compile("[\u3040-\u30ff\u3400-\u9fff]")


class LinearSVCOnTexts:
    """A linear SVC on TF-IDF of words and pairs of words: an `evaluation.contenders.Baseline`.

    In Chinese and Japanese, which have no spaces between words, features are characters and pairs
    of them. Margins become probabilities by a softmax, or a sigmoid for two classes, of a scale
    that is fitted on the validation texts. Then all is fitted again, on training and validation
    texts.

    Args:
        seed: Random seed.
        class_weights: The weight of each class, as `training.class_weights.class_weights` returns
            it; `None` for equal ones.
    """

    def __init__(self, seed: int = 0, class_weights: list | None = None):
        self.seed = seed
        self.class_weights = class_weights
        self.model: Pipeline | None = None
        self.scale = 1.0
        self.classes = 2

    @property
    def identity(self) -> tuple[str, ...]:
        """Strings that distinguish it from other baselines, for the cache."""
        identity = f"{type(self).__name__}, seed {self.seed}"
        return (identity if self.class_weights is None else f"{identity}, {self.class_weights}",)

    def measure(self, data: LabelledTextData) -> dict[str, Any]:
        """Fits the training and validation texts; returns metrics and costs.

        Args:
            data: What `load_data` returned.
        """
        labels = {part: encode_labels(of, data.task) for part, of in data.labels.items()}
        start = time.perf_counter()
        self.fit(
            (data.texts["train"], labels["train"]),
            (data.texts["validation"], labels["validation"]) if data.validation else None,
            len(data.task.classes),
        )
        seconds = time.perf_counter() - start
        return measure_fitted(self, data, data.texts["test"], seconds)

    def fit(self, train: tuple, validation: tuple | None, classes: int) -> LinearSVCOnTexts:
        """Fits texts.

        Args:
            train: `(texts, y)`, with the number of each text's class.
            validation: The same to fit the scale of the margins; `None` to leave it at 1.
            classes: Number of classes.

        Returns:
            Itself.
        """
        self.classes = classes
        self.model = self._fitted(*train)
        if validation is None:
            return self
        texts, y = validation
        margins = self._margins(texts)

        def loss(logarithm):
            probabilities = _probabilities(margins, np.exp(logarithm))
            return log_loss(y, probabilities, labels=range(classes))

        best = scipy.optimize.minimize_scalar(loss, bounds=(-3.0, 4.0), method="bounded")
        self.scale = float(np.exp(best.x))
        self.model = self._fitted([*train[0], *texts], np.concatenate([train[1], y]))
        return self

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Predicts texts.

        Returns:
            Probabilities like those of a network: `[N, classes]`, or `[N, 1]` for two classes.
        """
        probabilities = _probabilities(self._margins(texts), self.scale)
        return probabilities[:, 1:] if self.classes == 2 else probabilities

    def _fitted(self, texts, y):
        words = {"analyzer": "char"} if _without_spaces(texts) else {}
        features = TfidfVectorizer(
            ngram_range=(1, 2), min_df=2, sublinear_tf=True, dtype=np.float32, **words
        )
        y = y.astype(int)
        weights = None if self.class_weights is None else np.asarray(self.class_weights)[y]
        model = make_pipeline(features, LinearSVC(random_state=self.seed))
        return model.fit(texts, y, linearsvc__sample_weight=weights)

    def _margins(self, texts):
        """`[N, classes]`; minus infinity for classes that no training text has."""
        found = self.model.decision_function(texts)
        if found.ndim == 1:  # Two classes have one margin.
            found = np.stack([-found / 2, found / 2], axis=1)
        margins = np.full((len(texts), self.classes), -np.inf)
        margins[:, self.model.classes_] = found
        return margins


def _probabilities(margins, scale):
    return scipy.special.softmax(scale * margins, axis=1)


def _without_spaces(texts):
    some = "".join(texts[:1000])
    return len(_CHARACTERS.findall(some)) > len(some) / 3
