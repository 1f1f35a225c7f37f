"""What embeddings of numeric columns share: which features belong to which column.

Axis letters: F features, C columns, T features of the widest column, d width of an embedding.
"""

import keras
import numpy as np
from keras import ops

from sparse_keras.layers.validation import positive_int

KINDS = ("value", "bin", "missing")


class NumericEmbedding(keras.layers.Layer):
    """Base class of layers that give each numeric column an embedding.

    Args:
        dim: d, width of one column's embedding.
        groups: Optional list of F integers, the column of each feature, numbered from 0 without
            gaps. `None` for one column a feature.
        kinds: Optional list of F strings, what each feature is: `"value"`, the column's
            standardised value; `"bin"`, one of the numbers of its piecewise-linear encoding;
            `"missing"`, 1 where the value is missing. `None` for values only.
        activation: Activation function of the embeddings.
        kernel_initializer: Initializer of one column's matrix; every column is drawn on its own.

    Output shape:
        `[..., C * d]`, column after column.
    """

    def __init__(
        self,
        dim,
        groups=None,
        kinds=None,
        activation=None,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.dim = positive_int("dim", dim)
        self.groups = None if groups is None else [int(group) for group in groups]
        self.kinds = None if kinds is None else list(kinds)
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.supports_masking = True
        numbers = set(self.groups or ())
        if numbers != set(range(len(numbers))):
            raise ValueError(
                "`groups` must number the columns 0, 1, 2, ... without gaps. Received: "
                f"groups={groups!r}."
            )
        unknown = sorted(set(self.kinds or ()) - set(KINDS))
        if unknown:
            raise ValueError(f"`kinds` must hold only {', '.join(KINDS)}. Received: {unknown}.")

    def columns(self, width):
        """The features of each column, for an input of `width` features.

        Returns:
            A list with a dict for each column, from each kind to the list of its features.

        Raises:
            ValueError: If `groups` or `kinds` are made for another width.
        """
        groups = range(width) if self.groups is None else self.groups
        kinds = ["value"] * width if self.kinds is None else self.kinds
        for name, found in (("groups", groups), ("kinds", kinds)):
            if len(found) != width:
                raise ValueError(
                    f"`{name}` must have an entry for each of the {width} features. Received: "
                    f"{len(found)} entries."
                )
        columns = [{kind: [] for kind in KINDS} for _ in range(max(groups) + 1)]
        for feature, (group, kind) in enumerate(zip(groups, kinds, strict=True)):
            columns[group][kind].append(feature)
        return columns

    def num_columns(self, width):
        """C, for an input of `width` features."""
        return width if self.groups is None else max(self.groups) + 1

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.num_columns(input_shape[-1]) * self.dim)

    def _embed(self, outputs):
        """`[..., C, d]` -> `[..., C * d]`, activated."""
        outputs = self.activation(outputs)
        return ops.reshape(outputs, (*ops.shape(outputs)[:-2], outputs.shape[-2] * self.dim))

    def get_config(self):
        return {
            **super().get_config(),
            "dim": self.dim,
            "groups": self.groups,
            "kinds": self.kinds,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


class Padded:
    """Lists of different lengths as one array: `[C, T]`, short ones filled up.

    Features of several columns are then gathered side by side, so that one batched matmul serves
    all columns.

    Args:
        lists: For each column, the numbers that it takes.
    """

    def __init__(self, lists):
        length = max(len(one) for one in lists)
        self.shape = (len(lists), length)
        self._numbers = np.zeros(self.shape, "int32")
        self._filled = np.zeros(self.shape, bool)
        for row, one in enumerate(lists):
            self._numbers[row, : len(one)] = one
            self._filled[row, : len(one)] = True

    def features(self, inputs):
        """`[..., F]` -> `[..., C, T]`. What fills up is some feature: its weights are 0."""
        taken = ops.take(inputs, self._numbers.reshape(-1), axis=-1)
        return ops.reshape(taken, (*ops.shape(inputs)[:-1], *self.shape))

    def weights(self, kernel):
        """`[R, d]` -> `[C, T, d]`, with zeros to fill up."""
        # A row of zeros at the end keeps the gradient dense: this is no lookup of few rows.
        kernel = ops.concatenate([kernel, ops.zeros_like(kernel[:1])], axis=0)
        rows = np.where(self._filled, self._numbers, kernel.shape[0] - 1)
        taken = ops.take(kernel, rows.reshape(-1), axis=0)
        return ops.reshape(taken, (*self.shape, kernel.shape[-1]))
