"""LatentAttention: multi-head latent attention (MLA), which caches one small vector per token."""

from typing import Any

import keras
from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.transformer.attend import attend
from sparse_keras.layers.transformer.rotary_embedding import RotaryEmbedding
from sparse_keras.layers.transformer.self_attention import SelfAttention
from sparse_keras.layers.validation import number, optional_positive_int, positive_int


@keras.saving.register_keras_serializable(package="sparse_keras")
class LatentAttention(SelfAttention):
    """Attention whose keys and values are computed from a short latent vector of each token.

        latent, k_rope = split(x @ W_latent_down)                c and r features
        k_h, v_h       = split(norm(latent) @ W_key_value_up)    n and v features of each head h
        q_h, q_rope_h  = split(x @ W_query)                      n and r features
        score_h        = scale * (q_h . k_h + rotate(q_rope_h) . rotate(k_rope))

    Only the latent vector and the rotated key, which all heads share, are cached: c + r numbers for
    a token instead of 2 * heads * head_dim. In generation, one token at a time, W_key_value_up is
    multiplied with the query and with the mean of the latent vectors instead of with all of them.

    Args:
        num_heads: H.
        kv_lora_rank: c, width of the latent vector.
        qk_nope_head_dim: n, features of a head's queries and keys that are not rotated.
        qk_rope_head_dim: r, those that are.
        v_head_dim: v, features of a head's values.
        rotary: A `RotaryEmbedding`. DeepSeek's is `RotaryEmbedding(interleaved=True, ...)`.
        q_lora_rank: Optional width of a latent vector of the queries, which are then
            `norm(x @ W_query_down) @ W_query_up`.
        causal: Whether a token attends to itself and earlier tokens only.
        norm_epsilon: Epsilon of the RMS normalization of latent vectors.
        scale: Factor of the scores. Defaults to `(n + r) ** -0.5`, times the `score_factor` of the
            rotary embedding, which is 1 unless it is of type YaRN with `mscale_all_dim`.
        kernel_initializer: Initializer of each matrix.
        kernel_regularizer: Regularizer of each matrix.

    Call arguments:
        inputs: `[B, T, D]`.
        positions: Int `[B, T]` or `[1, T]`. Defaults to 0, 1, 2, ..., counted from `cache_index` if
            there is a cache.
        mask: Optional bool `[B, T]`, False for padding, which no token attends to. A token that
            sees none gets zeros.
        segment_ids: Optional int `[B, T]`: tokens of different documents that are packed in one
            row do not attend to each other.
        cache: As for `GroupedQueryAttention`.
        cache_index: As for `GroupedQueryAttention`.

    Output shape:
        `[B, T, D]`; with a cache, a pair of it and the new cache. A mask is passed on.

    Raises:
        ValueError: As `GroupedQueryAttention`.

    Example:

    >>> layer = sparse_keras.layers.LatentAttention(
    ...     num_heads=4,
    ...     kv_lora_rank=16,
    ...     qk_nope_head_dim=8,
    ...     qk_rope_head_dim=4,
    ...     v_head_dim=8,
    ...     rotary=sparse_keras.layers.RotaryEmbedding(interleaved=True),
    ... )
    >>> layer(np.ones((2, 5, 64), "float32")).shape
    TensorShape([2, 5, 64])
    >>> layer.make_cache(batch_size=2, max_length=100)["latent"].shape
    TensorShape([2, 100, 20])

    Reference:
        [DeepSeek-V2](https://arxiv.org/abs/2405.04434), section 2.1.
    """

    rotary_width_name = "qk_rope_head_dim"

    def __init__(
        self,
        num_heads: int,
        kv_lora_rank: int,
        qk_nope_head_dim: int,
        qk_rope_head_dim: int,
        v_head_dim: int,
        rotary: RotaryEmbedding,
        q_lora_rank: int | None = None,
        causal: bool = True,
        norm_epsilon: float = 1e-6,
        scale: float | None = None,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rotary, causal, scale, kernel_initializer, kernel_regularizer, **kwargs)
        if rotary is None:
            raise ValueError("`rotary` must be a RotaryEmbedding. Received: rotary=None.")
        self.num_heads = positive_int("num_heads", num_heads)
        self.kv_lora_rank = positive_int("kv_lora_rank", kv_lora_rank)
        self.qk_nope_head_dim = positive_int("qk_nope_head_dim", qk_nope_head_dim)
        self.qk_rope_head_dim = positive_int("qk_rope_head_dim", qk_rope_head_dim)
        self.v_head_dim = positive_int("v_head_dim", v_head_dim)
        self.q_lora_rank = optional_positive_int("q_lora_rank", q_lora_rank)
        self.norm_epsilon = number("norm_epsilon", norm_epsilon, "(0, inf)")

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        width = input_shape[-1]
        query_width = self.num_heads * (self.qk_nope_head_dim + self.qk_rope_head_dim)
        if self.q_lora_rank is None:
            self.query = self.dense("query", width, query_width)
        else:
            self.query_down = self.dense("query_down", width, self.q_lora_rank)
            self.query_norm = self.rms_norm("query_norm", self.q_lora_rank)
            self.query_up = self.dense("query_up", self.q_lora_rank, query_width)
        latent_width = self.kv_lora_rank + self.qk_rope_head_dim
        self.latent_down = self.dense("latent_down", width, latent_width)
        self.latent_norm = self.rms_norm("latent_norm", self.kv_lora_rank)
        self.key_value_up = self.dense(
            "key_value_up",
            self.kv_lora_rank,
            self.num_heads * (self.qk_nope_head_dim + self.v_head_dim),
        )
        self.output_dense = self.dense("output", self.num_heads * self.v_head_dim, width)
        self.built = True

    @property
    def rotary_width(self) -> int:
        return self.qk_rope_head_dim

    @property
    def entry_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"latent": (self.kv_lora_rank + self.qk_rope_head_dim,)}

    def project_query(self, inputs: Tensor, tables: Any) -> Tensor:
        if self.q_lora_rank is None:
            query = self.query(inputs)
        else:
            query = self.query_up(self.query_norm(self.query_down(inputs)))
        query = self._split_heads(query)
        plain, rotated = self._split(query, self.qk_nope_head_dim)
        return ops.concatenate([plain, self.rotary.rotate(rotated, tables)], axis=-1)

    def project_entries(self, inputs: Tensor, tables: Any) -> dict[str, Tensor]:
        latent, key = self._split(self.latent_down(inputs), self.kv_lora_rank)
        parts = [self.latent_norm(latent), self.rotary.rotate(key, tables)]
        return {"latent": ops.concatenate(parts, axis=-1)}

    def attend(
        self, query: Tensor, entries: Any, visible: Tensor, causal_only: bool, cached: bool
    ) -> Tensor:
        scale = self.scale
        if scale is None:
            width = self.qk_nope_head_dim + self.qk_rope_head_dim
            scale = width**-0.5 * self.rotary.score_factor
        one_by_one = cached and query.shape[1] == 1
        # A quantized matrix cannot be taken apart.
        absorbs = one_by_one and self.key_value_up.quantization_mode is None
        means = (self._absorbed if absorbs else self._expanded)(query, entries, visible, scale)
        width = self.num_heads * self.v_head_dim
        return ops.reshape(means, (*ops.shape(query)[:2], width))

    def _expanded(self, query, entries, visible, scale):
        """Computes keys and values of all heads, `[B, S, H, ...]`."""
        latent, rotated = self._split(entries["latent"], self.kv_lora_rank)
        key, value = self._split(
            self._split_heads(self.key_value_up(latent)), self.qk_nope_head_dim
        )
        rotated = ops.broadcast_to(
            rotated[:, :, None], (*ops.shape(key)[:3], self.qk_rope_head_dim)
        )
        key = ops.concatenate([key, rotated], axis=-1)
        return attend(query, key, value, scale, visible)

    def _absorbed(self, query, entries, visible, scale):
        """The same by products of queries with latent vectors: one head of keys for all queries."""
        kernel = ops.cast(self.key_value_up.kernel, self.compute_dtype)
        kernel = ops.reshape(kernel, (self.kv_lora_rank, self.num_heads, -1))  # [c, H, n + v]
        to_key, to_value = self._split(kernel, self.qk_nope_head_dim)
        plain, rotated = self._split(query, self.qk_nope_head_dim)
        query = ops.concatenate([ops.einsum("bthn,chn->bthc", plain, to_key), rotated], axis=-1)
        entries = entries["latent"][:, :, None]
        latent = entries[..., : self.kv_lora_rank]
        means = attend(query, entries, latent, scale, visible)
        return ops.einsum("bthc,chv->bthv", means, to_value)

    def _split_heads(self, x):
        width = x.shape[-1] // self.num_heads
        return ops.reshape(x, (*ops.shape(x)[:-1], self.num_heads, width))

    def _split(self, x, at):
        return x[..., :at], x[..., at:]

    def product_flops(self, length: int) -> int:
        width = self.qk_nope_head_dim + self.qk_rope_head_dim + self.v_head_dim
        return 2 * length * length * self.num_heads * width

    def get_config(self) -> dict[str, Any]:
        names = (
            *("num_heads", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"),
            *("q_lora_rank", "norm_epsilon"),
        )
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
