"""transformer_blocks: the blocks that models of texts share, dense or mixtures of experts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from sparse_keras.layers import (
    FeedForward,
    GatedSharedExpert,
    GroupedQueryAttention,
    LatentAttention,
    MixtureOfExperts,
    RMSNormalization,
    RotaryEmbedding,
    TransformerBlock,
    identifiers,
)
from sparse_keras.layers.initializers import for_group
from sparse_keras.layers.mixtures.resolve import separate
from sparse_keras.layers.transformer.self_attention import SelfAttention
from sparse_keras.layers.validation import non_negative_int, positive_int

# The names that configs use.
ATTENTIONS = {"grouped_query": GroupedQueryAttention, "latent": LatentAttention}
# Of the normalization after the last block; unlike Keras's, ours passes masks on.
NORMS = {"rms": RMSNormalization, "layer": keras.layers.LayerNormalization}


def transformer_blocks(
    *,
    causal: bool,
    depth: int,
    num_heads: int,
    num_kv_heads: int | None,
    head_dim: int | None,
    hidden_dim: int | None,
    activation: Any,
    gated: bool,
    use_bias: bool,
    experts: Any,
    router: Any,
    shared_expert: Any,
    dense_layers: int | Sequence[int],
    every: int,
    capacity_factor: float | None,
    eval_capacity_factor: float | None,
    drop_order: str,
    attention: Any,
    rotary: Any,
    norm: str,
    norm_placement: str,
    norm_epsilon: float,
    dropout: float,
    residual_multiplier: float,
    kernel_initializer: Any,
) -> list[TransformerBlock]:
    """Makes the blocks of a Transformer, each with layers and seeds of its own.

    Args:
        causal: Whether a token sees no later one.
        depth, num_heads, num_kv_heads, ...: As of `causal_lm`.

    Returns:
        A list of `depth` blocks that are not built.

    Raises:
        ValueError: If a name is unknown, or an argument has no effect.
    """
    depth = positive_int("depth", depth)
    sparse = [] if experts is None else _sparse_blocks(depth, dense_layers, every)
    _check(experts, shared_expert, hidden_dim, sparse, depth, dense_layers, every)
    # It has no weights: one serves all blocks.
    rotary_layer = RotaryEmbedding(**{} if rotary is True else rotary) if rotary else None

    windows = _windows((attention or {}).get("sliding_window"), depth)

    def make_attention(number):
        given = {"type": "grouped_query", **(attention or {})}
        if windows is not None:
            given["sliding_window"] = windows[number]
        heads = {"num_kv_heads": num_kv_heads, "head_dim": head_dim}
        heads |= {"qkv_bias": use_bias, "output_bias": use_bias}
        if given["type"] == "latent":
            if any(heads.values()):
                raise ValueError(
                    "`num_kv_heads`, `head_dim` and `use_bias` are for grouped-query attention. "
                    f"Received: num_kv_heads={num_kv_heads}, head_dim={head_dim}, "
                    f"use_bias={use_bias}, attention={attention!r}."
                )
            heads = {}
        defaults = {
            "num_heads": num_heads,
            "causal": causal,
            **heads,
            "rotary": rotary_layer,
            "norm_epsilon": norm_epsilon,
            "kernel_initializer": own_initializer(f"attention_{number}"),
            "name": "attention",
        }
        return identifiers.get(given, ATTENTIONS, SelfAttention, "an attention", **defaults)

    def own_initializer(role):
        return for_group(keras.initializers.get(kernel_initializer), role, 0)

    def make_feed_forward(number):
        if number not in sparse:
            return FeedForward(
                hidden_dim,
                activation=activation,
                gated=gated,
                use_bias=use_bias,
                kernel_initializer=own_initializer(f"feed_forward_{number}"),
                name="feed_forward",
            )
        return MixtureOfExperts(
            separate(experts, f"experts_{number}"),
            router=separate(router, f"router_{number}"),
            shared_expert=shared_expert and _shared_expert(**shared_expert),
            capacity_factor=capacity_factor,
            eval_capacity_factor=eval_capacity_factor,
            drop_order=drop_order,
            name="mixture",
        )

    return [
        TransformerBlock(
            make_attention(number),
            make_feed_forward(number),
            norm=norm,
            norm_placement=norm_placement,
            norm_epsilon=norm_epsilon,
            dropout=dropout,
            residual_multiplier=residual_multiplier,
            name=f"block_{number}",
        )
        for number in range(depth)
    ]


def checked_blocks(blocks: Any, causal: bool) -> list[TransformerBlock]:
    """Returns the blocks of a model as a list.

    Args:
        blocks: A list of blocks, or one.
        causal: Whether their tokens must not see later ones, or must see all others.

    Raises:
        ValueError: If one is no `TransformerBlock`, is there twice or sees other tokens; or if
            there is none.
    """
    blocks = list(blocks) if isinstance(blocks, (list, tuple)) else [blocks]
    for block in blocks:
        if not isinstance(block, TransformerBlock):
            raise ValueError(f"`blocks` must be TransformerBlocks. Received: {block!r}.")
        if block.attention.causal != causal:
            rule = (
                "A language model must not see later tokens."
                if causal
                else "The tokens of an encoder see all others."
            )
            raise ValueError(f"{rule} Received: a block with causal={not causal}, {block.name!r}.")
    if not blocks or len({id(block) for block in blocks}) < len(blocks):
        raise ValueError(
            "`blocks` must be at least one TransformerBlock, each one once. Received: "
            f"{[block.name for block in blocks]}."
        )
    return blocks


def _sparse_blocks(depth, dense_layers, every):
    """Returns the numbers of the blocks with experts."""
    every = positive_int("every", every)
    if isinstance(dense_layers, (list, tuple)):
        dense = {non_negative_int("dense_layers", number) for number in dense_layers}
        if dense and max(dense) >= depth:
            raise ValueError(
                f"`dense_layers` are numbers of blocks, from 0 to {depth - 1}. Received: "
                f"dense_layers={dense_layers}."
            )
    else:
        dense = set(range(non_negative_int("dense_layers", dense_layers)))
    return [n for n in range(depth) if n not in dense and (n + 1) % every == 0]


def _windows(sliding_window, depth):
    """Returns the window of each block, or `None` where one number is for all."""
    if not isinstance(sliding_window, (list, tuple)):
        return None
    if not sliding_window or len(sliding_window) > depth:
        raise ValueError(
            f"`sliding_window` of {depth} blocks is a number, or a list of up to {depth}, which "
            f"starts again where it ends. Received: {sliding_window!r}."
        )
    return [sliding_window[number % len(sliding_window)] for number in range(depth)]


def _check(experts, shared_expert, hidden_dim, sparse, depth, dense_layers, every):
    if experts is None and shared_expert is not None:
        raise ValueError(
            "`shared_expert` is for blocks with experts. Received: experts=None, "
            f"shared_expert={shared_expert!r}."
        )
    if experts is not None and not sparse:
        raise ValueError(
            f"No block would have the experts. Received: depth={depth}, "
            f"dense_layers={dense_layers}, every={every}."
        )
    if (len(sparse) < depth) != (hidden_dim is not None):
        raise ValueError(
            f"`hidden_dim` is the width of dense blocks, of which there are {depth - len(sparse)}. "
            f"Received: hidden_dim={hidden_dim}."
        )


def _shared_expert(hidden_dim, activation="silu", gated=False):
    expert = FeedForward(hidden_dim, activation=activation, name="shared_expert")
    return GatedSharedExpert(expert, name="gated_shared_expert") if gated else expert
