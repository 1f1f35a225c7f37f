"""sparsify and densify: change how the mixture blocks of a KerasHub model compute."""

from __future__ import annotations

from typing import Any

import keras

from sparse_keras._internal import keras_private
from sparse_keras._internal.strategy import strategy_scope
from sparse_keras._internal.suggest import listing
from sparse_keras.hub.blocks import SparseBlock
from sparse_keras.hub.families import (
    NAMES,
    check_fits,
    family_of,
    has_sparse_class,
    sparse_class,
)
from sparse_keras.hub.sequences import SparseDecoder
from sparse_keras.layers.validation import optional_number


def sparsify(
    model: keras.layers.Layer,
    balance_loss: float | None = None,
    bias_update_rate: float | None = None,
) -> keras.layers.Layer:
    """Makes the mixture-of-experts blocks of a KerasHub model compute the selected experts only.

    KerasHub computes every expert for every token, and multiplies what was not selected by zero. A
    sparsified model computes the same outputs from the same variables, which are neither copied
    nor renamed: weights, presets and `.keras` files go both ways between plain and sparse models,
    and a sparsified model that is saved loads as a plain one. Training, generation and
    `enable_lora` work as before. `quantize` leaves experts as they are, as in KerasHub.

    Callbacks, `inspect` and `routing.record` see the blocks as they see this library's mixtures.

    The model is changed in place, whether it was compiled or has generated before or not. Pass the
    outermost model: what another model with the same layers has compiled stays as it is.
    Sparsifying a model again changes nothing but the balancing that is given.

    Args:
        model: A backbone or task of KerasHub, or any model or layer that contains one. Families:
            Mixtral, Qwen-MoE, Qwen3-MoE, Qwen3.5-MoE, GPT-OSS, and Gemma 4 with experts.
        balance_loss: Weight of `losses.load_balance_loss`, which each block then adds in training
            instead of KerasHub's loss. Padding is ignored. (KerasHub's loss counts padding in
            Qwen-MoE and Qwen3-MoE; GPT-OSS and Gemma 4 have none.) 0 for no loss. `None` leaves
            what there is, at first KerasHub's.
        bias_update_rate: Step of a selection bias, which balances without a loss: experts are
            selected by their score plus bias (GPT-OSS: logit plus bias), and each training step
            moves the bias by this much against the load, unless the block is frozen. Scores of
            E experts are 1/E on average: a hundredth of that is a good start. A balance loss is
            added only if it is given, too. The bias is a further variable of each block, which
            `save_weights` saves. `.keras` files and presets load as plain models, without it: to
            keep it, call `sparsify`, then `load_weights`.

    Returns:
        The same model.

    Raises:
        ValueError: If `model` is no Keras model or layer, or has no such block, or one that this
            version of the library does not know, or if a number is negative. Nothing is changed
            then.

    Example:

    ```python
    model = keras_hub.models.CausalLM.from_preset("qwen3_moe_30b_a3b_en")
    sparse_keras.hub.sparsify(model)
    model.generate("Mixture of experts")
    ```

    Reference:
        [Auxiliary-Loss-Free Load Balancing](https://arxiv.org/abs/2408.15664) for the bias.
    """
    optional_number("balance_loss", balance_loss, "[0, inf)")
    optional_number("bias_update_rate", bias_update_rate, "[0, inf)")
    layers = _layers_of(model)
    plain = [(layer, family) for layer in layers if (family := family_of(layer)) is not None]
    if not plain and not is_sparse(model):
        raise ValueError(
            f"`sparsify` found no mixture-of-experts block of KerasHub in {model.name!r}, a "
            f"{type(model).__name__}. It knows those of {listing(NAMES)}. A model of your own is "
            "sparse if it is made of sparse_keras.layers.MixtureOfExperts."
        )
    for layer, family in plain:
        check_fits(layer, family)
    for layer in layers:
        if has_sparse_class(layer):
            layer.__class__ = sparse_class(type(layer))
    for layer, _ in plain:
        layer.become_sparse()
    for layer in layers:
        if isinstance(layer, SparseDecoder):
            layer.connect()
    with strategy_scope(model):
        for block in _blocks(layers):
            block.set_balance(balance_loss, bias_update_rate)
    _forget_compiled(layers)
    return model


def densify(model: keras.layers.Layer) -> keras.layers.Layer:
    """Makes a sparsified model compute as KerasHub does, every expert for every token.

    Counts of the routing and a selection bias, which KerasHub does not have, are removed.

    Args:
        model: The model, which is changed in place. One that is not sparsified stays as it is.

    Returns:
        The same model.
    """
    layers = _layers_of(model)
    for block in _blocks(layers):
        block.become_dense()
    for layer in layers:
        dense = getattr(type(layer), "dense_class", None)
        if dense is not None:
            layer.__class__ = dense
    _forget_compiled(layers)
    return model


def is_sparse(model: keras.layers.Layer) -> bool:
    """Returns whether `sparsify` has changed a block of the model."""
    return bool(_blocks(_layers_of(model)))


def _layers_of(model: Any) -> list[keras.layers.Layer]:
    if not isinstance(model, keras.layers.Layer):
        raise ValueError(
            "Expected a model of KerasHub, such as keras_hub.models.CausalLM.from_preset(...). "
            f"Received: {model!r} of type {type(model).__name__}."
        )
    return keras_private.all_layers(model)


def _blocks(layers: list[Any]) -> list[SparseBlock]:
    return [layer for layer in layers if isinstance(layer, SparseBlock)]


def _forget_compiled(layers: list[Any]) -> None:
    for layer in layers:
        if isinstance(layer, keras.Model):
            keras_private.forget_compiled(layer)
