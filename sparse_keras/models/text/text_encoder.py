"""text_encoder: an encoder of texts whose blocks are dense, or mixtures of experts."""

from collections.abc import Sequence
from typing import Any

from sparse_keras.models.text.blocks import transformer_blocks
from sparse_keras.models.text.encoder_model import TextEncoder


def text_encoder(
    *,
    vocabulary_size: int,
    depth: int,
    width: int,
    num_heads: int,
    num_kv_heads: int | None = None,
    head_dim: int | None = None,
    hidden_dim: int | None = None,
    activation: Any = "silu",
    gated: bool = True,
    use_bias: bool = False,
    experts: Any = None,
    router: Any = "top_k",
    shared_expert: Any = None,
    dense_layers: int | Sequence[int] = 0,
    every: int = 1,
    capacity_factor: float | None = None,
    eval_capacity_factor: float | None = None,
    drop_order: str = "position",
    attention: Any = None,
    rotary: Any = True,
    learned_positions: bool = False,
    context_length: int | None = None,
    token_types: int | None = None,
    embedding_norm: bool = False,
    norm: str = "rms",
    norm_placement: str = "pre",
    norm_epsilon: float = 1e-6,
    dropout: float = 0.0,
    residual_multiplier: float = 1.0,
    pooler: bool = False,
    padding_id: int | None = None,
    embeddings_initializer: Any = "uniform",
    kernel_initializer: Any = "glorot_uniform",
    name: str = "text_encoder",
) -> TextEncoder:
    """Builds an encoder of texts whose blocks are dense, or mixtures of experts.

        token ids --> embedding --> depth x (attention, feed-forward layer) --> norm

    Args:
        vocabulary_size, depth, width, num_heads, num_kv_heads, head_dim, hidden_dim, activation,
            gated, use_bias: As of `causal_lm`.
        experts, router, shared_expert, dense_layers, every: As of `causal_lm`.
        capacity_factor, eval_capacity_factor, drop_order: As of `causal_lm`.
        attention, rotary, learned_positions, context_length, norm, norm_placement, norm_epsilon,
            dropout, residual_multiplier: As of `causal_lm`.
        token_types, embedding_norm, pooler, padding_id: As of `TextEncoder`.
        embeddings_initializer: Initializer of embeddings.
        kernel_initializer: Initializer of the matrices of attention and dense blocks.
        name: Name of the model.

    Returns:
        An uncompiled, built `TextEncoder`.

    Raises:
        ValueError: If a name is unknown, widths do not fit, or an argument has no effect.

    Example:

    >>> bert_like = sparse_keras.models.text_encoder(
    ...     vocabulary_size=1000,
    ...     depth=2,
    ...     width=32,
    ...     num_heads=4,
    ...     hidden_dim=64,
    ...     activation="gelu",
    ...     gated=False,
    ...     use_bias=True,
    ...     rotary=False,
    ...     learned_positions=True,
    ...     context_length=128,
    ...     token_types=2,
    ...     embedding_norm=True,
    ...     norm="layer",
    ...     norm_placement="post",
    ...     norm_epsilon=1e-12,
    ...     padding_id=0,
    ... )
    >>> bert_like(np.array([[3, 1, 4, 1, 5]])).shape
    TensorShape([1, 5, 32])
    """
    blocks = transformer_blocks(
        causal=False,
        depth=depth,
        num_heads=num_heads,
        num_kv_heads=num_kv_heads,
        head_dim=head_dim,
        hidden_dim=hidden_dim,
        activation=activation,
        gated=gated,
        use_bias=use_bias,
        experts=experts,
        router=router,
        shared_expert=shared_expert,
        dense_layers=dense_layers,
        every=every,
        capacity_factor=capacity_factor,
        eval_capacity_factor=eval_capacity_factor,
        drop_order=drop_order,
        attention=attention,
        rotary=rotary,
        norm=norm,
        norm_placement=norm_placement,
        norm_epsilon=norm_epsilon,
        dropout=dropout,
        residual_multiplier=residual_multiplier,
        kernel_initializer=kernel_initializer,
    )
    model = TextEncoder(
        vocabulary_size,
        width,
        blocks,
        norm=norm if norm_placement == "pre" else None,
        norm_epsilon=norm_epsilon,
        embedding_norm=embedding_norm,
        context_length=context_length,
        learned_positions=learned_positions,
        token_types=token_types,
        pooler=pooler,
        padding_id=padding_id,
        dropout=dropout,
        embeddings_initializer=embeddings_initializer,
        name=name,
    )
    model.build()
    return model
