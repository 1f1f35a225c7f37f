"""shared_bottom: one dense network for all tasks, what multi-task mixtures are measured against."""

import keras

from sparse_keras.models.tabular.towers import multitask_model


def shared_bottom(
    *,
    hidden_dims,
    activation="relu",
    tasks,
    numeric_dim=0,
    cardinalities=(),
    numeric_groups=None,
    numeric_kinds=None,
    embedding_dim=8,
    numeric_embedding=None,
    stem=None,
    dropout=0.0,
    tower=None,
    feature_gate=None,
    name="shared_bottom",
):
    """Builds a dense network that all tasks share, with a tower for each.

        columns --> [feature gate] --> [stem] --> dense layers --> tower and head of each task


    Args:
        hidden_dims: Widths of the dense layers that all tasks share.
        activation: Activation function of these layers.
        tasks: Dict from the name of each task to a dict with `"task"` (`"binary"`, `"multilabel"`,
            `"multiclass"` or `"regression"`), `"outputs"` (width of the output, 1 by default) and,
            for regression, `"target_mean"` and `"target_std"`.
        numeric_dim: Width of the numeric input, 0 for none.
        cardinalities: Number of codes of each categorical column.
        numeric_groups: Optional list with the raw column behind each numeric feature.
        numeric_kinds: Optional list with what each numeric feature is: `"value"`, `"bin"` or
            `"missing"`, for `numeric_embedding`. `None` for values only.
        embedding_dim: Width of each categorical column's embedding.
        numeric_embedding: Optional dict: under `"type"` `"piecewise_linear"` or `"periodic"`, and
            the layer's arguments. `None`: numeric features are used as they are.
        stem: Width of a ReLU layer that all tasks share, before all else, or `None` for none.
        dropout: Rate of dropout on what the towers get.
        tower: Optional dict with `"hidden_dims"`, `"activation"` and `"dropout"`: the layers of
            each task alone. `None` means one ReLU layer of 32 units.
        feature_gate: Optional dict of `FeatureGate`'s arguments.
        name: Name of the model.

    Returns:
        An uncompiled `keras.Model` with the inputs of `sparse_mlp`, whose outputs are a dict with a
        tensor for each task.

    Raises:
        ValueError: If a task is unknown or there are no columns.

    Example:

    >>> tasks = {"income": {"task": "binary"}, "age": {"task": "regression"}}
    >>> model = sparse_keras.models.shared_bottom(
    ...     hidden_dims=[64], tasks=tasks, numeric_dim=30
    ... )
    >>> outputs = model(np.zeros((2, 30), "float32"))
    >>> {task: tuple(output.shape) for task, output in outputs.items()}
    {'income': (2, 1), 'age': (2, 1)}

    Reference:
        [Multitask Learning](https://doi.org/10.1023/A:1007379606734).
    """

    def bottom(x):
        for number, width in enumerate(hidden_dims):
            x = keras.layers.Dense(width, activation=activation, name=f"bottom_{number}")(x)
        return dict.fromkeys(tasks, x)

    return multitask_model(
        bottom,
        tasks=tasks,
        stem=stem,
        dropout=dropout,
        tower=tower,
        name=name,
        numeric_dim=numeric_dim,
        cardinalities=cardinalities,
        numeric_groups=numeric_groups,
        numeric_kinds=numeric_kinds,
        embedding_dim=embedding_dim,
        numeric_embedding=numeric_embedding,
        feature_gate=feature_gate,
    )
