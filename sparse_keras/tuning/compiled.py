"""Compiled models whose weights become frozen, trainable or others."""

import keras

from sparse_keras._internal import keras_private


def weights_have_changed(model: keras.layers.Layer) -> None:
    """Prepares a compiled model to train other weights than before.

    Compiled functions are forgotten, and made again when they are needed. An optimizer that is
    built is replaced by a new one with the same settings: its state belongs to weights that may be
    gone.
    """
    for layer in keras_private.all_layers(model):
        if isinstance(layer, keras.Model):
            keras_private.forget_compiled(layer)
            if hasattr(layer, "forget_compiled"):  # Of a language model, which generates.
                layer.forget_compiled()
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and optimizer.built:
        model.optimizer = type(optimizer).from_config(optimizer.get_config())
