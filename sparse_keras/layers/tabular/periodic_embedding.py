"""PeriodicEmbedding: embeds numbers as sines and cosines with learned frequencies."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.initializers import per_group
from sparse_keras.layers.tabular.numeric_embedding import NumericEmbedding, PaddedIndices
from sparse_keras.layers.validation import boolean, number, positive_int


@keras.saving.register_keras_serializable(package="sparse_keras")
class PeriodicEmbedding(NumericEmbedding):
    """Embeds each numeric column by sines and cosines of its value: PLR (periodic, linear, ReLU).

        p_c = concatenate(sin(2 pi f_c x_c), cos(2 pi f_c x_c))
        e_c = activation(p_c @ kernel_c + missing_c * m_c + bias_c)

    The frequencies `f_c` are learned. Their initial values are normally distributed.

    Args:
        dim: Width of one column's embedding.
        groups: Optional list of F integers, the column of each feature, numbered from 0. `None`
            for one feature per column.
        kinds: Optional list of F strings, what each feature is: `"value"`, of which each column has
            one; `"missing"`, of which it has at most one; or `"bin"`, which is not used. `None` for
            values only.
        frequencies: k, the number of frequencies of each column.
        sigma: Standard deviation of the initial frequencies. The larger it is, the finer the
            differences of values that the embedding resolves. It is worth tuning.
        shared: Whether all columns share one `kernel` and bias ("PLR lite").
        activation: Activation function of the embeddings.
        kernel_initializer: Initializer of one column's matrix, drawn separately for each column.

    Call arguments:
        inputs: `[..., F]`.

    Output shape:
        `[..., C * dim]`, column after column. A mask is passed on.

    Raises:
        ValueError: If `groups` or `kinds` do not match the input, or a column does not have exactly
            one value.

    Example:

    >>> layer = sparse_keras.layers.PeriodicEmbedding(dim=8)
    >>> layer(np.ones((2, 5), "float32")).shape
    TensorShape([2, 40])

    Reference:
        [Gorishniy et al., 2022](https://arxiv.org/abs/2203.05556), section 3.3.
    """

    def __init__(
        self,
        dim: int,
        groups: Sequence[int] | None = None,
        kinds: Sequence[str] | None = None,
        frequencies: int = 16,
        sigma: float = 0.1,
        shared: bool = False,
        activation: Any = "relu",
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
        self.frequencies = positive_int("frequencies", frequencies)
        self.sigma = number("sigma", sigma, "(0, inf)")
        self.shared = boolean("shared", shared)

    def build(self, input_shape: tuple) -> None:
        columns = self.columns(input_shape[-1])
        for index, column in enumerate(columns):
            if len(column["value"]) != 1 or len(column["missing"]) > 1:
                raise ValueError(
                    "A periodic embedding needs one value of each column, and at most one "
                    f"indicator of missing values. Received for column {index}: the features "
                    f"{column['value']} as values, {column['missing']} as indicators."
                )
        self._values = PaddedIndices([column["value"] for column in columns])
        missing = [column["missing"] for column in columns]
        self.frequency = self.add_weight(
            name="frequency",
            shape=(len(columns), self.frequencies),
            initializer=keras.initializers.RandomNormal(stddev=self.sigma),
        )
        kernels = 1 if self.shared else len(columns)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(kernels, 2 * self.frequencies, self.dim),
            initializer=per_group(self.kernel_initializer, "kernel"),
        )
        self.bias = self.add_weight(name="bias", shape=(kernels, self.dim), initializer="zeros")
        self.missing = None
        if any(missing):
            rows = iter(range(len(columns)))
            self._indicators = PaddedIndices(missing)
            self._rows = PaddedIndices([[next(rows) for _ in features] for features in missing])
            self.missing = self.add_weight(
                name="missing",
                shape=(sum(map(len, missing)), self.dim),
                initializer=self.kernel_initializer,
            )
        self.built = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        # In lower precision, large angles would lose their fraction of a turn.
        values = ops.cast(self._values.features(inputs), "float32")
        angles = 2.0 * math.pi * values * ops.cast(self.frequency, "float32")
        waves = ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)
        waves = ops.cast(waves, self.compute_dtype)
        if self.shared:
            outputs = ops.matmul(waves, self.kernel[0])
        else:
            outputs = ops.einsum("...ct,ctd->...cd", waves, self.kernel)
        if self.missing is not None:
            vectors = self._rows.weights(self.missing)[:, 0]
            outputs = outputs + self._indicators.features(inputs) * vectors
        return self._embed(outputs + self.bias)

    def flops_per_token(self, input_dim: int) -> int:
        """Multiplications and additions of the matmuls for one example."""
        return 2 * self.num_columns(input_dim) * 2 * self.frequencies * self.dim

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "frequencies": self.frequencies,
            "sigma": self.sigma,
            "shared": self.shared,
        }
