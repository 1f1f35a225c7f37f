"""NextToken: which token comes next?"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import keras

from sparse_keras.tasks.bits_per_byte import BitsPerByte
from sparse_keras.tasks.metric_info import MetricInfo
from sparse_keras.tasks.perplexity import Perplexity
from sparse_keras.tasks.single_task import SingleTask

# A label that counts neither in the loss nor in a metric.
IGNORED = -100


@keras.saving.register_keras_serializable(package="sparse_keras")
@dataclasses.dataclass(frozen=True)
class NextToken(SingleTask):
    """The next token of a text, at each position. A model predicts logits, `[N, T, V]`.

    Labels are token ids, int `[N, T]`; those that are -100 do not count.

    Args:
        name: What is predicted.
        vocabulary_size: V, the number of tokens.
        token_bytes: The number of bytes of each token, by id, for `BitsPerByte`. Empty: that metric
            is left out.
    """

    name: str = "next_token"
    vocabulary_size: int = 0
    token_bytes: tuple[int, ...] = ()

    kind: ClassVar[str] = "next_token"
    LOSSES: ClassVar[tuple[str, ...]] = ("cross_entropy",)
    METRICS: ClassVar[dict[str, MetricInfo]] = {
        "loss": MetricInfo("loss", "min", compared=True),
        "perplexity": MetricInfo("perplexity", "min", compared=True),
        "bits_per_byte": MetricInfo("bits per byte", "min", compared=True),
    }
    SCORED_BY_BATCHES: ClassVar[bool] = True

    def __post_init__(self):
        object.__setattr__(self, "token_bytes", tuple(self.token_bytes))
        if self.token_bytes and len(self.token_bytes) != self.vocabulary_size:
            raise ValueError(
                f"`token_bytes` must have a number for each of the {self.vocabulary_size} tokens. "
                f"Received: {len(self.token_bytes)} numbers."
            )

    @property
    def outputs(self) -> int:
        return self.vocabulary_size

    def make_loss(self, kind, options, reduction):
        if options.get("label_smoothing"):
            raise ValueError(
                "training.loss: label_smoothing does not fit a language model, whose perplexity "
                f"is that of its loss. Received: label_smoothing={options['label_smoothing']}."
            )
        return keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, ignore_class=IGNORED, reduction=reduction
        )

    def metrics(self):
        metrics: list[keras.metrics.Metric] = [Perplexity(ignore_class=IGNORED)]
        if self.token_bytes:
            metrics.append(BitsPerByte(self.token_bytes, ignore_class=IGNORED))
        return metrics

    def exact_from_logs(self, logs):
        # Keras's mean of the batches counts tokens more in a batch where others are ignored.
        return {"loss": math.log(logs["perplexity"])} if logs.get("perplexity", 0) > 0 else {}

    def head(self, x, name="head", layer=keras.layers.Dense):
        raise ValueError(
            "The next token is predicted by a language model, which has a head of its own. Choose "
            "model.type causal_lm, or data with labels."
        )

    def decode(self, predictions) -> Any:
        """Returns the id of the most likely next token at each position, int `[N, T]`."""
        return keras.ops.convert_to_numpy(keras.ops.argmax(predictions, axis=-1))

    def to_frame(self, predictions, column="prediction", prefix="probability_"):
        raise ValueError(
            "A language model predicts a token at each position, which is no table. "
            "`model.generate(prompts)` continues texts."
        )
