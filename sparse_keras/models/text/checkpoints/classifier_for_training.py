"""load_classifier_for_training: a classifier of a config whose weights come from a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras

from sparse_keras._internal.suggest import listing
from sparse_keras.data import TextInputs, TextPreprocessor
from sparse_keras.models.text.checkpoints.for_training import (
    check_texts_fit,
    is_saved,
    saved_network,
    upcycled,
)
from sparse_keras.models.text.checkpoints.load import load_network
from sparse_keras.models.text.encoder_classifier import encoder_classifier
from sparse_keras.models.text.encoder_model import TextEncoder

if TYPE_CHECKING:
    from sparse_keras.tasks import SingleTask


def load_classifier_for_training(
    path: str,
    inputs: TextInputs,
    task: SingleTask,
    upcycle: Mapping[str, Any] | None = None,
    pooling: str = "mean",
    dropout: float = 0.0,
    head_dropout: float = 0.0,
) -> keras.Model:
    """Loads a network to train it as a classifier of texts.

    Args:
        path: A published encoder, as for `load_pretrained`, or a `.keras` file of a `TextEncoder`:
            it gets a new head. Or a run's folder or a `.keras` file of a classifier, which is
            trained further.
        inputs: The `TextInputs` of the texts.
        task: What is predicted.
        upcycle: The arguments of `sparse_keras.upcycle` that make it sparse. `None`: it stays as it
            is.
        pooling, head_dropout: Of the new head, as for `encoder_classifier`.
        dropout: Rate of dropout on the embeddings and on each block's two outputs, of a published
            encoder.

    Raises:
        ValueError: If it cannot be loaded or made sparse, the texts or the classes do not fit it,
            or an argument has no effect.
    """
    if not is_saved(path):
        model, _ = load_network(path, tokenizer=False, dropout=dropout)
        if not isinstance(model, TextEncoder):
            raise ValueError(
                f"model.checkpoint must be an encoder. {path!r} is a language model: choose "
                "model.type causal_lm, for texts without labels."
            )
    else:
        model, preprocessor = saved_network(path, inputs)
        _check_said(path, {"dropout": dropout})
        if not isinstance(model, TextEncoder):
            _check_said(path, {"head_dropout": head_dropout})
            if pooling != "mean":
                _check_said(path, {"pooling": pooling})
            _check_classifier(path, model, preprocessor, inputs, task)
            return upcycled(model, upcycle, path)
        model.tokenizer = None  # That of the data is saved with the classifier.
    check_texts_fit(model, inputs, path, "data.max_length", "texts")
    model = upcycled(model, upcycle, path)
    return encoder_classifier(model, task, pooling=pooling, head_dropout=head_dropout)


def _check_said(path, given):
    """Raises a ValueError if a key of a config has no effect, beside a model that has it."""
    for key, value in given.items():
        if value:
            raise ValueError(
                f"model.{key} has no effect: the trained model of {path!r} says it. Received: "
                f"model.{key}={value}."
            )


def _check_classifier(path, model, preprocessor, inputs, task):
    if not isinstance(preprocessor, TextPreprocessor):
        raise ValueError(
            "model.checkpoint must be an encoder, or a classifier of texts with its preprocessing. "
            f"{path!r} holds a {type(model).__name__}"
            f"{'' if preprocessor is None else f' with a {type(preprocessor).__name__}'}."
        )
    theirs = preprocessor.task
    if (theirs.kind, theirs.classes) != (task.kind, task.classes):
        raise ValueError(
            f"The model of {path!r} predicts {listing(map(str, theirs.classes), 10)}. Received: "
            f"data with the classes {listing(map(str, task.classes), 10)}."
        )
    if inputs.length > preprocessor.longest:
        raise ValueError(
            f"The model of {path!r} reads texts of up to {preprocessor.max_length:,} tokens. Set "
            f"data.max_length to at most {preprocessor.max_length}."
        )
