"""PiecewiseLinearEmbedding: embeds numbers by the bins that they fall into."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.initializers import for_group
from sparse_keras.layers.tabular.numeric_embedding import NumericEmbedding, PaddedIndices
from sparse_keras.layers.validation import boolean


@keras.saving.register_keras_serializable(package="sparse_keras")
class PiecewiseLinearEmbedding(NumericEmbedding):
    """Embeds each numeric column by a linear map of its piecewise-linear encoding.

        e_c = activation(x_c * w_c + bins_c @ kernel_c + missing_c * m_c + bias_c)

    Each column has its own map. Its embedding is a piecewise-linear curve of the value, with
    corners at the edges of the bins, and a separate point for missing values. The input holds the
    encoding: `data.features` computes it from numbers.

    Args:
        dim: Width of one column's embedding.
        groups: List of F integers, the column of each feature, numbered from 0.
        kinds: List of F strings, what each feature is: `"value"`, `"bin"` or `"missing"`. A column
            has at most one value, any number of bins, and at most one indicator of missing values.
        linear: Whether a column with bins also has the linear term of its value, `x_c * w_c`. Then
            the weights of bins are initially 0, so that the embedding starts as a straight line
            (TabM's embedding). Otherwise such a column has bins only. A column without bins always
            has the linear term.
        activation: Activation function of the embeddings, such as `"relu"`. Default none.
        kernel_initializer: Initializer of one column's matrix, drawn separately for each column.

    Call arguments:
        inputs: `[..., F]`.

    Output shape:
        `[..., C * dim]`, column after column. A mask is passed on.

    Raises:
        ValueError: If `groups` or `kinds` do not match the input or each other, or there are no
            bins.

    Example:

    >>> layer = sparse_keras.layers.PiecewiseLinearEmbedding(
    ...     dim=8, groups=[0, 1, 0, 0, 0], kinds=["value", "value", "bin", "bin", "bin"]
    ... )
    >>> layer(np.ones((2, 5), "float32")).shape
    TensorShape([2, 16])

    Reference:
        [Gorishniy et al., 2022](https://arxiv.org/abs/2203.05556), section 3.2;
        [Gorishniy et al., 2024 (TabM)](https://arxiv.org/abs/2410.24210), for `linear=True`.
    """

    def __init__(
        self,
        dim: int,
        groups: Sequence[int] | None = None,
        kinds: Sequence[str] | None = None,
        linear: bool = True,
        activation: Any = None,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dim,
            groups=groups,
            kinds=kinds,
            activation=activation,
            kernel_initializer=kernel_initializer,
            **kwargs,
        )
        self.linear = boolean("linear", linear)

    def build(self, input_shape: tuple) -> None:
        columns = self.columns(input_shape[-1])
        if not any(column["bin"] for column in columns):
            raise ValueError(
                "A piecewise-linear embedding needs bins: `kinds` names no feature as 'bin'. Set "
                "data.bins to tree or quantile, or choose another embedding."
            )
        lists, sizes = [], []
        for column in columns:
            with_value = self.linear or not column["bin"]
            drawn = (column["value"] if with_value else []) + column["missing"]
            # Features with random initial weights come first, those that start at 0 last.
            lists.append(drawn + column["bin"])
            sizes.append((len(drawn) + (0 if self.linear else len(column["bin"])), len(lists[-1])))
        rows = iter(range(sum(map(len, lists))))
        self._features = PaddedIndices(lists)
        self._rows = PaddedIndices([[next(rows) for _ in features] for features in lists])
        self.kernel = self.add_weight(
            name="kernel",
            shape=(sum(map(len, lists)), self.dim),
            initializer=lambda shape, dtype=None: self._initial(sizes, dtype),
        )
        self.bias = self.add_weight(
            name="bias", shape=(len(columns), self.dim), initializer="zeros"
        )
        self.built = True

    def _initial(self, sizes: list[tuple[int, int]], dtype: Any) -> Tensor:
        """Returns the initial kernel: for each column, the rows that are drawn, then zeros."""
        parts = []
        for column, (drawn, size) in enumerate(sizes):
            if drawn:
                draw = for_group(self.kernel_initializer, "kernel", column)
                parts.append(draw((drawn, self.dim), dtype=dtype))
            parts.append(ops.zeros((size - drawn, self.dim), dtype=dtype))
        return ops.concatenate(parts, axis=0)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        outputs = ops.einsum(
            "...ct,ctd->...cd", self._features.features(inputs), self._rows.weights(self.kernel)
        )
        return self._embed(outputs + self.bias)

    def flops_per_token(self, input_dim: int) -> int:
        """Multiplications and additions of the matmuls for one example."""
        return 2 * self.kernel.shape[0] * self.dim

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "linear": self.linear}
