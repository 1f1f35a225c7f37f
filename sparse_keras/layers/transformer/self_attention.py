"""SelfAttention: what the attention layers share: masks, positions and the cache."""

from typing import Any

import keras
from keras import ops

from sparse_keras._internal import keras_private
from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.flops import layer_flops
from sparse_keras.layers.initializers import for_group
from sparse_keras.layers.transformer.key_value_cache import (
    check_cache,
    empty_cache,
    filled_part,
    write,
)
from sparse_keras.layers.transformer.rotary_embedding import RotaryEmbedding
from sparse_keras.layers.transformer.visible_keys import visible_in_cache, visible_in_sequence
from sparse_keras.layers.tuned_parts import RemembersTuning
from sparse_keras.layers.validation import boolean, integer_tensor, optional_number


class SelfAttention(RemembersTuning, keras.layers.Layer):
    """Base class of attention of the tokens of a sequence to each other.

    Subclasses set `sliding_window`, `norm_epsilon` and `output_dense`, and write:

    * `rotary_width`: the number of features that `rotary` gets; `rotary_width_name` names it.
    * `entry_shapes`: dict with the name and the shape of what is stored for each token.
    * `project_query(inputs, tables)`, and `project_entries(inputs, tables)`, a dict as above, with
      the axes `[B, T, ...]`. `tables` are those of the rotary embedding, or `None`.
    * `attend(query, entries, visible, causal_only, cached)`, which returns `[B, T, width]`. The
      bool tensor `visible`, `[B or 1, T, S]`, says which entries each query sees; `None` means all.
      `causal_only`: whether it hides nothing but later tokens; `cached`: whether the entries are
      those of a cache.
    * `product_flops(length)`: operations of the products of queries, keys and values.

    Args:
        rotary: A RotaryEmbedding, or `None`.
        causal: Whether a token sees no later one.
        scale: Factor of the products of queries and keys; `None` for the subclass's own.
        kernel_initializer: Initializer of each matrix.
        kernel_regularizer: Regularizer of each matrix.
    """

    sliding_window: int | None = None
    rotary_width_name = "head_dim"
    norm_epsilon: float
    output_dense: keras.layers.Dense

    def __init__(
        self,
        rotary: RotaryEmbedding | None,
        causal: bool,
        scale: float | None,
        kernel_initializer: Any,
        kernel_regularizer: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if rotary is not None and not isinstance(rotary, RotaryEmbedding):
            raise ValueError(f"`rotary` must be a RotaryEmbedding. Received: rotary={rotary!r}.")
        self.rotary = rotary
        self.causal = boolean("causal", causal)
        self.scale = optional_number("scale", scale, "(0, inf)")
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.supports_masking = True

    def dense(
        self, name: str, input_dim: int, units: int, use_bias: bool = False
    ) -> keras.layers.Dense:
        """Makes a built matrix of this layer, whose initial values are no other's."""
        layer = keras.layers.Dense(
            units,
            use_bias=use_bias,
            kernel_initializer=for_group(self.kernel_initializer, name, 0),
            kernel_regularizer=self.kernel_regularizer,
            name=name,
            dtype=self.dtype_policy,
        )
        layer.build((None, None, input_dim))
        return layer

    def rms_norm(self, name: str, width: int) -> keras.layers.RMSNormalization:
        """Makes a built normalization of this layer, of the last axis."""
        norm = keras.layers.RMSNormalization(
            epsilon=self.norm_epsilon, name=name, dtype=self.dtype_policy
        )
        norm.build((None, width))
        return norm

    def build(self, input_shape: Any) -> None:
        """Checks the shape of the inputs, before the subclass makes weights."""
        if len(input_shape) != 3 or input_shape[-1] is None:
            raise ValueError(
                f"{type(self).__name__} takes sequences [B, T, D] with a static D. Received: "
                f"input_shape={tuple(input_shape)}."
            )
        if self.rotary is not None:
            self.rotary.rotary_dim(self.rotary_width, self.rotary_width_name)  # It must be even.
            if not self.rotary.built:
                self.rotary.build((None, None, self.rotary_width))

    def call(
        self,
        inputs: Tensor,
        positions: Tensor = None,
        mask: Tensor = None,
        segment_ids: Tensor = None,
        cache: Any = None,
        cache_index: Any = None,
    ) -> Any:
        self._check_call(inputs, positions, segment_ids, cache, cache_index)
        if mask is None:
            mask = keras_private.mask_of(inputs)  # Keras fills it in only if there is one input.
        if mask is not None:
            mask = ops.cast(mask, "bool")
            # Padding may hold anything, NaN included, which a weight of 0 would not keep out.
            inputs = ops.where(mask[..., None], inputs, ops.zeros_like(inputs))
        if positions is None:
            positions = ops.arange(ops.shape(inputs)[1], dtype="int32")[None]
            positions = positions if cache is None else positions + cache_index
        positions = ops.cast(positions, "int32")

        tables = None
        if self.rotary is not None:
            tables = self.rotary.tables(positions, self.rotary_width, self.compute_dtype)
        # On PyTorch, Keras's matrices make float32 of float64, which must not meet the cache's.
        query = ops.cast(self.project_query(inputs, tables), self.compute_dtype)
        entries = {
            name: ops.cast(entry, self.compute_dtype)
            for name, entry in self.project_entries(inputs, tables).items()
        }
        if cache is None:
            visible = visible_in_sequence(
                positions, self.causal, self.sliding_window, mask, segment_ids
            )
            causal_only = self.causal and mask is self.sliding_window is segment_ids is None
        else:
            cache = write(cache, entries, positions, mask, cache_index)
            entries = filled_part(cache, cache_index, inputs.shape[1])
            visible = visible_in_cache(positions, entries["position"], self.sliding_window)
            causal_only = False
        outputs = self.attend(query, entries, visible, causal_only, cached=cache is not None)
        outputs = self.output_dense(outputs)
        return outputs if cache is None else (outputs, cache)

    def _check_call(self, inputs, positions, segment_ids, cache, cache_index):
        integer_tensor("positions", positions)
        integer_tensor("segment_ids", segment_ids)
        check_cache(self, cache, self.entry_shapes, cache_index, inputs.shape[1])
        if cache is None:
            return
        if not self.causal:
            raise ValueError(
                "Without `causal=True`, earlier tokens would need later ones, which are not in the "
                f"`cache` yet. Received: causal=False in {self.name!r}."
            )
        if segment_ids is not None:
            raise ValueError("A `cache` has one document in each row. Received: `segment_ids`.")

    def make_cache(self, batch_size: Any, max_length: int) -> dict[str, Tensor]:
        """Makes an empty cache for generation.

        Args:
            batch_size: Number of sequences: an integer or a scalar tensor.
            max_length: Length of the longest sequence that fits.

        Returns:
            A dict of tensors, the call argument `cache`.
        """
        if not self.built:
            raise ValueError(f"Build or call {self.name!r} before `make_cache`.")
        return empty_cache(batch_size, max_length, self.entry_shapes, self.compute_dtype)

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
    ) -> Any:
        self._check_call(inputs, positions, segment_ids, cache, cache_index)
        outputs = keras.KerasTensor(self.compute_output_shape(inputs.shape), self.compute_dtype)
        if cache is None:
            return outputs
        return outputs, {name: keras.KerasTensor(x.shape, x.dtype) for name, x in cache.items()}

    def flops_per_example(self, input_shape: tuple[int | None, ...]) -> int | None:
        """Counts the multiplications and additions of the matmuls for one example `[B, T, D]`.

        Products of queries and keys that a mask hides count as well. Returns `None` if T is not
        static.
        """
        length = input_shape[1]
        if length is None:
            return None
        matrices = [
            layer_flops(layer, (None, length, layer.kernel.shape[0]))
            for layer in keras_private.sublayers(self)
            if isinstance(layer, keras.layers.Dense)
        ]
        return sum(matrices) + self.product_flops(length)

    def get_config(self) -> dict[str, Any]:
        rotary = self.rotary
        return {
            **super().get_config(),
            "rotary": None if rotary is None else keras.saving.serialize_keras_object(rotary),
            "causal": self.causal,
            "scale": self.scale,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        rotary = keras.saving.deserialize_keras_object(config["rotary"])
        return super().from_config({**config, "rotary": rotary})
