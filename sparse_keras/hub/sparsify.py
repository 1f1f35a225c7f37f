"""sparsify and densify: change how the mixture blocks of a KerasHub model compute."""

from __future__ import annotations

from typing import Any

import keras

from sparse_keras._internal import keras_private
from sparse_keras._internal.suggest import listing
from sparse_keras.hub.blocks import SparseBlock, SparseGemma4
from sparse_keras.hub.families import NAMES, check_fits, family_of, sparse_class

# What Keras and KerasHub have compiled of a model, with the blocks as they were.
_COMPILED = ("train_function", "test_function", "predict_function", "generate_function")


def sparsify(model: keras.layers.Layer) -> keras.layers.Layer:
    """Makes the mixture-of-experts blocks of a KerasHub model compute the selected experts only.

    KerasHub computes every expert for every token, and multiplies what was not selected by zero. A
    sparsified model computes the same outputs from the same variables, which are neither copied
    nor renamed: weights, presets and `.keras` files go both ways between plain and sparse models,
    and a sparsified model that is saved loads as a plain one. Training, generation and
    `enable_lora` work as before. `quantize` leaves experts as they are, as in KerasHub.

    The model is changed in place, whether it was compiled or has generated before or not.
    Sparsifying it again changes nothing.

    Args:
        model: A backbone or task of KerasHub, or any model or layer that contains one. Families:
            Mixtral, Qwen-MoE, Qwen3-MoE, Qwen3.5-MoE, GPT-OSS, and Gemma 4 with experts.

    Returns:
        The same model.

    Raises:
        ValueError: If the model has no such block, or one that this version of the library does
            not know. Nothing is changed then.

    Example:

    ```python
    model = keras_hub.models.CausalLM.from_preset("qwen3_moe_30b_a3b_en")
    sparse_keras.hub.sparsify(model)
    model.generate("Mixture of experts")
    ```
    """
    layers = keras_private.all_layers(model)
    found = [(layer, family) for layer in layers if (family := family_of(layer)) is not None]
    if not found and not is_sparse(model):
        raise ValueError(
            f"`sparsify` found no mixture-of-experts block of KerasHub in {model.name!r}, a "
            f"{type(model).__name__}. It knows those of {listing(NAMES)}. A model of your own is "
            "sparse if it is made of sparse_keras.layers.MixtureOfExperts."
        )
    for layer, family in found:
        check_fits(layer, family)
    top_k = _top_k_of_banks(layers)
    for layer, _ in found:
        cls = sparse_class(type(layer))
        if issubclass(cls, SparseGemma4):
            # Past Keras, which locks the attributes of a layer that is built.
            object.__setattr__(layer, "sparse_top_k", top_k[id(layer)])
        layer.__class__ = cls
    _forget_compiled(layers)
    return model


def densify(model: keras.layers.Layer) -> keras.layers.Layer:
    """Makes a sparsified model compute as KerasHub does, every expert for every token.

    Args:
        model: The model, which is changed in place. One that is not sparsified stays as it is.

    Returns:
        The same model.
    """
    layers = keras_private.all_layers(model)
    for layer in layers:
        if isinstance(layer, SparseBlock):
            layer.__class__ = type(layer).dense_class
    _forget_compiled(layers)
    return model


def is_sparse(model: keras.layers.Layer) -> bool:
    """Returns whether `sparsify` has changed a block of the model."""
    return any(isinstance(layer, SparseBlock) for layer in keras_private.all_layers(model))


def _top_k_of_banks(layers) -> dict[int, int]:
    """The experts of a token, for each bank of Gemma 4: those of the router beside it."""
    return {
        id(layer.moe_expert_bank): layer.moe_router.num_experts_per_token
        for layer in layers
        if getattr(layer, "moe_expert_bank", None) is not None
    }


def _forget_compiled(layers: list[Any]) -> None:
    for model in (layer for layer in layers if isinstance(layer, keras.Model)):
        for name in _COMPILED:
            if getattr(model, name, None) is not None:
                setattr(model, name, None)
