"""KerasHub's dense models made sparse: mixtures in the blocks of a backbone.

KerasHub's blocks make their layers in `build`, from sizes, so that a config cannot say that one of
them is a mixture. So a mixture takes the place of a layer in a block that is built, and the class
of the backbone becomes one whose config says which blocks have mixtures.

    x = output_dense(intermediate_dense(x))                             x = mixture(x)
    x = output_dense(activation(gate_dense(x)) * intermediate_dense(x)) x = 1 * mixture(x)
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from sparse_keras._internal import keras_private
from sparse_keras.hub.sequences import SparseDecoder, current_sequences
from sparse_keras.layers import MixtureOfExperts
from sparse_keras.upcycling.feed_forward import DenseFeedForward

_GATE, _UP, _DOWN = (f"_feedforward_{part}_dense" for part in ("gate", "intermediate", "output"))
_PADDING_ARGUMENTS = ("decoder_padding_mask", "padding_mask")


def is_keras_hub(model: Any) -> bool:
    """Returns whether a model is a backbone or a task of KerasHub."""
    return _backbone_of(model) is not None


def feed_forwards_of(model: keras.Model) -> list[DenseFeedForward]:
    """Lists the dense feed-forward layers of a model of KerasHub; the `layer` of each is its block.

    Blocks of Llama, Mistral, Qwen, BERT, RoBERTa, GPT-2, GPT-NeoX and others have them as
    attributes of the same names. Experts of KerasHub's own mixtures are left out.
    """
    found = []
    for block in _blocks(_backbone_of(model)):
        parts = {"up": getattr(block, _UP), "down": getattr(block, _DOWN)}
        activation = parts["up"].activation
        if hasattr(block, _GATE):
            parts = {"gate": getattr(block, _GATE), **parts}
            activation = block.activation
        # Llama's is `keras.ops.silu`, which is no activation of a config.
        by_name = getattr(keras.activations, getattr(activation, "__name__", ""), None)
        found.append(
            DenseFeedForward(
                (block.name, block.path),
                block,
                kernels={name: part.kernel for name, part in parts.items()},
                biases={name: part.bias for name, part in parts.items() if part.bias is not None},
                activation=by_name or activation,
                dropout=0.0,
                policy=parts["up"].dtype_policy,
                mixture_name="mixture",
                mixture_class=BlockMixture,
            )
        )
    return found


def replace_in_blocks(
    model: keras.Model, mixtures: list[tuple[keras.layers.Layer, MixtureOfExperts, Callable]]
) -> keras.Model:
    """Makes a model of KerasHub again, with mixtures in its blocks.

    Args:
        model: The backbone or task.
        mixtures: For each block that gets one: the block, the mixture, and a function that sets the
            weights of the mixture once it is built.

    Returns:
        A new model with weights of its own. A task shares its preprocessor, which has none.
    """
    old = _backbone_of(model)
    new = type(old).from_config(old.get_config())
    _assign(old.weights, new.weights, old)
    blocks = {id(one): other for one, other in zip(_blocks(old), _blocks(new), strict=True)}
    _install(new, [(blocks[id(block)], mixture) for block, mixture, _ in mixtures])
    for _, mixture, fill in mixtures:
        fill(mixture)
    if model is old:
        return new
    config = {**model.get_config(), "backbone": new, "preprocessor": model.preprocessor}
    task = type(model).from_config(config)
    _assign(_beside(model, old), _beside(task, new), model)
    return task


@keras.saving.register_keras_serializable(package="sparse_keras")
class BlockMixture(MixtureOfExperts):
    """A `MixtureOfExperts` in a block of KerasHub, from which it gets the mask of padding.

    KerasHub's blocks call their layers without a mask, so that the block leaves it in
    `hub.sequences` while it runs.
    """

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool | None = None,
        return_routing: bool = False,
        token_ids: Any = None,
    ) -> Any:
        sequences = current_sequences()
        if mask is None and sequences is not None and sequences.mask is not None:
            mask = ops.reshape(sequences.mask, ops.shape(inputs)[:-1])
        return super().call(inputs, mask, training, return_routing, token_ids)


@keras.saving.register_keras_serializable(package="sparse_keras", name="UpcycledBackbone")
class UpcycledBackbone:
    """Mixin of a backbone of KerasHub whose blocks have mixtures. Its config describes them.

    Attributes:
        plain_class: The class of the dense backbone, in KerasHub.
    """

    plain_class: type

    def get_config(self) -> dict[str, Any]:
        backbone = {
            "module": self.plain_class.__module__,
            "class_name": self.plain_class.__name__,
            "registered_name": keras.saving.get_registered_name(self.plain_class),
            "config": self.plain_class.get_config(self),
        }
        serialize = keras.saving.serialize_keras_object
        mixtures = {
            str(number): serialize(getattr(block, _UP))
            for number, block in enumerate(_hosts(self))
            if isinstance(getattr(block, _UP), BlockMixture)
        }
        for mixture in mixtures.values():
            del mixture["build_config"]  # It is built in its block.
        return {"backbone": backbone, "mixtures": mixtures}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        deserialize = keras.saving.deserialize_keras_object
        backbone = deserialize(config["backbone"])
        blocks = _hosts(backbone)
        _install(
            backbone,
            [(blocks[int(n)], deserialize(mixture)) for n, mixture in config["mixtures"].items()],
        )
        return backbone


@functools.cache
def _upcycled_class(plain: type) -> type:
    """Returns a subclass of a backbone's class, for backbones with mixtures."""
    made = type(plain.__name__, (UpcycledBackbone, plain), {"plain_class": plain})
    made.__module__ = plain.__module__
    # All of them load by the same `from_config`, which does not look at the class.
    return keras.saving.register_keras_serializable("sparse_keras", "UpcycledBackbone")(made)


@functools.cache
def _masking_class(plain: type) -> type:
    """Returns a subclass of a block's class that gives its mixture the mask of padding.

    It is the class itself if its `call` takes no such mask.
    """
    arguments = inspect.signature(plain.call).parameters
    padding = [name for name in _PADDING_ARGUMENTS if name in arguments]
    if not padding:
        return plain
    attributes = {
        "dense_class": plain,
        "padding_argument": padding[0],
        "__module__": plain.__module__,
        "from_config": staticmethod(plain.from_config),
    }
    return type(plain.__name__, (SparseDecoder, plain), attributes)


def _install(backbone: Any, mixtures: list[tuple[Any, MixtureOfExperts]]) -> None:
    """Builds mixtures and puts them into blocks, in the place of their dense layers."""
    for block, mixture in mixtures:
        width = getattr(block, _UP).kernel.shape[0]
        policy = getattr(block, _UP).dtype_policy
        with contextlib.ExitStack() as scopes:
            for part in [*(block.path or block.name).split("/"), mixture.name]:
                scopes.enter_context(keras.name_scope(part))
            mixture.build((None, None, width))

        def same(name, policy=policy):
            return keras.layers.Identity(name=name, dtype=policy)

        keras_private.replace_sublayer(block, _UP, mixture)
        keras_private.replace_sublayer(block, _DOWN, same("feedforward_output"))
        if hasattr(block, _GATE):
            keras_private.replace_sublayer(block, _GATE, same("feedforward_gate"))
            block.activation = ops.ones_like
        block.__class__ = _masking_class(type(block))
    if not isinstance(backbone, UpcycledBackbone):
        backbone.__class__ = _upcycled_class(type(backbone))


def _backbone_of(model: Any) -> Any:
    """The backbone that a model of KerasHub is or has; `None` for other models."""
    if not any(cls.__module__.startswith("keras_hub.") for cls in type(model).__mro__):
        return None
    return getattr(model, "backbone", None) or model


def _hosts(backbone: Any) -> list[Any]:
    """Lists the blocks with attributes of a feed-forward layer, in the order of the model."""
    return [
        layer
        for layer in keras_private.layers_in_order(backbone)
        if hasattr(layer, _UP) and hasattr(layer, _DOWN)
    ]


def _blocks(backbone: Any) -> list[Any]:
    """Lists the blocks with a dense feed-forward layer."""
    return [
        block
        for block in _hosts(backbone)
        if all(
            type(getattr(block, name)) is keras.layers.Dense
            for name in (_GATE, _UP, _DOWN)
            if hasattr(block, name)
        )
    ]


def _beside(task: Any, backbone: Any) -> list[keras.Variable]:
    inside = {id(weight) for weight in backbone.weights}
    return [weight for weight in task.weights if id(weight) not in inside]


def _assign(old: list[Any], new: list[Any], model: Any) -> None:
    if [tuple(w.shape) for w in old] != [tuple(w.shape) for w in new]:
        raise ValueError(
            f"{model.name!r}, a {type(model).__name__}, has other weights when it is made from its "
            "config. LoRA has to be merged before."
        )
    for one, other in zip(old, new, strict=True):
        other.assign(one.value)
