"""load_for_training: the model of a config whose weights come from a file."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from sparse_keras._internal import keras_private
from sparse_keras._internal.builders import resolve
from sparse_keras._internal.suggest import listing
from sparse_keras.data import Preprocessor, TextInputs
from sparse_keras.models.text.checkpoints.load import load_network
from sparse_keras.models.text.language_model import CausalLM


def load_for_training(
    path: str, inputs: TextInputs, upcycle: Mapping[str, Any] | None = None
) -> CausalLM:
    """Loads the network of a checkpoint to train it on texts.

    Args:
        path: As for `load_pretrained`; or a run's folder or a `.keras` file of a language model.
        inputs: The `TextInputs` of the texts.
        upcycle: The arguments of `sparse_keras.upcycle` that make it sparse. `None`: it stays as it
            is.

    Raises:
        ValueError: If it cannot be loaded or made sparse, or the texts do not fit it.
    """
    if is_saved(path):
        model, _ = saved_network(path, inputs)
        if not isinstance(model, CausalLM):
            raise ValueError(
                f"model.checkpoint must be a language model. {path!r} holds a "
                f"{type(model).__name__}."
            )
    else:
        model, _ = load_network(path, tokenizer=False)
        if not isinstance(model, CausalLM):
            raise ValueError(
                f"model.checkpoint must be a language model. {path!r} is an encoder: choose "
                "model.type text_classifier, for texts with labels."
            )
    check_texts_fit(model, inputs, path, "data.context_length", "examples")
    return upcycled(model, upcycle, path)


def check_texts_fit(model: Any, inputs: TextInputs, path: str, key: str, what: str) -> None:
    """Raises a ValueError if a model cannot read the texts of some data.

    Args:
        model: A `CausalLM` or a `TextEncoder`.
        inputs: The `TextInputs` of the texts.
        path: Where the model is from.
        key: The key of a config that limits their length.
        what: What is that long.
    """
    if inputs.vocabulary_size > model.vocabulary_size:
        raise ValueError(
            f"The tokenizer has {inputs.vocabulary_size:,} tokens, and the model of {path!r} reads "
            f"{model.vocabulary_size:,}: they do not belong together. Set data.tokenizer to the "
            "tokenizer.json of the checkpoint."
        )
    most = model.context_length
    if most is not None and inputs.length > most:
        raise ValueError(
            f"The context of the model of {path!r} is {most:,} tokens. Received: "
            f"{what} of {inputs.length:,} tokens. Set {key} to at most {most - inputs.added}."
        )


def upcycled(model: Any, upcycle: Mapping[str, Any] | None, path: str) -> Any:
    """Makes a model sparse, if there are arguments of `sparse_keras.upcycle`."""
    if upcycle is None:
        return model
    try:
        # Like Keras's initializers, it draws its seed from the generator that `train` seeds.
        return resolve("sparse_keras.upcycling:upcycle")(
            model, **upcycle, seed=random.randrange(2**31)
        )
    except ValueError as error:
        raise ValueError(f"model.upcycle, of the checkpoint {path!r}: {error}") from error


def is_saved(path: str) -> bool:
    """Whether it is what Keras saved: a `.keras` file, or a folder of a run and no checkpoint."""
    if Path(path).is_dir():
        return (Path(path) / "environment.json").exists()
    return path.endswith(".keras")


def saved_network(path: str, inputs: TextInputs) -> tuple[keras.Model, Preprocessor | None]:
    """Loads the network of a run's folder or a `.keras` file, and its preprocessor, if any.

    Raises:
        ValueError: If it was trained with another tokenizer or precision, or training would not go
            on with all of it.
    """
    model = resolve("sparse_keras.training.load_model:load_model")(path)
    preprocessor = getattr(model, "preprocessor", None)
    core = getattr(model, "core", model)
    tokenizer = getattr(core if preprocessor is None else preprocessor, "tokenizer", None)
    if tokenizer is not None and inputs.tokenizer is not None:
        if tokenizer.get_config() != inputs.tokenizer.get_config():
            raise ValueError(
                f"The model of {path!r} was trained with another tokenizer than that of the data. "
                f"Set data.tokenizer to {path!r}, to take it from there."
            )
    _check_trainable(core, path)
    wanted = keras.config.dtype_policy().name
    if core.dtype_policy.name != wanted:
        raise ValueError(
            f"The model of {path!r} has the precision {core.dtype_policy.name}. Received: "
            f"training.precision={wanted}. Set it to {core.dtype_policy.name}."
        )
    for layer in keras_private.all_layers(core):
        for generator in keras_private.own_seed_generators(layer):
            # Dropout depends on the seed of this training.
            generator.state.assign(keras.random.SeedGenerator().state)
    return core, preprocessor


def _check_trainable(core: keras.Model, path: str) -> None:
    """Raises a ValueError if fine-tuning has left what a training would not go on with."""
    layers = keras_private.all_layers(core)
    unused = {id(one.pooler) for one in layers if getattr(one, "pooler_frozen", False)}
    states = {
        "are frozen": lambda layer: not layer.trainable and id(layer) not in unused,
        "have LoRA": lambda layer: getattr(layer, "lora_enabled", False),
        "are quantized": lambda layer: getattr(layer, "quantization_mode", None) is not None,
    }
    for state, is_so in states.items():
        names = [layer.path for layer in layers if is_so(layer)]
        if names:
            raise ValueError(
                f"Layers of the model of {path!r} {state}: {listing(names, 4)}. A config trains on "
                "a model whose weights all train. Load it, set `trainable = True` or call "
                "`sparse_keras.merge_lora`, and save it to a .keras file."
            )
