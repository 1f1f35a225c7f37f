"""shared_bottom: one dense network for all tasks, what multi-task mixtures are measured against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras

from sparse_keras.models.tabular.multi_task import multi_task_model

if TYPE_CHECKING:
    from sparse_keras.data import TableInputs


def shared_bottom(
    *,
    inputs: TableInputs,
    tasks: Mapping[str, Any],
    hidden_dims: Sequence[int],
    activation: Any = "relu",
    embedding_dim: int = 8,
    numeric_embedding: Any = None,
    feature_gate: Any = None,
    stem: int | None = None,
    dropout: float = 0.0,
    tower: Any = None,
    name: str = "shared_bottom",
) -> keras.Model:
    """Builds a dense network that all tasks share, with a tower for each.

        columns --> [feature gate] --> [stem] --> dense layers --> tower and head of each task

    Args:
        inputs: The `TableInputs` of the data.
        tasks: Dict from the names of tasks to a `SingleTask`, or to `"binary"` or `"regression"`.
        hidden_dims: Widths of the dense layers that all tasks share.
        activation: Activation function of these layers.
        embedding_dim, numeric_embedding, feature_gate, stem, dropout, tower, name: As for `mmoe`.

    Returns:
        An uncompiled `keras.Model` with the inputs of `sparse_mlp`, whose outputs are a dict with a
        tensor for each task.

    Raises:
        ValueError: If a task is unknown or there are no columns.

    Example:

    >>> model = sparse_keras.models.shared_bottom(
    ...     inputs=sparse_keras.data.TableInputs(numeric_dim=30),
    ...     tasks={"income": "binary", "age": "regression"},
    ...     hidden_dims=[64],
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

    return multi_task_model(
        bottom,
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
