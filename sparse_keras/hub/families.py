"""KerasHub's families: the blocks that can be sparse, by the classes that KerasHub gives them."""

from __future__ import annotations

import dataclasses
import functools
from importlib import metadata
from typing import Any

from sparse_keras._internal.suggest import listing
from sparse_keras.hub import blocks
from sparse_keras.hub.sequences import SparseDecoder, SparseGemma4Decoder

# The blocks were compared with those of these versions.
KNOWN_VERSIONS = ("0.32",)


@dataclasses.dataclass(frozen=True)
class Family:
    """A family of models.

    Args:
        name: What KerasHub calls it.
        module: Where its layers are defined, below `keras_hub.src.models`.
        block: The class of the mixture block.
        sparse: What computes the block by the selected experts only.
        attributes: What that needs of the block.
        decoder: The module, if it is another, and the class of the decoder layer around the block.
        sparse_decoder: What tells the block inside which tokens are padding.
        router: The class of the router and what replaces it, if the router is not the block's own.
    """

    name: str
    module: str
    block: str
    sparse: type[blocks.SparseBlock]
    attributes: tuple[str, ...]
    decoder: str
    sparse_decoder: type[SparseDecoder] = SparseDecoder
    router: tuple[str, type] | None = None

    @property
    def classes(self) -> dict[tuple[str, str], type]:
        """What is mixed into each class of KerasHub, by its module and name."""
        module = f"keras_hub.src.models.{self.module}"
        decoder_module, _, decoder = self.decoder.rpartition(".")
        decoder_module = f"keras_hub.src.models.{decoder_module}" if decoder_module else module
        classes = {
            (module, self.block): self.sparse,
            (decoder_module, decoder): self.sparse_decoder,
        }
        if self.router is not None:
            name, sparse_router = self.router
            classes[module, name] = sparse_router
        return classes


_SOFTMAX = ("hidden_dim", "num_experts", "top_k", "expert_bank")
FAMILIES = (
    Family(
        "Mixtral",
        "mixtral.mixtral_decoder",
        "MixtralSparseMoeBlock",
        blocks.SparseMixtral,
        (*_SOFTMAX, "_sparse_feedforward_gate_dense", "router_aux_loss_coef"),
        "MixtralTransformerDecoder",
    ),
    Family(
        "Qwen-MoE",
        "qwen_moe.qwen_moe_decoder",
        "QwenSparseMoeBlock",
        blocks.SparseQwenMoe,
        (*_SOFTMAX, "norm_top_k_prob", "shared_expert_dense", "shared_expert_gate_dense"),
        "QwenMoeTransformerDecoder",
    ),
    Family(
        "Qwen3-MoE",
        "qwen3_moe.qwen3_moe_decoder",
        "Qwen3SparseMoeBlock",
        blocks.SparseQwen3Moe,
        (*_SOFTMAX, "norm_top_k_prob", "_sparse_feedforward_gate_dense"),
        "Qwen3MoeTransformerDecoder",
    ),
    Family(
        "Qwen3.5-MoE",
        "qwen3_5_moe.qwen3_5_moe_decoder",
        "Qwen3_5MoeSparseMoeBlock",
        blocks.SparseQwen35Moe,
        (*_SOFTMAX, "_router_gate", "shared_expert", "_shared_expert_gate"),
        "Qwen3_5MoeTransformerDecoder",
    ),
    Family(
        "GPT-OSS",
        "gpt_oss.gpt_oss_decoder",
        "GptOssSparseMoeBlock",
        blocks.SparseGptOss,
        ("hidden_dim", "num_experts", "top_k", "router", "experts"),
        "GptOssTransformerDecoder",
    ),
    Family(
        "Gemma 4",
        "gemma4.gemma4_moe",
        "Gemma4MoEBlock",
        blocks.SparseGemma4,
        ("num_experts", "gate_proj", "up_proj", "down_proj", "per_expert_scale"),
        "gemma4.gemma4_decoder_block.Gemma4TextDecoderBlock",
        SparseGemma4Decoder,
        ("Gemma4Router", blocks.SparseGemma4Router),
    ),
)
NAMES = tuple(family.name for family in FAMILIES)
_BY_BLOCK = {(f"keras_hub.src.models.{f.module}", f.block): f for f in FAMILIES}
_MIXED_IN = {key: mixin for family in FAMILIES for key, mixin in family.classes.items()}


def family_of(layer: Any) -> Family | None:
    """Returns the family of a block of KerasHub that is not sparse yet, or `None`."""
    return _BY_BLOCK.get(_key(type(layer)))


def has_sparse_class(layer: Any) -> bool:
    """Returns whether a layer has to be of another class in a sparsified model."""
    return _key(type(layer)) in _MIXED_IN


@functools.cache
def sparse_class(dense: type) -> type:
    """Returns what a layer of a class of KerasHub becomes: a subclass of that.

    It has the same name and module, by which Keras finds the layers of a model in a file of
    weights, and their class in a config. What is made from a config, such as a clone, is dense.
    """
    bases = (_MIXED_IN[_key(dense)], dense)
    attributes = {
        "dense_class": dense,
        "__module__": dense.__module__,
        "from_config": staticmethod(dense.from_config),
    }
    return type(dense.__name__, bases, attributes)


def _key(cls: type) -> tuple[str, str] | None:
    """What identifies a class of KerasHub, `None` for a sparse one."""
    return None if hasattr(cls, "dense_class") else (cls.__module__, cls.__name__)


def check_fits(layer: Any, family: Family) -> None:
    """Checks that a block is what this version of the library knows.

    Raises:
        ValueError: If it is not, or not built yet.
    """
    version = metadata.version("keras-hub")
    if not version.startswith(tuple(f"{known}." for known in KNOWN_VERSIONS)):
        raise ValueError(
            f"`sparsify` knows the blocks of keras-hub {listing(KNOWN_VERSIONS)}. Received: "
            f"{version}. Install one of these, or a later sparse-keras."
        )
    if not layer.built:
        raise ValueError(
            f"The block {layer.name!r} has no weights yet. Build the model before `sparsify`: a "
            "backbone of KerasHub is built when it is created."
        )
    missing = [name for name in family.attributes if not hasattr(layer, name)]
    if missing:
        raise ValueError(
            f"The block {layer.name!r} is not a {family.name} block as keras-hub {version} makes "
            f"it: it has no {listing(missing)}."
        )
