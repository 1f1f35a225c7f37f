"""RemembersTuning: a layer whose config says which of its parts have LoRA or are quantized.

`enable_lora` and `quantize` change the weights of a layer after it is built. Keras remembers that
in the config of the layer itself. A layer that makes its own sublayers, as an expert bank does, has
to remember it for them: else `keras.models.load_model` would make other weights than the file has.

It is part of the config from which a layer is built (`get_build_config`), since parts are there
only then.
"""

from collections.abc import Iterator
from typing import Any

import keras

from sparse_keras._internal import keras_private
from sparse_keras.layers.lora import LoraKernel


class RemembersTuning:
    """Mixin of layers with sublayers that are not in their config.

    What is not remembered is the LoRA of Keras's own layers, such as the Dense layers of an
    attention: Keras saves the sum of kernel and update, so that they are loaded without LoRA.
    """

    def get_build_config(self) -> dict[str, Any] | None:
        config = super().get_build_config()
        states = ((path, _state_of(part)) for path, part in _parts(self))
        tuned = {path: state for path, state in states if state}
        return {**(config or {}), "tuned": tuned} if tuned else config

    def build_from_config(self, config: dict[str, Any]) -> None:
        config = dict(config or {})
        tuned = config.pop("tuned", {})
        super().build_from_config(config)
        for path, part in _parts(self):
            if path in tuned:
                _restore(part, tuned[path])


def _state_of(part: keras.layers.Layer) -> dict[str, Any]:
    state: dict[str, Any] = {}
    if part.quantization_mode is not None:
        config = getattr(part, "quantization_config", None)
        state["quantization"] = {
            "mode": part.quantization_mode,
            "config": None if config is None else keras.saving.serialize_keras_object(config),
        }
    if isinstance(part, LoraKernel) and part.lora_enabled:
        frozen = [v.name for v in keras_private.own_weights(part) if not v.trainable]
        state["lora"] = {"rank": part.lora_rank, "alpha": part.lora_alpha, "frozen": frozen}
    return state


def _restore(part: keras.layers.Layer, state: dict[str, Any]) -> None:
    quantization, lora = state.get("quantization"), state.get("lora")
    if quantization is not None and part.quantization_mode is None:
        config = quantization["config"]
        config = None if config is None else keras.saving.deserialize_keras_object(config)
        part.quantize(None if config else quantization["mode"], config=config)
    if lora is not None and not part.lora_enabled:
        part.enable_lora(lora["rank"], lora["alpha"])
        for variable in keras_private.own_weights(part):
            if variable.name in lora["frozen"]:
                variable.trainable = False


def _parts(layer: keras.layers.Layer, path: str = "") -> Iterator[tuple[str, keras.layers.Layer]]:
    """A layer and the layers inside it, each with the names that lead to it."""
    yield path, layer
    names: dict[str, int] = {}
    for part in keras_private.sublayers(layer):
        number = names[part.name] = names.get(part.name, 0) + 1
        name = part.name if number == 1 else f"{part.name}#{number}"
        yield from _parts(part, f"{path}/{name}")
