"""encoder_classifier: an encoder with a new head, which predicts classes of texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from sparse_keras import tasks
from sparse_keras.layers.validation import one_of
from sparse_keras.models.text.encoder_model import TextEncoder
from sparse_keras.models.text.pooling import POOLINGS, pooled

if TYPE_CHECKING:
    from sparse_keras.tasks import SingleTask

POOLER = "pooler"


def encoder_classifier(
    encoder: TextEncoder,
    task: SingleTask | str = "binary",
    pooling: str = "mean",
    head_dropout: float = 0.0,
    name: str = "text_classifier",
) -> keras.Model:
    """Puts a new head on an encoder, such as a published one, to fine-tune it.

        token ids --> encoder --> pooling --> head

    Padding is not pooled. The encoder is part of the model, and trained with it: `freeze` or
    `enable_lora` choose parts of it. A pooler that `pooling` does not use is frozen.

    Args:
        encoder: The `TextEncoder`.
        task: What is predicted: a `SingleTask`, or `"binary"`.
        pooling: How the tokens of a text become one vector: `"mean"`, `"attention"`, `"max"` or
            `"first"`, as of `text_classifier`; or `"pooler"`, the pooler of BERT.
        head_dropout: Rate of dropout on what the head sees.
        name: Name of the model.

    Returns:
        An uncompiled `keras.Model`. Its inputs are `{"token_ids": int32 [B, T], "mask": bool
        [B, T]}`, with False for padding, as `data.TextPreprocessor` makes them; its outputs are
        those of the task's head.

    Raises:
        ValueError: If it is no encoder, `pooling` is unknown, or there is no pooler.

    Example:

    >>> encoder = sparse_keras.models.text_encoder(
    ...     vocabulary_size=1000, depth=1, width=32, num_heads=4, hidden_dim=64
    ... )
    >>> model = sparse_keras.models.encoder_classifier(
    ...     encoder, sparse_keras.tasks.Multiclass(classes=("earn", "acq", "crude"))
    ... )
    >>> token_ids = np.array([[3, 1, 4, 0]])
    >>> model({"token_ids": token_ids, "mask": token_ids > 0}).shape
    TensorShape([1, 3])

    Reference:
        [BERT](https://arxiv.org/abs/1810.04805), section 4, for `"pooler"`.
    """
    if not isinstance(encoder, TextEncoder):
        raise ValueError(f"`encoder` must be a TextEncoder. Received: {encoder!r}.")
    one_of("pooling", pooling, (*POOLINGS, POOLER))
    if pooling == POOLER and encoder.pooler is None:
        raise ValueError(
            f"{encoder.name!r} has no pooler. Received: pooling='pooler'. 'first' is the vector "
            "that it would see."
        )
    if encoder.pooler is not None:
        # Keras would warn at each training that it gets no gradient.
        encoder.pooler_frozen = pooling != POOLER
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    mask = keras.Input((None,), dtype="bool", name="mask")
    inputs = {"token_ids": token_ids, "mask": mask}
    if pooling == POOLER:
        x = encoder(inputs, pooled=True)
    else:
        x = pooled(encoder(inputs), mask, pooling)
    x = keras.layers.Dropout(head_dropout, name="head_dropout")(x)
    return keras.Model(inputs, tasks.get(task).head(x), name=name)
