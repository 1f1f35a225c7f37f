"""TransformerBlock: attention and a feed-forward layer, dense or a mixture of experts."""

from typing import Any

import keras
from keras import ops

from sparse_keras._internal import keras_private
from sparse_keras._internal.seeds import derived_seed
from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.flops import layer_flops
from sparse_keras.layers.masks import call_with_mask
from sparse_keras.layers.mixtures.causality import warn_of_leak
from sparse_keras.layers.mixtures.mixture import mixtures
from sparse_keras.layers.ownership import ExclusiveOwner
from sparse_keras.layers.transformer.self_attention import SelfAttention
from sparse_keras.layers.validation import number, one_of, optional_int

_NORMS = {"rms": keras.layers.RMSNormalization, "layer": keras.layers.LayerNormalization}


@keras.saving.register_keras_serializable(package="sparse_keras")
class TransformerBlock(ExclusiveOwner):
    """One block of a Transformer: attention between tokens, then a feed-forward layer for each.

        x = x + m * attention(norm(x))          x = norm(x + m * attention(x))
        x = x + m * feed_forward(norm(x))       x = norm(x + m * feed_forward(x))

    on the left with `norm_placement="pre"`, on the right with `"post"`. With a `MixtureOfExperts`
    as feed-forward layer the block is sparse. Padding is not routed; the auxiliary losses of the
    router reach `fit`, as from a mixture outside of a block.

    Args:
        attention: A `GroupedQueryAttention` or a `LatentAttention`.
        feed_forward: A layer with outputs as wide as its inputs: `FeedForward`, a
            `MixtureOfExperts` with any router and bank, or another layer.
        norm: `"rms"`, RMS normalization, or `"layer"`, layer normalization.
        norm_placement: `"pre"`, before attention and feed-forward layer, as in most decoders (which
            have another normalization after the last block), or `"post"`, after each sum, as in
            BERT.
        norm_epsilon: Epsilon of both normalizations.
        dropout: Rate of dropout on the outputs of attention and feed-forward layer, in training.
        residual_multiplier: m, by which both outputs are multiplied (Granite).
        seed: Seed of the dropout.

    Call arguments:
        inputs: `[B, T, D]`.
        positions: As for the attention.
        mask: Optional bool `[B, T]`, False for padding: no token attends to it, and it reaches no
            expert and counts in no loss or statistic.
        segment_ids: As for the attention.
        cache: As for the attention.
        cache_index: As for the attention.
        token_ids: Int `[B, T]`, for a mixture whose router needs them (`HashRouter`). Other
            feed-forward layers do not get them.
        training: Whether the call is part of training.

    Output shape:
        `[B, T, D]`; with a cache, a pair of it and the new cache. A mask is passed on.

    Raises:
        ValueError: If `attention` is no attention of this library, or if the feed-forward layer is
            no layer, or changes the shape.

    Example:

    >>> block = sparse_keras.layers.TransformerBlock(
    ...     sparse_keras.layers.GroupedQueryAttention(
    ...         num_heads=4, num_kv_heads=2, rotary=sparse_keras.layers.RotaryEmbedding()
    ...     ),
    ...     sparse_keras.layers.MixtureOfExperts(
    ...         sparse_keras.layers.GLUExperts(num_experts=8, hidden_dim=64), k=2
    ...     ),
    ... )
    >>> block(np.ones((2, 5, 32), "float32")).shape
    TensorShape([2, 5, 32])

    Reference:
        [Attention Is All You Need](https://arxiv.org/abs/1706.03762), section 3;
        [On Layer Normalization in the Transformer](https://arxiv.org/abs/2002.04745) for `"pre"`.
    """

    def __init__(
        self,
        attention: SelfAttention,
        feed_forward: keras.layers.Layer,
        norm: str = "rms",
        norm_placement: str = "pre",
        norm_epsilon: float = 1e-6,
        dropout: float = 0.0,
        residual_multiplier: float = 1.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(attention, SelfAttention):
            raise ValueError(
                "`attention` must be a GroupedQueryAttention or a LatentAttention. Received: "
                f"{attention!r}."
            )
        if not isinstance(feed_forward, keras.layers.Layer):
            raise ValueError(f"`feed_forward` must be a Keras layer. Received: {feed_forward!r}.")
        self.attention = attention
        self.feed_forward = feed_forward
        self.norm = one_of("norm", norm, tuple(_NORMS))
        self.norm_placement = one_of("norm_placement", norm_placement, ("pre", "post"))
        self.norm_epsilon = number("norm_epsilon", norm_epsilon, "(0, inf)")
        self.dropout = number("dropout", dropout, "[0, 1]")
        self.residual_multiplier = number("residual_multiplier", residual_multiplier, "(0, inf)")
        self.seed = optional_int("seed", seed)
        self.attention_norm, self.feed_forward_norm = map(
            self._norm, ("attention_norm", "feed_forward_norm")
        )
        self.attention_dropout, self.feed_forward_dropout = map(
            self._dropout, ("attention_dropout", "feed_forward_dropout")
        )
        self.supports_masking = True
        self.own(attention, feed_forward)

    def _norm(self, name):
        return _NORMS[self.norm](epsilon=self.norm_epsilon, name=name, dtype=self.dtype_policy)

    def _dropout(self, name):
        seed = None if self.seed is None else derived_seed(self.seed, name)
        return keras.layers.Dropout(self.dropout, seed=seed, name=name, dtype=self.dtype_policy)

    def build(self, input_shape: Any) -> None:
        shape = tuple(input_shape)
        self.attention_norm.build(shape)
        self.feed_forward_norm.build(shape)
        for layer in (self.attention, self.feed_forward):
            if not layer.built:
                layer.build(shape)
        for layer in (self.attention_dropout, self.feed_forward_dropout):
            layer.build(shape)
        found = tuple(self.feed_forward.compute_output_shape(shape))
        if found != shape:
            raise ValueError(
                "`feed_forward` must keep the shape of its inputs, to which its outputs are added. "
                f"Received: input shape {shape}, output shape {found} of "
                f"{self.feed_forward.name!r}."
            )
        for mixture in mixtures(self.feed_forward):
            warn_of_leak(mixture, [self.attention])
        self.built = True

    def call(
        self,
        inputs: Tensor,
        positions: Tensor = None,
        mask: Tensor = None,
        segment_ids: Tensor = None,
        cache: Any = None,
        cache_index: Any = None,
        token_ids: Tensor = None,
        training: bool | None = None,
    ) -> Any:
        if mask is None:
            mask = keras_private.mask_of(inputs)  # Keras fills it in only if there is one input.
        if mask is not None:
            mask = ops.cast(mask, "bool")
            # Padding may hold anything, NaN included, which would reach gradients from here.
            inputs = ops.where(mask[..., None], inputs, ops.zeros_like(inputs))

        def attend(x):
            nonlocal cache
            outputs = self.attention(
                x,
                positions=positions,
                mask=mask,
                segment_ids=segment_ids,
                cache=cache,
                cache_index=cache_index,
            )
            if cache is not None:
                outputs, cache = outputs
            return outputs

        def feed_forward(x):
            given = {}
            if token_ids is not None and self._takes_token_ids:
                given["token_ids"] = token_ids
            return call_with_mask(self.feed_forward, x, mask, **given)

        norm, dropout = self.attention_norm, self.attention_dropout
        x = self._with_residual(inputs, attend, norm, dropout, training)
        norm, dropout = self.feed_forward_norm, self.feed_forward_dropout
        x = self._with_residual(x, feed_forward, norm, dropout, training)
        return x if cache is None else (x, cache)

    def _with_residual(self, x, layer, norm, dropout, training):
        y = layer(norm(x) if self.norm_placement == "pre" else x)
        y = dropout(ops.cast(y, self.compute_dtype), training=training)
        if self.residual_multiplier != 1.0:
            y = y * self.residual_multiplier
        return x + y if self.norm_placement == "pre" else norm(x + y)

    @property
    def _takes_token_ids(self):
        router = getattr(self.feed_forward, "router", None)
        return getattr(router, "takes_token_ids", False)

    def make_cache(self, batch_size: Any, max_length: int) -> dict[str, Tensor]:
        """Makes an empty cache for generation: see `make_cache` of the attention."""
        return self.attention.make_cache(batch_size, max_length)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape)

    def compute_output_spec(
        self,
        inputs: Any,
        positions: Any = None,
        mask: Any = None,
        segment_ids: Any = None,
        cache: Any = None,
        cache_index: Any = None,
        token_ids: Any = None,
        training: bool | None = None,
    ) -> Any:
        outputs = keras.KerasTensor(inputs.shape, self.compute_dtype)
        given = self.attention.compute_output_spec(
            outputs,
            positions=positions,
            segment_ids=segment_ids,
            cache=cache,
            cache_index=cache_index,
        )
        return outputs if cache is None else (outputs, given[1])

    def flops_per_example(self, input_shape: tuple[int | None, ...]) -> int | None:
        """Counts the multiplications and additions of the matmuls for one example `[B, T, D]`.

        Returns `None` if T is not static, or if those of the feed-forward layer are not known.
        """
        parts = [layer_flops(layer, input_shape) for layer in (self.attention, self.feed_forward)]
        return None if None in parts else sum(parts)

    def get_config(self) -> dict[str, Any]:
        names = ("norm", "norm_placement", "norm_epsilon", "dropout", "residual_multiplier", "seed")
        return {
            **super().get_config(),
            "attention": keras.saving.serialize_keras_object(self.attention),
            "feed_forward": keras.saving.serialize_keras_object(self.feed_forward),
            **{name: getattr(self, name) for name in names},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TransformerBlock":
        config = dict(config)
        for name in ("attention", "feed_forward"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return super().from_config(config)
