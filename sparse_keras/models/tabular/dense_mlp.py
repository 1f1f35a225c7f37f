"""dense_mlp: the network that sparse_mlp is measured against."""

import keras

from sparse_keras.models.tabular.trunk import table_model


def dense_mlp(
    *,
    hidden_dim,
    activation="relu",
    numeric_dim=0,
    cardinalities=(),
    numeric_groups=None,
    outputs=1,
    task="binary",
    target_mean=0.0,
    target_std=1.0,
    embedding_dim=8,
    stem=128,
    depth=1,
    dropout=0.0,
    residual=True,
    feature_gate=None,
    sparse_dim=0,
    sparse_projection=None,
    name="dense_mlp",
    numeric_kinds=None,
    numeric_embedding=None,
    ensemble=None,
):
    """Builds a network for tables whose blocks are dense: every row uses every weight.

    It is `sparse_mlp` but for the blocks. With `residual=True` a block has two matrices,
    `width -> hidden_dim -> width`; otherwise one, `width -> hidden_dim`.

    Args:
        hidden_dim: Width of a block's hidden layer.
        activation: Activation function of the hidden layer.
        numeric_dim: Width of the numeric input, 0 for none.
        cardinalities: Number of codes of each categorical column.
        numeric_groups: Optional list with the raw column behind each numeric feature.
        outputs: Width of the output.
        task: `"binary"`, `"multilabel"`, `"multiclass"` or `"regression"`.
        target_mean: Mean of the target, for regression.
        target_std: Standard deviation of the target, for regression.
        embedding_dim: Width of each categorical column's embedding.
        stem: Width of a ReLU layer before the first block, or `None` for no such layer.
        depth: Number of blocks.
        dropout: Rate of dropout on each block's output.
        residual: Whether a block normalises its input and adds its output to it.
        feature_gate: Optional dict of `FeatureGate`'s arguments.
        sparse_dim: Width of an input that is mostly zeros, 0 for none. Its form is sparse all the
            way to its projection: `fit` and `predict` take CSR matrices of `scipy.sparse`.
        sparse_projection: Optional dict of how it becomes dense: `"units"` (128), `"activation"`
            ("relu"), `"dropout"` (0.0) and `"layer_norm"` (False).
        name: Name of the model.
        numeric_kinds: Optional list with what each numeric feature is: `"value"`, `"bin"` or
            `"missing"`, for `numeric_embedding`. `None` for values only.
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

    >>> model = sparse_keras.models.dense_mlp(hidden_dim=128, numeric_dim=30)
    >>> model(np.zeros((2, 30), "float32")).shape
    TensorShape([2, 1])
    """

    def dense(width, number):
        hidden = keras.layers.Dense(hidden_dim, activation=activation)
        if not residual:
            return hidden
        return keras.Sequential([hidden, keras.layers.Dense(width)], name=f"block_{number}_dense")

    return table_model(
        dense,
        numeric_dim=numeric_dim,
        cardinalities=cardinalities,
        numeric_groups=numeric_groups,
        outputs=outputs,
        task=task,
        target_mean=target_mean,
        target_std=target_std,
        embedding_dim=embedding_dim,
        stem=stem,
        depth=depth,
        dropout=dropout,
        residual=residual,
        feature_gate=feature_gate,
        sparse_dim=sparse_dim,
        sparse_projection=sparse_projection,
        name=name,
        numeric_kinds=numeric_kinds,
        numeric_embedding=numeric_embedding,
        ensemble=ensemble,
    )
