"""The columns of a table as one tensor: where every model of a table starts.

numeric [B, n] -> [embeddings] ---+
categorical [B, c] -> embeddings -+-> concatenate -> [feature gate]
sparse [B, d] -> projection ------+
"""

import keras

from sparse_keras._internal.memory import check_memory
from sparse_keras.data.tabular.inputs import TableInputs
from sparse_keras.layers import (
    FeatureGate,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    SparseProjection,
    identifiers,
)
from sparse_keras.layers.tabular.numeric_embedding import NumericEmbedding

# The names that configs use.
NUMERIC_EMBEDDINGS = {
    "piecewise_linear": PiecewiseLinearEmbedding,
    "periodic": PeriodicEmbedding,
}


def table_features(
    inputs: TableInputs,
    *,
    embedding_dim: int = 8,
    numeric_embedding: dict | None = None,
    feature_gate: dict | None = None,
    sparse_projection: dict | None = None,
):
    """Turns the encoded columns of a table into one tensor.

    Args:
        inputs: The `TableInputs` of the data.
        embedding_dim: Width of each categorical column's embedding.
        numeric_embedding: Optional dict: under `"type"` the name of a layer that gives each numeric
            column an embedding, and its arguments. It replaces the numeric features. Only bins, of
            which a periodic embedding makes no use, then stay as they are beside it.
        feature_gate: Optional dict of `FeatureGate`'s arguments.
        sparse_projection: Optional dict of how columns that are mostly zeros become dense.

    Returns:
        `(inputs, x)`: what `keras.Model` takes as inputs, a dict or the only tensor, and float
        `[B, width]`.

    Raises:
        ValueError: If these are no inputs of a table, or arguments are about columns that it does
            not have.
    """
    if not isinstance(inputs, TableInputs):
        raise ValueError(
            "A model of a table needs `inputs` of the type sparse_keras.data.TableInputs. "
            f"Received: inputs={inputs!r}, of type {type(inputs).__name__}."
        )
    if sparse_projection is not None and not inputs.sparse_dim:
        raise ValueError(
            "`sparse_projection` has no effect: the data have no sparse columns. Received: "
            f"sparse_projection={sparse_projection!r}, sparse_dim=0."
        )
    if feature_gate is not None and inputs.sparse_dim:
        raise ValueError(
            "`feature_gate` has a gate for each column that is dense; sparse columns have none. "
            f"Received: sparse_dim={inputs.sparse_dim}. Leave `feature_gate` out."
        )
    tensors, features, groups = _dense_features(inputs, embedding_dim, numeric_embedding)
    if inputs.sparse_dim:
        tensors["sparse"] = sparse_input(inputs.sparse_dim)
        features.append(_projected(tensors["sparse"], **sparse_projection or {}))
    x = features[0] if len(features) == 1 else keras.layers.Concatenate(name="features")(features)
    if feature_gate is not None:
        x = FeatureGate(**feature_gate, groups=groups, name="feature_gate")(x)
    return tensors if len(tensors) > 1 else next(iter(tensors.values())), x


def _dense_features(inputs, embedding_dim, numeric_embedding):
    """The model's inputs, the tensors they become, and the column that each feature comes from."""
    tensors, features, groups = {}, [], []
    if inputs.numeric_dim:
        tensors["numeric"] = keras.Input((inputs.numeric_dim,), name="numeric")
        columns = inputs.numeric_groups
        groups += range(inputs.numeric_dim) if columns is None else columns
        if numeric_embedding is None:
            features.append(tensors["numeric"])
        else:
            features, groups = _numeric_embedding(
                tensors["numeric"], groups, inputs.numeric_kinds, numeric_embedding
            )
    if inputs.cardinalities:
        first = max(groups, default=-1) + 1
        categorical = keras.Input((len(inputs.cardinalities),), dtype="int32", name="categorical")
        tensors["categorical"] = categorical
        for column, cardinality in enumerate(inputs.cardinalities):
            embedding = keras.layers.Embedding(
                cardinality, embedding_dim, name=f"embedding_{column}"
            )
            features.append(embedding(categorical[:, column]))
            groups += [first + column] * embedding_dim
    return tensors, features, groups


def _numeric_embedding(numeric, groups, kinds, arguments):
    """The embeddings of the numeric columns, the bins that they leave out, and their columns."""
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
    width = x.shape[-1]
    check_memory(
        f"sparse_projection: {units:,} units for {width:,} sparse columns take",
        4 * width * units,
        "Decrease sparse_projection.units, or the number of columns (of a svmlight file, "
        "data.num_columns).",
    )
    x = SparseProjection(units, activation=activation, name="sparse_projection")(x)
    if layer_norm:
        x = keras.layers.LayerNormalization(name="sparse_projection_norm")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, name="sparse_projection_dropout")(x)
    return x
