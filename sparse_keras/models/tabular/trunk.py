"""What the models of tables share: everything around the blocks.

    numeric [B, n] -> [embeddings] ---+
    categorical [B, c] -> embeddings -+-> concatenate -> feature gate -> stem -> blocks -> head
    sparse [B, d] -> projection ------+

A block is a function from the width of its input to a layer. Models differ in their blocks only, so
that a sparse model and its dense twin are built alike.
"""

import keras

from sparse_keras.layers import (
    EnsembleHead,
    ExpertEnsemble,
    FeatureGate,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    SparseProjection,
    TiedExperts,
    identifiers,
)
from sparse_keras.layers.tabular.numeric_embedding import NumericEmbedding

# The names that configs use.
NUMERIC_EMBEDDINGS = {
    "piecewise_linear": PiecewiseLinearEmbedding,
    "periodic": PeriodicEmbedding,
}
_ACTIVATIONS = {
    "binary": "sigmoid",
    "multilabel": "sigmoid",
    "multiclass": "softmax",
    "regression": "linear",
}


def table_model(
    make_block,
    *,
    numeric_dim,
    cardinalities,
    numeric_groups,
    outputs,
    task,
    target_mean,
    target_std,
    embedding_dim,
    stem,
    depth,
    dropout,
    residual,
    feature_gate,
    sparse_dim,
    sparse_projection,
    name,
    numeric_kinds=None,
    numeric_embedding=None,
    ensemble=None,
):
    """Builds the functional model. The arguments are those of `sparse_mlp`.

    Args:
        make_block: Function of (input width, block number) that returns a layer, or a function that
            calls one.
    """
    inputs, x = table_features(
        numeric_dim=numeric_dim,
        cardinalities=cardinalities,
        numeric_groups=numeric_groups,
        embedding_dim=embedding_dim,
        feature_gate=feature_gate,
        numeric_kinds=numeric_kinds,
        numeric_embedding=numeric_embedding,
        sparse_dim=sparse_dim,
        sparse_projection=sparse_projection,
    )
    if ensemble is not None:
        if stem is None:
            raise ValueError(
                "The members of an ensemble part in the stem. Received: "
                f"ensemble={ensemble}, stem=None."
            )
        # [B, width] -> [B, members, stem]: what follows works on the last axis.
        x = ExpertEnsemble(TiedExperts(ensemble, stem), name="stem")(x)
    elif stem is not None:
        x = keras.layers.Dense(stem, activation="relu", name="stem")(x)
    for number in range(depth):
        x = _block(x, make_block, number, dropout, residual)
    x = task_head(x, outputs, task, target_mean, target_std, ensemble=ensemble is not None)
    return keras.Model(inputs, x, name=name)


def table_features(
    *,
    numeric_dim,
    cardinalities,
    numeric_groups,
    embedding_dim,
    feature_gate,
    numeric_kinds=None,
    numeric_embedding=None,
    sparse_dim=0,
    sparse_projection=None,
):
    """The encoded columns of a table as one tensor.

    Args:
        numeric_dim: Width of the numeric input, 0 for none.
        cardinalities: Number of codes of each categorical column.
        numeric_groups: Optional list with the raw column, numbered from 0, behind each numeric
            feature.
        embedding_dim: Width of each categorical column's embedding.
        feature_gate: Optional dict of `FeatureGate`'s arguments.
        numeric_kinds: Optional list with what each numeric feature is: `"value"`, `"bin"` or
            `"missing"`, as `Features.numeric_kinds` has it.
        numeric_embedding: Optional dict: under `"type"` the name of a layer that gives each numeric
            column an embedding, and its arguments. It replaces the numeric features. Only the bins,
            of which a periodic embedding makes no use, then stay as they are beside it.

    Returns:
        `(inputs, x)`: what `keras.Model` takes as inputs, a dict or the only tensor, and float
        `[B, width]`.

    Raises:
        ValueError: If there are no columns, or arguments speak of columns that there are not.
    """
    if not numeric_dim and not cardinalities and not sparse_dim:
        raise ValueError(
            "A model of a table needs columns. Received: numeric_dim=0, no cardinalities and "
            "sparse_dim=0."
        )
    if sparse_projection is not None and not sparse_dim:
        raise ValueError(
            "`sparse_projection` has no effect: the data have no sparse columns. Received: "
            f"sparse_projection={sparse_projection!r}, sparse_dim=0."
        )
    if feature_gate is not None and sparse_dim:
        raise ValueError(
            "`feature_gate` has a gate for each column that is dense; sparse columns have none. "
            f"Received: sparse_dim={sparse_dim}. Leave `feature_gate` out."
        )
    inputs, features, groups = _inputs(
        numeric_dim, cardinalities, embedding_dim, numeric_groups, numeric_kinds, numeric_embedding
    )
    if sparse_dim:
        inputs["sparse"] = sparse_input(sparse_dim)
        features.append(_projected(inputs["sparse"], **sparse_projection or {}))
    x = features[0] if len(features) == 1 else keras.layers.Concatenate(name="features")(features)
    if feature_gate is not None:
        x = FeatureGate(**feature_gate, groups=groups, name="feature_gate")(x)
    return inputs if len(inputs) > 1 else next(iter(inputs.values())), x


def task_head(
    x,
    outputs,
    task,
    target_mean,
    target_std,
    name="head",
    scale_name="target_scale",
    ensemble=False,
):
    """What a task predicts from `x`: probabilities, or values in the target's unit.

    With `ensemble`, `x` is that of all members, `[B, M, D]`.

    Raises:
        ValueError: If the task is unknown.
    """
    if task not in _ACTIVATIONS:
        raise ValueError(f"`task` must be one of {sorted(_ACTIVATIONS)}. Received: task={task!r}.")
    # Probabilities and the loss stay float32 under every policy.
    head = EnsembleHead if ensemble else keras.layers.Dense
    x = head(outputs, activation=_ACTIVATIONS[task], name=name, dtype="float32")(x)
    if task == "regression" and (target_mean, target_std) != (0.0, 1.0):
        x = keras.layers.Rescaling(target_std, target_mean, name=scale_name, dtype="float32")(x)
    return x


def _inputs(
    numeric_dim, cardinalities, embedding_dim, numeric_groups, numeric_kinds, numeric_embedding
):
    """The model's inputs, the tensors they become, and the column that each feature comes from."""
    inputs, features, groups = {}, [], []
    if numeric_dim:
        inputs["numeric"] = keras.Input((numeric_dim,), name="numeric")
        groups += range(numeric_dim) if numeric_groups is None else numeric_groups
        if numeric_embedding is None:
            features.append(inputs["numeric"])
        else:
            features, groups = _numeric_embedding(
                inputs["numeric"], groups, numeric_kinds, numeric_embedding
            )
    if cardinalities:
        first = max(groups, default=-1) + 1
        categorical = keras.Input((len(cardinalities),), dtype="int32", name="categorical")
        inputs["categorical"] = categorical
        for column, cardinality in enumerate(cardinalities):
            embedding = keras.layers.Embedding(
                cardinality, embedding_dim, name=f"embedding_{column}"
            )
            features.append(embedding(categorical[:, column]))
            groups += [first + column] * embedding_dim
    return inputs, features, groups


def _numeric_embedding(numeric, groups, kinds, arguments):
    """The embeddings of the numeric columns, and what they leave out; and their columns."""
    embedding = identifiers.get(
        {**arguments, "groups": groups, "kinds": kinds, "name": "numeric_embedding"},
        NUMERIC_EMBEDDINGS,
        NumericEmbedding,
        "a numeric embedding",
    )
    features = [embedding(numeric)]
    columns = [column for column in range(max(groups) + 1) for _ in range(embedding.dim)]
    bins = [position for position, kind in enumerate(kinds or ()) if kind == "bin"]
    if bins and isinstance(embedding, PeriodicEmbedding):
        features.append(keras.ops.take(numeric, bins, axis=-1))
        columns += [groups[position] for position in bins]
    return features, columns


def sparse_input(width):
    """The input of rows that are mostly zeros.

    Raises:
        ValueError: On PyTorch.
    """
    if keras.backend.backend() == "torch":
        raise ValueError(
            "Sparse inputs need the Keras backend 'tensorflow' or 'jax': Keras has no sparse "
            f"tensors on PyTorch. Received: sparse_dim={width}. Start Python with "
            "KERAS_BACKEND=tensorflow."
        )
    return keras.Input((width,), sparse=True, name="sparse")


def _projected(x, units=128, activation="relu", dropout=0.0, layer_norm=False):
    """Sparse `[B, d]` to dense `[B, units]`."""
    x = SparseProjection(units, activation=activation, name="sparse_projection")(x)
    if layer_norm:
        x = keras.layers.LayerNormalization(name="sparse_projection_norm")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, name="sparse_projection_dropout")(x)
    return x


def _block(x, make_block, number, dropout, residual):
    name = f"block_{number}"
    width = x.shape[-1]
    y = keras.layers.LayerNormalization(name=f"{name}_norm")(x) if residual else x
    y = make_block(width, number)(y)
    if dropout:
        y = keras.layers.Dropout(dropout, name=f"{name}_dropout")(y)
    if not residual:
        return y
    if y.shape[-1] != width:
        raise ValueError(
            "With `residual=True`, a block's output is added to its input, so both need the same "
            f"width. Received: input width {width}, output width {y.shape[-1]}. Choose experts of "
            f"{width} units, a stem of {y.shape[-1]}, or `residual=False`."
        )
    return keras.layers.Add(name=f"{name}_add")([x, y])
