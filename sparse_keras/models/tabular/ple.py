"""ple: levels of shared and of task-specific experts, which gates mix for each task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sparse_keras.layers import MultiGateMixtureOfExperts
from sparse_keras.layers.mixtures.resolve import with_own_seeds
from sparse_keras.models.tabular.multi_task import multi_task_model

if TYPE_CHECKING:
    import keras

    from sparse_keras.data import TableInputs


def ple(
    *,
    inputs: TableInputs,
    tasks: Mapping[str, Any],
    shared_experts: Any,
    task_experts: Any,
    router: Any = "dense",
    levels: int = 2,
    embedding_dim: int = 8,
    numeric_embedding: Any = None,
    feature_gate: Any = None,
    stem: int | None = None,
    dropout: float = 0.0,
    tower: Any = None,
    name: str = "ple",
) -> keras.Model:
    """Builds a network of progressive layered extraction.

        columns --> [feature gate] --> [stem] --> levels --> tower and head of each task

    A level has experts that all tasks share and experts of each task alone. A task's gate mixes its
    own experts and the shared ones. Below the last level one more gate mixes all experts, for the
    shared experts of the next. From the second level on, a task's experts and its gate get what
    its gate below mixed; the shared ones what that other gate did.

    Args:
        inputs: The `TableInputs` of the data.
        tasks: Dict from the names of tasks to a `SingleTask`, or to `"binary"` or `"regression"`.
        shared_experts: The experts that all tasks see: a dict with a bank's registered name under
            `"type"` and its arguments, such as `{"type": "dense", "num_experts": 4, "units": 16}`.
        task_experts: The experts of each task alone, likewise.
        router: The gates: a router's registered name, or a dict with it under `"type"`.
        levels: Number of levels. One is CGC.
        embedding_dim, numeric_embedding, feature_gate, stem, dropout, tower, name: As for `mmoe`.

    Returns:
        An uncompiled `keras.Model` with the inputs of `sparse_mlp`, whose outputs are a dict with a
        tensor for each task.

    Raises:
        ValueError: If a name is unknown, widths do not fit or there are no columns.

    Example:

    >>> model = sparse_keras.models.ple(
    ...     inputs=sparse_keras.data.TableInputs(numeric_dim=30),
    ...     tasks={"income": "binary", "age": "regression"},
    ...     shared_experts={"type": "dense", "num_experts": 4, "units": 16},
    ...     task_experts={"type": "dense", "num_experts": 2, "units": 16},
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

    return multi_task_model(
        extraction,
        inputs=inputs,
        tasks=tasks,
        embedding_dim=embedding_dim,
        numeric_embedding=numeric_embedding,
        feature_gate=feature_gate,
        stem=stem,
        dropout=dropout,
        tower=tower,
        name=name,
    )
