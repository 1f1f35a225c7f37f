"""causal_lm: a language model whose blocks are dense, or mixtures of experts."""

from collections.abc import Sequence
from typing import Any

from sparse_keras.models.text.blocks import transformer_blocks
from sparse_keras.models.text.language_model import CausalLM


def causal_lm(
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
    norm: str = "rms",
    norm_placement: str = "pre",
    norm_epsilon: float = 1e-6,
    dropout: float = 0.0,
    embedding_multiplier: float = 1.0,
    residual_multiplier: float = 1.0,
    logits_scaling: float = 1.0,
    tie_embeddings: bool = True,
    padding_id: int | None = None,
    embeddings_initializer: Any = "uniform",
    kernel_initializer: Any = "glorot_uniform",
    name: str = "causal_lm",
) -> CausalLM:
    """Builds a language model whose blocks are dense, or mixtures of experts.

        token ids --> embedding --> depth x (attention, feed-forward layer) --> norm --> head

    Args:
        vocabulary_size: V, the number of token ids.
        depth: Number of blocks.
        width: D, the width of embeddings and blocks.
        num_heads: Heads of queries.
        num_kv_heads: Heads of keys and values, a divisor of `num_heads`. `None` means as many.
        head_dim: Width of a head. `None` means `width / num_heads`.
        hidden_dim: Width of the hidden layer of dense blocks; needed if there are any.
        activation: Activation function of dense blocks; a name of Keras's, or `"gelu_tanh"`, the
            approximation of GPT-2.
        gated: Whether dense blocks have a gate, as in Llama, or not, as in GPT-2.
        use_bias: Whether matrices of attention and dense blocks have biases, as in GPT-2.
        experts: What each expert computes: a dict with a bank's registered name under `"type"` and
            its arguments, such as `{"type": "glu", "num_experts": 8, "hidden_dim": 64}`; or a
            bank, from which each block gets one of its own. `None`: all blocks are dense.
        router: Which experts each token goes to: a router's registered name, a dict with it under
            `"type"`, or a router, from which each block gets one of its own.
        shared_expert: Optional dict with `"hidden_dim"`, `"activation"` and `"gated"`: a GLU that
            every token passes through; with `"gated"`, as far as a gate of the token lets it
            (`GatedSharedExpert`).
        dense_layers: The number of first blocks that are dense nevertheless, as in DeepSeek; or a
            list of the numbers of such blocks, from 0 on.
        every: Every `every`-th block is sparse: with 2, the second, the fourth, and so on.
        capacity_factor: Limit on each expert's load in training; see `MixtureOfExperts`.
        eval_capacity_factor: The same outside training.
        drop_order: Which tokens an expert drops beyond that limit; see `MixtureOfExperts`.
        attention: Optional dict of more arguments of the attention, such as `{"qk_norm": "head",
            "sliding_window": 128}`, with `"type"` `"grouped_query"` (the default) or `"latent"`.
            The window may be a list of one for each block, `None` for a block that sees all; a
            shorter list starts again where it ends: `[128, None]` alternates, as in gpt-oss.
        rotary: True for rotary positions, a dict of the arguments of `RotaryEmbedding`, or False.
        learned_positions: Whether each position has an embedding of its own.
        context_length: Optional number of tokens of the longest text.
        norm: `"rms"` or `"layer"`.
        norm_placement: `"pre"` or `"post"`; see `TransformerBlock`. With `"post"`, there is no
            normalization after the last block, which ends with one.
        norm_epsilon: Epsilon of all normalizations.
        dropout: Rate of dropout on the embeddings and on each block's two outputs.
        embedding_multiplier: Factor of the embeddings of tokens.
        residual_multiplier: Factor of the two outputs of each block.
        logits_scaling: By which logits are divided.
        tie_embeddings: Whether embeddings and head share their matrix.
        padding_id: Optional id of padding, which is masked.
        embeddings_initializer: Initializer of embeddings, and of the head.
        kernel_initializer: Initializer of the matrices of attention and dense blocks.
        name: Name of the model.

    Returns:
        An uncompiled, built `CausalLM`.

    Raises:
        ValueError: If a name is unknown, widths do not fit, or an argument has no effect.

    Example:

    >>> model = sparse_keras.models.causal_lm(
    ...     vocabulary_size=1000,
    ...     depth=2,
    ...     width=32,
    ...     num_heads=4,
    ...     num_kv_heads=2,
    ...     experts={"type": "glu", "num_experts": 8, "hidden_dim": 16},
    ...     router={"type": "top_k", "k": 2, "balance_loss": 0.01},
    ... )
    >>> model(np.array([[3, 1, 4, 1, 5]])).shape
    TensorShape([1, 5, 1000])
    """
    blocks = transformer_blocks(
        causal=True,
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
    model = CausalLM(
        vocabulary_size,
        width,
        blocks,
        norm=norm if norm_placement == "pre" else None,
        norm_epsilon=norm_epsilon,
        tie_embeddings=tie_embeddings,
        embedding_multiplier=embedding_multiplier,
        logits_scaling=logits_scaling,
        context_length=context_length,
        learned_positions=learned_positions,
        padding_id=padding_id,
        dropout=dropout,
        embeddings_initializer=embeddings_initializer,
        name=name,
    )
    model.build()
    return model
