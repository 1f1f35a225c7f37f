"""text_classifier: an encoder of texts whose blocks are dense, or mixtures of experts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from sparse_keras import tasks
from sparse_keras.models.text.blocks import NORMS, transformer_blocks
from sparse_keras.models.text.pooling import pooled
from sparse_keras.models.text.token_inputs import positions_of

if TYPE_CHECKING:
    from sparse_keras.data import TextInputs
    from sparse_keras.tasks import SingleTask


def text_classifier(
    *,
    inputs: TextInputs,
    task: SingleTask | str = "binary",
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
    embedding_norm: bool = False,
    norm: str = "rms",
    norm_placement: str = "pre",
    norm_epsilon: float = 1e-6,
    dropout: float = 0.0,
    word_dropout: float = 0.0,
    head_dropout: float = 0.0,
    residual_multiplier: float = 1.0,
    pooling: str = "mean",
    average_embeddings: bool = False,
    embeddings_initializer: Any = "uniform",
    kernel_initializer: Any = "glorot_uniform",
    name: str = "text_classifier",
) -> keras.Model:
    """Builds a classifier of texts whose blocks are dense, or mixtures of experts.

        token ids --> embedding --> depth x (attention, feed-forward layer) --> norm --> pooling
        --> head

    Each token attends to all others. Padding is not attended to, reaches no expert and is not
    pooled: a text gets the same prediction with padding as without.

    Args:
        inputs: The `TextInputs` of the data.
        task: What is predicted: a `SingleTask`, or `"binary"`.
        depth, width, num_heads, num_kv_heads, head_dim, hidden_dim, activation, gated, use_bias: As
            of `causal_lm`.
        experts, router, shared_expert, dense_layers, every: As of `causal_lm`.
        capacity_factor, eval_capacity_factor, drop_order: As of `causal_lm`.
        attention, rotary, norm, norm_placement, norm_epsilon, residual_multiplier: As of
            `causal_lm`.
        learned_positions: Whether each position has an embedding of its own, up to `inputs.length`.
        embedding_norm: Whether the sum of the embeddings gets a layer normalization, as in BERT.
        dropout: Rate of dropout on the embeddings and on each block's two outputs.
        word_dropout: Rate of dropout of whole tokens, all features of an embedding together.
        head_dropout: Rate of dropout on what the head sees.
        pooling: How the tokens of a text become one vector: `"mean"`; `"attention"`, a mean
            weighted by a learned score of each token; `"max"`, the largest value of each feature;
            or `"first"`, the vector of the first token.
        average_embeddings: Whether the head also sees the mean of the embeddings, past the blocks:
            a bag of words. With `pooling="attention"`, it is weighted, too.
        embeddings_initializer: Initializer of embeddings.
        kernel_initializer: Initializer of the matrices of attention and dense blocks.
        name: Name of the model.

    Returns:
        An uncompiled `keras.Model`. Its inputs are `{"token_ids": int32 [B, T], "mask": bool
        [B, T]}`, with False for padding; its outputs are those of the task's head.

    Raises:
        ValueError: If a name is unknown, widths do not fit, or an argument has no effect.

    Example:

    >>> model = sparse_keras.models.text_classifier(
    ...     inputs=sparse_keras.data.TextInputs(vocabulary_size=1000, length=128),
    ...     task=sparse_keras.tasks.Multiclass(classes=("earn", "acq", "crude")),
    ...     depth=1,
    ...     width=32,
    ...     num_heads=4,
    ...     experts={"type": "glu", "num_experts": 8, "hidden_dim": 16},
    ...     router={"type": "top_k", "k": 2, "balance_loss": 0.01},
    ... )
    >>> token_ids = np.array([[3, 1, 4, 0]])
    >>> model({"token_ids": token_ids, "mask": token_ids > 0}).shape
    TensorShape([1, 3])
    """
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    mask = keras.Input((None,), dtype="bool", name="mask")
    positions = positions_of(mask)
    embeddings = keras.layers.Embedding(
        inputs.vocabulary_size,
        width,
        embeddings_initializer=embeddings_initializer,
        name="token_embedding",
    )(token_ids)
    # One draw for each token: the features of a token are dropped together.
    embeddings = keras.layers.Dropout(
        word_dropout, noise_shape=(None, None, 1), name="word_dropout"
    )(embeddings)
    x = embeddings
    if learned_positions:
        x = x + keras.layers.Embedding(
            inputs.length,
            width,
            embeddings_initializer=embeddings_initializer,
            name="position_embedding",
        )(positions)
    if embedding_norm:
        x = keras.layers.LayerNormalization(epsilon=norm_epsilon, name="embedding_norm")(x)
    x = keras.layers.Dropout(dropout, name="embedding_dropout")(x)
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
    for block in blocks:
        x = block(x, positions=positions, mask=mask, token_ids=token_ids)
    if norm_placement == "pre":
        x = NORMS[norm](epsilon=norm_epsilon, name="final_norm")(x)
    x = pooled(x, mask, pooling)
    if average_embeddings:
        kind = "attention" if pooling == "attention" else "mean"
        bag = pooled(embeddings, mask, kind, name="embedding_pooling")
        x = ops.concatenate([x, bag], axis=-1)
    x = keras.layers.Dropout(head_dropout, name="head_dropout")(x)
    x = tasks.get(task).head(x)
    return keras.Model({"token_ids": token_ids, "mask": mask}, x, name=name)
