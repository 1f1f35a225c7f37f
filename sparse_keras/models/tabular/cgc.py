"""cgc: experts that all tasks share, experts of each task alone, and a gate for each task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sparse_keras.models.tabular.ple import ple

if TYPE_CHECKING:
    import keras

    from sparse_keras.data import TableInputs


def cgc(
    *,
    inputs: TableInputs,
    tasks: Mapping[str, Any],
    shared_experts: Any,
    task_experts: Any,
    router: Any = "dense",
    embedding_dim: int = 8,
    numeric_embedding: Any = None,
    feature_gate: Any = None,
    stem: int | None = None,
    dropout: float = 0.0,
    tower: Any = None,
    name: str = "cgc",
) -> keras.Model:
    """Builds a network with customized gate control: PLE with one level.

        columns --> [feature gate] --> [stem] --> shared experts and each task's own
                --> gate, tower and head of each task

    Args:
        inputs: The `TableInputs` of the data.
        tasks: Dict from the names of tasks to a `SingleTask`, or to `"binary"` or `"regression"`.
        shared_experts: The experts that all tasks see: a dict with a bank's registered name under
            `"type"` and its arguments, such as `{"type": "dense", "num_experts": 4, "units": 16}`.
        task_experts: The experts of each task alone, likewise.
        router: The gates: a router's registered name, or a dict with it under `"type"`.
        embedding_dim, numeric_embedding, feature_gate, stem, dropout, tower, name: As for `mmoe`.

    Returns:
        An uncompiled `keras.Model` with the inputs of `sparse_mlp`, whose outputs are a dict with a
        tensor for each task.

    Raises:
        ValueError: If a name is unknown, widths do not fit or there are no columns.

    Example:

    >>> model = sparse_keras.models.cgc(
    ...     inputs=sparse_keras.data.TableInputs(numeric_dim=30),
    ...     tasks={"income": "binary", "age": "regression"},
    ...     shared_experts={"type": "dense", "num_experts": 4, "units": 16},
    ...     task_experts={"type": "dense", "num_experts": 2, "units": 16},
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
