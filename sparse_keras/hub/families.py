"""KerasHub's families: the blocks that can be sparse, by the classes that KerasHub gives them."""

from __future__ import annotations

import dataclasses
import functools
from importlib import metadata
from typing import Any

from sparse_keras._internal.suggest import listing
from sparse_keras.hub import blocks

# The blocks were compared with those of these versions.
KNOWN_VERSIONS = ("0.32",)


@dataclasses.dataclass(frozen=True)
class Family:
    """A family of models.

    Args:
        name: What KerasHub calls it.
        module: Where its block is defined, below `keras_hub.src.models`.
        block: The class of the block.
        sparse: The class that computes the block by the selected experts only.
        attributes: What the sparse class needs of the block.
    """

    name: str
    module: str
    block: str
    sparse: type[blocks.SparseBlock]
    attributes: tuple[str, ...]


_SOFTMAX = ("hidden_dim", "num_experts", "top_k", "expert_bank")
FAMILIES = (
    Family(
        "Mixtral",
        "mixtral.mixtral_decoder",
        "MixtralSparseMoeBlock",
        blocks.SparseMixtral,
        (*_SOFTMAX, "_sparse_feedforward_gate_dense", "router_aux_loss_coef"),
    ),
    Family(
        "Qwen-MoE",
        "qwen_moe.qwen_moe_decoder",
        "QwenSparseMoeBlock",
        blocks.SparseQwenMoe,
        (*_SOFTMAX, "norm_top_k_prob", "shared_expert_dense", "shared_expert_gate_dense"),
    ),
    Family(
        "Qwen3-MoE",
        "qwen3_moe.qwen3_moe_decoder",
        "Qwen3SparseMoeBlock",
        blocks.SparseQwen3Moe,
        (*_SOFTMAX, "norm_top_k_prob", "_sparse_feedforward_gate_dense"),
    ),
    Family(
        "Qwen3.5-MoE",
        "qwen3_5_moe.qwen3_5_moe_decoder",
        "Qwen3_5MoeSparseMoeBlock",
        blocks.SparseQwen35Moe,
        (*_SOFTMAX, "_router_gate", "shared_expert", "_shared_expert_gate"),
    ),
    Family(
        "GPT-OSS",
        "gpt_oss.gpt_oss_decoder",
        "GptOssSparseMoeBlock",
        blocks.SparseGptOss,
        ("hidden_dim", "num_experts", "top_k", "router", "experts"),
    ),
    Family(
        "Gemma 4",
        "gemma4.gemma4_moe",
        "Gemma4MoEBlock",
        blocks.SparseGemma4,
        ("num_experts", "gate_proj", "up_proj", "down_proj", "per_expert_scale"),
    ),
)
_BY_CLASS = {(f"keras_hub.src.models.{f.module}", f.block): f for f in FAMILIES}
NAMES = tuple(family.name for family in FAMILIES)


def family_of(layer: Any) -> Family | None:
    """Returns the family of a block of KerasHub that is not sparse yet, or `None`."""
    cls = type(layer)
    return _BY_CLASS.get((cls.__module__, cls.__name__))


@functools.cache
def sparse_class(dense: type) -> type:
    """Returns the class of sparse blocks for a class of KerasHub, which is one of its bases."""
    family = _BY_CLASS[dense.__module__, dense.__name__]
    return type(f"Sparse{dense.__name__}", (family.sparse, dense), {"dense_class": dense})


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
