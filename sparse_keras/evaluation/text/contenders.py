"""The contender that only texts with labels have.

Imports no Keras, like `evaluation/contenders.py`.
"""

from __future__ import annotations

from sparse_keras.evaluation.contenders import Contender
from sparse_keras.schema.sections.text.texts import LabelledTextSection

_LABEL = "linear SVC on TF-IDF of words and pairs of words"


def text_contenders() -> list[Contender]:
    """Returns the contenders of texts with labels. If the data are others, each says so."""
    return [Contender("linear_svc", _LABEL, _linear_svc, _why_no_texts)]


def _why_no_texts(config, data):
    if not isinstance(config.data, LabelledTextSection):
        return "The linear SVC needs texts with labels."
    return None


def _linear_svc(config, data, recall):
    from sparse_keras.evaluation.text.linear_svc import LinearSVCOnTexts
    from sparse_keras.training.class_weights import class_weights

    weights = class_weights(config.training.class_weight, data.task, data.train)
    return LinearSVCOnTexts(config.training.seed, weights)
