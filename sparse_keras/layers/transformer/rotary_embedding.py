"""RotaryEmbedding: positions as rotations of queries and keys."""

from typing import Any

import keras
from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.transformer.precision import at_least_float32
from sparse_keras.layers.transformer.rotary_frequencies import (
    OPTIONS,
    inverse_frequencies,
    yarn_attention_factor,
    yarn_magnitude,
)
from sparse_keras.layers.validation import (
    boolean,
    number,
    one_of,
    optional_number,
    optional_positive_int,
)

_OPTION_NAMES = tuple(dict.fromkeys(name for options in OPTIONS.values() for name in options))


@keras.saving.register_keras_serializable(package="sparse_keras")
class RotaryEmbedding(keras.layers.Layer):
    """Rotates pairs of features of queries and keys by angles proportional to the position.

        (a, b) -> (a cos(p f) - b sin(p f), b cos(p f) + a sin(p f))

    for position p and the pair's frequency f = theta ** (-2i / dim), i being the pair's number. The
    product of a rotated query and a rotated key depends on the distance of their positions, not on
    the positions. It has no weights.

    Args:
        theta: Base of the frequencies.
        rope_type: How frequencies are scaled for contexts longer than the original one. `"default"`
            does not scale; `"linear"` divides all by `factor`; `"llama3"` and `"yarn"` divide low
            frequencies and keep high ones. The arguments below are for the types in brackets;
            `None` means the default.
        factor: By how much the context is longer than the original one. (linear, llama3, yarn;
            required)
        original_max_position_embeddings: The original context. (llama3, yarn; required)
        low_freq_factor: A pair that turns less often within the original context is scaled
            fully. Defaults to 1. (llama3)
        high_freq_factor: A pair that turns more often is not scaled. Defaults to 4. (llama3)
        beta_fast: A pair that turns more often within the original context is not scaled. Defaults
            to 32. (yarn)
        beta_slow: A pair that turns less often is scaled fully. Defaults to 1. (yarn)
        truncate: Whether the two limits are rounded to whole pairs. Defaults to True. (yarn)
        attention_factor: What cosines and sines are multiplied by. Defaults to
            `0.1 * ln(factor) + 1`. (yarn)
        mscale: Together with `mscale_all_dim`, makes the attention factor
            `m(mscale) / m(mscale_all_dim)`, where `m(x) = 0.1 * x * ln(factor) + 1`. (yarn)
        mscale_all_dim: See `mscale`. `LatentAttention` multiplies its scale by
            `m(mscale_all_dim) ** 2`, too. (yarn)
        partial_rotary_factor: Share of the features, from the first on, that are rotated. The
            others stay as they are.
        interleaved: Whether a pair is two neighbours, as in RoFormer, DeepSeek and GPT-J; otherwise
            its features are half of the rotated features apart, as in Llama and most others.

    Call arguments:
        inputs: Queries or keys, `[B, T, head_dim]` or `[B, T, heads, head_dim]`.
        positions: Int `[B, T]` or `[1, T]`. Defaults to 0, 1, 2, ...

    Output shape:
        That of `inputs`. A mask is passed on.

    Raises:
        ValueError: If an option has no effect on this type, or is missing; if the number of rotated
            features is not even; or if the input has another rank.

    Example:

    >>> rotary = sparse_keras.layers.RotaryEmbedding(
    ...     rope_type="yarn", factor=4.0, original_max_position_embeddings=2048
    ... )
    >>> rotary(np.ones((2, 5, 8, 64), "float32")).shape
    TensorShape([2, 5, 8, 64])

    Reference:
        [RoFormer](https://arxiv.org/abs/2104.09864), section 3.4;
        [Position Interpolation](https://arxiv.org/abs/2306.15595) for `"linear"`;
        [Llama 3](https://arxiv.org/abs/2407.21783); [YaRN](https://arxiv.org/abs/2309.00071).
    """

    def __init__(
        self,
        theta: float = 10000.0,
        rope_type: str = "default",
        factor: float | None = None,
        original_max_position_embeddings: int | None = None,
        low_freq_factor: float | None = None,
        high_freq_factor: float | None = None,
        beta_fast: float | None = None,
        beta_slow: float | None = None,
        truncate: bool | None = None,
        attention_factor: float | None = None,
        mscale: float | None = None,
        mscale_all_dim: float | None = None,
        partial_rotary_factor: float = 1.0,
        interleaved: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.theta = number("theta", theta, "(1, inf)")
        self.rope_type = one_of("rope_type", rope_type, tuple(OPTIONS))
        self.factor = optional_number("factor", factor, "[1, inf)")
        self.original_max_position_embeddings = optional_positive_int(
            "original_max_position_embeddings", original_max_position_embeddings
        )
        self.low_freq_factor = optional_number("low_freq_factor", low_freq_factor, "(0, inf)")
        self.high_freq_factor = optional_number("high_freq_factor", high_freq_factor, "(0, inf)")
        self.beta_fast = optional_number("beta_fast", beta_fast, "(0, inf)")
        self.beta_slow = optional_number("beta_slow", beta_slow, "(0, inf)")
        self.truncate = None if truncate is None else boolean("truncate", truncate)
        self.attention_factor = optional_number("attention_factor", attention_factor, "(0, inf)")
        self.mscale = optional_number("mscale", mscale, "(0, inf)")
        self.mscale_all_dim = optional_number("mscale_all_dim", mscale_all_dim, "(0, inf)")
        self.partial_rotary_factor = number(
            "partial_rotary_factor", partial_rotary_factor, "(0, 1]"
        )
        self.interleaved = boolean("interleaved", interleaved)
        self.supports_masking = True
        self._options = self._checked_options()

    def _checked_options(self):
        """Returns a value for each option of the type."""
        given = {
            name: getattr(self, name) for name in _OPTION_NAMES if getattr(self, name) is not None
        }
        used = OPTIONS[self.rope_type]
        for name in given:
            if name not in used:
                types = [rope_type for rope_type, options in OPTIONS.items() if name in options]
                raise ValueError(
                    f"`{name}` has no effect with rope_type={self.rope_type!r}; it is for "
                    f"{' and '.join(types)}. Received: {name}={given[name]!r}."
                )
        options = {**used, **given}
        missing = [name for name, value in options.items() if value is ...]
        if missing:
            raise ValueError(
                f"rope_type={self.rope_type!r} needs {' and '.join(f'`{n}`' for n in missing)}. "
                f"Received: {', '.join(f'{n}=None' for n in missing)}."
            )
        for low, high in (("low_freq_factor", "high_freq_factor"), ("beta_slow", "beta_fast")):
            if low in options and not options[low] < options[high]:
                raise ValueError(
                    f"`{low}` must be less than `{high}`. Received: {low}={options[low]}, "
                    f"{high}={options[high]}."
                )
        if self.mscale is not None and self.mscale_all_dim is None:
            raise ValueError(
                "`mscale` has no effect without `mscale_all_dim`. Received: "
                f"mscale={self.mscale}, mscale_all_dim=None."
            )
        if self.mscale is not None and self.attention_factor is not None:
            raise ValueError(
                "`mscale` has no effect beside `attention_factor`. Received: "
                f"mscale={self.mscale}, attention_factor={self.attention_factor}."
            )
        return options

    def rotary_dim(self, head_dim: int, name: str = "head_dim") -> int:
        """Returns how many features of each head are rotated.

        Args:
            head_dim: Number of features of a head.
            name: What to call it in the message of an error.

        Raises:
            ValueError: If their number is not even, or 0.
        """
        dim = int(head_dim * self.partial_rotary_factor)
        if dim < 2 or dim % 2:
            raise ValueError(
                "Features are rotated in pairs, so that their number must be even. Received: "
                f"{name}={head_dim}, partial_rotary_factor={self.partial_rotary_factor}, which "
                f"is {dim} features."
            )
        return dim

    @property
    def score_factor(self) -> float:
        """What YaRN multiplies the scale of `LatentAttention` by: 1 without `mscale_all_dim`."""
        if self.mscale_all_dim is None:
            return 1.0
        return yarn_magnitude(self.factor, self.mscale_all_dim) ** 2

    def tables(self, positions: Tensor, head_dim: int, dtype: str) -> tuple[Tensor, Tensor]:
        """Computes the cosines and sines that `rotate` takes, once for queries and keys.

        Args:
            positions: Int `[B, T]`.
            head_dim: Number of features of a head.
            dtype: That of the queries and keys.

        Returns:
            Two tensors `[B, T, rotary_dim / 2]`, float32 for every dtype of lower precision: a
            half-precision float cannot even count to 3000.
        """
        dtype = at_least_float32(dtype)
        dim = self.rotary_dim(head_dim)
        frequencies = inverse_frequencies(self.rope_type, self.theta, dim, self._options)
        angles = ops.cast(positions, dtype)[..., None] * ops.convert_to_tensor(frequencies, dtype)
        factor = yarn_attention_factor(self._options) if self.rope_type == "yarn" else 1.0
        return ops.cos(angles) * factor, ops.sin(angles) * factor

    def rotate(self, inputs: Tensor, tables: tuple[Tensor, Tensor]) -> Tensor:
        """Rotates queries or keys, `[B, T, head_dim]` or `[B, T, heads, head_dim]`.

        The result has the dtype of the inputs: within an attention layer, whose dtype policy may be
        another one than that of this layer.
        """
        cos, sin = tables
        if len(inputs.shape) == 4:
            cos, sin = cos[:, :, None], sin[:, :, None]
        dim = 2 * cos.shape[-1]
        rotated = ops.cast(inputs[..., :dim], cos.dtype)
        if self.interleaved:
            first, second = rotated[..., ::2], rotated[..., 1::2]
        else:
            first, second = rotated[..., : dim // 2], rotated[..., dim // 2 :]
        pairs = [first * cos - second * sin, second * cos + first * sin]
        if self.interleaved:
            rotated = ops.reshape(ops.stack(pairs, axis=-1), ops.shape(rotated))
        else:
            rotated = ops.concatenate(pairs, axis=-1)
        rotated = ops.cast(rotated, inputs.dtype)
        if dim == inputs.shape[-1]:
            return rotated
        return ops.concatenate([rotated, inputs[..., dim:]], axis=-1)

    def call(self, inputs: Tensor, positions: Tensor = None) -> Tensor:
        if len(inputs.shape) not in (3, 4):
            raise ValueError(
                "RotaryEmbedding takes [B, T, head_dim] or [B, T, heads, head_dim]. Received: "
                f"inputs of shape {tuple(inputs.shape)}."
            )
        if positions is None:
            positions = ops.arange(ops.shape(inputs)[1], dtype="int32")[None]
        return self.rotate(inputs, self.tables(positions, inputs.shape[-1], inputs.dtype))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        names = ("theta", "rope_type", *_OPTION_NAMES, "partial_rotary_factor", "interleaved")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
