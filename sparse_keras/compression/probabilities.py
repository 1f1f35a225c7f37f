"""ProbabilitiesDistillation: the distillation loss of models that return probabilities."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="sparse_keras")
class ProbabilitiesDistillation(keras.distillation.LogitsDistillation):
    """`keras.distillation.LogitsDistillation` of the logarithms of probabilities.

    The softmax of the logarithms of probabilities is the probabilities, so that the loss is that of
    the logits behind them.

    Args:
        temperature: By which the logarithms are divided before the softmax.
        loss: As for `LogitsDistillation`.
    """

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        def logits(outputs):
            return keras.tree.map_structure(lambda p: ops.log(ops.maximum(p, 1e-7)), outputs)

        return super().compute_loss(logits(teacher_outputs), logits(student_outputs), **kwargs)
