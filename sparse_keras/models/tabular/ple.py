"""ple: levels of shared and of task-specific experts, which gates mix for each task."""

from sparse_keras.layers import MultiGateMixtureOfExperts
from sparse_keras.layers.mixtures.arguments import with_own_seeds
from sparse_keras.models.tabular.towers import multitask_model


def ple(
    *,
    shared_experts,
    task_experts,
    router="dense",
    levels=2,
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
    name="ple",
):
    """Builds a network of progressive layered extraction.

        columns --> [feature gate] --> [stem] --> levels --> tower and head of each task

    A level has experts that all tasks share and experts of each task alone. A task's gate mixes its
    own experts and the shared ones. Below the last level one more gate mixes all experts, for the
    shared experts of the next. From the second level on, a task's experts and its gate get what
    its gate below mixed; the shared ones what that other gate did.


    Args:
        shared_experts: The experts that all tasks see: a dict with a bank's registered name under
            `"type"` and its arguments, such as `{"type": "dense", "num_experts": 4, "units": 16}`.
        task_experts: The experts of each task alone, likewise.
        router: The gates: a router's registered name, or a dict with it under `"type"`.
        levels: Number of levels. One is CGC.
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
    >>> model = sparse_keras.models.ple(
    ...     shared_experts={"type": "dense", "num_experts": 4, "units": 16},
    ...     task_experts={"type": "dense", "num_experts": 2, "units": 16},
    ...     tasks=tasks,
    ...     numeric_dim=30,
    ... )
    >>> outputs = model(np.zeros((2, 30), "float32"))
    >>> {task: tuple(output.shape) for task, output in outputs.items()}
    {'income': (2, 1), 'age': (2, 1)}

    Reference:
        [PLE](https://doi.org/10.1145/3383313.3412236), sections 4.1 and 4.2.
    """
    shared = "shared"
    while shared in tasks:
        shared += "_"  # A task has this name already.

    def extraction(x):
        for level in range(levels):
            last = level == levels - 1
            experts = {shared: shared_experts, **dict.fromkeys(tasks, task_experts)}
            layer = MultiGateMixtureOfExperts(
                {
                    group: with_own_seeds(bank, f"level_{level}/{group}")
                    for group, bank in experts.items()
                },
                {
                    gate: with_own_seeds(router, f"level_{level}/{gate}")
                    for gate in (tasks if last else experts)
                },
                visible={task: [shared, task] for task in tasks},
                name=f"level_{level}",
            )
            x = layer(x)
        return x

    return multitask_model(
        extraction,
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
