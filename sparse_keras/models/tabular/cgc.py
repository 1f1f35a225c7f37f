"""cgc: experts that all tasks share, experts of each task alone, and a gate for each task."""

from sparse_keras.models.tabular.ple import ple


def cgc(
    *,
    shared_experts,
    task_experts,
    router="dense",
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
    name="cgc",
):
    """Builds a network with customized gate control: PLE with one level.

        columns --> [feature gate] --> [stem] --> shared experts and each task's own
                --> gate, tower and head of each task


    Args:
        shared_experts: The experts that all tasks see: a dict with a bank's registered name under
            `"type"` and its arguments, such as `{"type": "dense", "num_experts": 4, "units": 16}`.
        task_experts: The experts of each task alone, likewise.
        router: The gates: a router's registered name, or a dict with it under `"type"`.
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
        ValueError: If a name is unknown, widths do not fit or there are no columns.

    Example:

    >>> tasks = {"income": {"task": "binary"}, "age": {"task": "regression"}}
    >>> model = sparse_keras.models.cgc(
    ...     shared_experts={"type": "dense", "num_experts": 4, "units": 16},
    ...     task_experts={"type": "dense", "num_experts": 2, "units": 16},
    ...     tasks=tasks,
    ...     numeric_dim=30,
    ... )
    >>> outputs = model(np.zeros((2, 30), "float32"))
    >>> {task: tuple(output.shape) for task, output in outputs.items()}
    {'income': (2, 1), 'age': (2, 1)}

    Reference:
        [PLE](https://doi.org/10.1145/3383313.3412236), section 4.1.
    """
    return ple(
        shared_experts=shared_experts,
        task_experts=task_experts,
        router=router,
        levels=1,
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
