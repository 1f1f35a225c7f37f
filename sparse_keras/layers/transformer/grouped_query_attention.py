"""GroupedQueryAttention: the attention of most decoders and encoders, its variants as options."""

from typing import Any

import keras
from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.transformer.attend import attend, attend_fused
from sparse_keras.layers.transformer.rotary_embedding import RotaryEmbedding
from sparse_keras.layers.transformer.self_attention import SelfAttention
from sparse_keras.layers.validation import (
    boolean,
    number,
    one_of,
    optional_number,
    optional_positive_int,
    positive_int,
)


@keras.saving.register_keras_serializable(package="sparse_keras")
class GroupedQueryAttention(SelfAttention):
    """Attention of the tokens of a sequence, in which several heads of queries share keys.

        y_t = concat over heads h of [ sum over s of softmax_s(scale q_th . k_sg) v_sg ] @ W_output

    with q = x @ W_query, k = x @ W_key, v = x @ W_value, and g the head of keys and values that h
    shares with others: `num_kv_heads=num_heads` is multi-head attention, 1 multi-query attention.
    Options cover Llama, Mistral, Qwen, OLMoE, gpt-oss, Granite, GPT-2 and BERT.

    Args:
        num_heads: H, heads of queries.
        num_kv_heads: K, heads of keys and values, a divisor of H. `None` means H.
        head_dim: Width of a head. `None` means D / H.
        rotary: A `RotaryEmbedding` of queries and keys, or `None` for no positions, as where they
            are added to the embeddings of tokens.
        causal: Whether a token attends to itself and earlier tokens only, as in a language model.
            With False, it attends to all, as in BERT.
        sliding_window: Optional W: a token attends only to those less than W positions away.
        qkv_bias: Whether the matrices of queries, keys and values have a bias.
        output_bias: Whether the output matrix has one.
        qk_norm: RMS normalization of queries and keys, before the rotation: `"head"` normalizes
            each head (Qwen3), `"all"` all heads together (OLMoE).
        norm_epsilon: Epsilon of that normalization.
        clip_qkv: Optional bound: queries, keys and values are clipped to [-clip_qkv, clip_qkv]
            after the normalization.
        sinks: Whether each head has a learned logit that takes part in the softmax without a value,
            so that a head can attend to nothing (gpt-oss).
        scale: Factor of the products of queries and keys. Defaults to `head_dim ** -0.5`.
        kernel_initializer: Initializer of each matrix.
        kernel_regularizer: Regularizer of each matrix.

    Call arguments:
        inputs: `[B, T, D]`.
        positions: Int `[B, T]` or `[1, T]`, for the rotation and the window. Defaults to 0, 1, 2,
            ..., counted from `cache_index` if there is a cache.
        mask: Optional bool `[B, T]`, False for padding, which no token attends to. A token that
            sees none gets zeros, but for the bias of the output.
        segment_ids: Optional int `[B, T]`, the number of the document that each token belongs to:
            tokens of documents that are packed in one row do not attend to each other.
        cache: Optional, what `make_cache` or an earlier call returned, for generation. The tokens
            of this call are stored in it, and attend to all stored tokens that are not later. The
            positions of a row must grow from call to call.
        cache_index: Where the first of them is stored, in all rows: an integer, or a scalar tensor.
            Rows of different lengths are padded, on either side, and have `positions` of their own.

    Output shape:
        `[B, T, D]`; with a cache, a pair of it and the new cache. A mask is passed on.

    Raises:
        ValueError: If heads do not fit, an option has no effect, or the input has another rank; if
            there is a cache without `cache_index`, beside `segment_ids`, or without `causal`.

    Example:

    >>> layer = sparse_keras.layers.GroupedQueryAttention(
    ...     num_heads=8, num_kv_heads=2, rotary=sparse_keras.layers.RotaryEmbedding()
    ... )
    >>> x = np.ones((2, 5, 64), "float32")
    >>> layer(x).shape
    TensorShape([2, 5, 64])

    Token by token:

    >>> cache = layer.make_cache(batch_size=2, max_length=5)
    >>> for index in range(5):
    ...     y, cache = layer(x[:, index : index + 1], cache=cache, cache_index=index)

    Reference:
        [GQA](https://arxiv.org/abs/2305.13245);
        [Scaling Vision Transformers](https://arxiv.org/abs/2302.05442), section 2, for `qk_norm`;
        [Efficient Streaming Language Models with Attention Sinks](https://arxiv.org/abs/2309.17453)
        and [gpt-oss](https://arxiv.org/abs/2508.10925) for sinks.
    """

    def __init__(
        self,
        num_heads: int,
        num_kv_heads: int | None = None,
        head_dim: int | None = None,
        rotary: RotaryEmbedding | None = None,
        causal: bool = True,
        sliding_window: int | None = None,
        qkv_bias: bool = False,
        output_bias: bool = False,
        qk_norm: str | None = None,
        norm_epsilon: float = 1e-6,
        clip_qkv: float | None = None,
        sinks: bool = False,
        scale: float | None = None,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rotary, causal, scale, kernel_initializer, kernel_regularizer, **kwargs)
        self.num_heads = positive_int("num_heads", num_heads)
        self.num_kv_heads = optional_positive_int("num_kv_heads", num_kv_heads)
        if self.num_heads % (self.num_kv_heads or 1):
            raise ValueError(
                "`num_kv_heads` must divide `num_heads`. Received: "
                f"num_heads={num_heads}, num_kv_heads={num_kv_heads}."
            )
        self.head_dim = optional_positive_int("head_dim", head_dim)
        self.sliding_window = optional_positive_int("sliding_window", sliding_window)
        self.qkv_bias = boolean("qkv_bias", qkv_bias)
        self.output_bias = boolean("output_bias", output_bias)
        self.qk_norm = one_of("qk_norm", qk_norm, (None, "head", "all"))
        self.norm_epsilon = number("norm_epsilon", norm_epsilon, "(0, inf)")
        self.clip_qkv = optional_number("clip_qkv", clip_qkv, "(0, inf)")
        self.sinks = boolean("sinks", sinks)

    def build(self, input_shape: Any) -> None:
        width = input_shape[-1]
        if self.head_dim is None and width is not None and width % self.num_heads:
            raise ValueError(
                "Without `head_dim`, `num_heads` must divide the width of the input. Received: "
                f"num_heads={self.num_heads}, width {width}."
            )
        self._head_dim = self.head_dim or (width or 0) // self.num_heads
        self._kv_heads = self.num_kv_heads or self.num_heads
        super().build(input_shape)

        query_width = self.num_heads * self._head_dim
        key_width = self._kv_heads * self._head_dim
        self.query = self.dense("query", width, query_width, self.qkv_bias)
        self.key = self.dense("key", width, key_width, self.qkv_bias)
        self.value = self.dense("value", width, key_width, self.qkv_bias)
        self.output_dense = self.dense("output", query_width, width, self.output_bias)

        self.query_norm = self.key_norm = None
        if self.qk_norm is not None:
            by_head = self.qk_norm == "head"
            self.query_norm = self.rms_norm(
                "query_norm", self._head_dim if by_head else query_width
            )
            self.key_norm = self.rms_norm("key_norm", self._head_dim if by_head else key_width)
        self.sink_logits = None
        if self.sinks:
            self.sink_logits = self.add_weight(
                name="sinks", shape=(self.num_heads,), initializer="zeros"
            )
        self.built = True

    @property
    def rotary_width(self) -> int:
        return self._head_dim

    @property
    def entry_shapes(self) -> dict[str, tuple[int, ...]]:
        shape = (self._kv_heads, self._head_dim)
        return {"key": shape, "value": shape}

    def project_query(self, inputs: Tensor, tables: Any) -> Tensor:
        return self._heads(self.query(inputs), self.num_heads, self.query_norm, tables)

    def project_entries(self, inputs: Tensor, tables: Any) -> dict[str, Tensor]:
        return {
            "key": self._heads(self.key(inputs), self._kv_heads, self.key_norm, tables),
            "value": self._heads(self.value(inputs), self._kv_heads),
        }

    def _heads(self, projected, heads, norm=None, tables=None):
        """Splits `[B, T, heads * head_dim]` into heads, normalized, clipped and rotated."""
        if norm is not None and self.qk_norm == "all":
            projected = norm(projected)
        x = ops.reshape(projected, (*ops.shape(projected)[:-1], heads, self._head_dim))
        if norm is not None and self.qk_norm == "head":
            x = norm(x)
        if self.clip_qkv is not None:
            x = ops.clip(x, -self.clip_qkv, self.clip_qkv)
        return x if tables is None else self.rotary.rotate(x, tables)

    def attend(
        self, query: Tensor, entries: Any, visible: Tensor, causal_only: bool, cached: bool
    ) -> Tensor:
        scale = self._head_dim**-0.5 if self.scale is None else self.scale
        key, value = entries["key"], entries["value"]
        # Keras repeats the keys for the heads that share them, which would copy a cache; some
        # backends do not take one head of keys for several of queries.
        if self.sinks or cached or self._kv_heads == 1:
            outputs = attend(query, key, value, scale, visible, self.sink_logits)
        else:
            outputs = attend_fused(query, key, value, scale, visible, causal_only)
        return ops.reshape(outputs, (*ops.shape(query)[:2], self.num_heads * self._head_dim))

    def product_flops(self, length: int) -> int:
        return 4 * length * length * self.num_heads * self._head_dim

    def get_config(self) -> dict[str, Any]:
        names = (
            *("num_heads", "num_kv_heads", "head_dim", "sliding_window", "qkv_bias"),
            *("output_bias", "qk_norm", "norm_epsilon", "clip_qkv", "sinks"),
        )
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
