"""dense_mlp: the network that sparse_mlp is measured against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from sparse_keras import tasks
from sparse_keras.models.tabular.blocks import head_layer, stack_of_blocks
from sparse_keras.models.tabular.features import table_features

if TYPE_CHECKING:
    from sparse_keras.data import TableInputs
    from sparse_keras.tasks import SingleTask


def dense_mlp(
    *,
    inputs: TableInputs,
    task: SingleTask | str = "binary",
    hidden_dim: int,
    activation: Any = "relu",
    embedding_dim: int = 8,
    stem: int | None = 128,
    depth: int = 1,
    dropout: float = 0.0,
    residual: bool = True,
    feature_gate: Any = None,
    sparse_projection: Any = None,
    name: str = "dense_mlp",
    numeric_embedding: Any = None,
    ensemble: Any = None,
) -> keras.Model:
    """Builds a network for tables whose blocks are dense: every row uses every weight.

    It is `sparse_mlp` but for the blocks. With `residual=True` a block has two matrices,
    `width -> hidden_dim -> width`; otherwise one, `width -> hidden_dim`.

    Args:
        inputs: The `TableInputs` of the data.
        task: What is predicted: a `SingleTask`, or `"binary"` or `"regression"`.
        hidden_dim: Width of a block's hidden layer.
        activation: Activation function of the hidden layer.
        embedding_dim: Width of each categorical column's embedding.
        stem: Width of a ReLU layer before the first block, or `None` for no such layer.
        depth: Number of blocks.
        dropout: Rate of dropout on each block's output.
        residual: Whether a block normalises its input and adds its output to it.
        feature_gate: Optional dict of `FeatureGate`'s arguments.
        sparse_projection: Optional dict with the arguments of the layer after CSR inputs:
            `"units"` (128), `"activation"` ("relu"), `"dropout"` (0.0) and `"layer_norm"` (False).
        name: Name of the model.
        numeric_embedding: Optional dict: under `"type"` `"piecewise_linear"` or `"periodic"`, and
            the arguments of `PiecewiseLinearEmbedding` or `PeriodicEmbedding`, such as
            `{"type": "periodic", "dim": 16}`. `None`: numeric features are used as they are.
        ensemble: Optional number of members of an ensemble that shares its weights: each member has
            its own scalings and bias in the stem (`TiedExperts`) and its own head; they share the
            rest. The prediction is that of their average, and each member is trained by itself;
            see `EnsembleHead` for the losses that allow this. `None` for one network.

    Returns:
        An uncompiled `keras.Model` with the inputs of `sparse_mlp`.

    Raises:
        ValueError: If the task is unknown or there are no columns.

    Example:

    >>> model = sparse_keras.models.dense_mlp(
    ...     inputs=sparse_keras.data.TableInputs(numeric_dim=30), hidden_dim=128
    ... )
    >>> model(np.zeros((2, 30), "float32")).shape
    TensorShape([2, 1])
    """

    def dense(width, number):
        hidden = keras.layers.Dense(hidden_dim, activation=activation)
        if not residual:
            return hidden
        return keras.Sequential([hidden, keras.layers.Dense(width)], name=f"block_{number}_dense")

    tensors, x = table_features(
        inputs,
        embedding_dim=embedding_dim,
        numeric_embedding=numeric_embedding,
        feature_gate=feature_gate,
        sparse_projection=sparse_projection,
    )
    x = stack_of_blocks(
        x,
        dense,
        stem=stem,
        depth=depth,
        dropout=dropout,
        residual=residual,
        ensemble=ensemble,
    )
    x = tasks.get(task).head(x, layer=head_layer(ensemble))
    return keras.Model(tensors, x, name=name)
