"""omoe: one gate for all tasks, the baseline of MMoE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sparse_keras.layers import MixtureOfExperts
from sparse_keras.models.tabular.multi_task import multi_task_model

if TYPE_CHECKING:
    import keras

    from sparse_keras.data import TableInputs


def omoe(
    *,
    inputs: TableInputs,
    tasks: Mapping[str, Any],
    experts: Any,
    router: Any = "dense",
    embedding_dim: int = 8,
    numeric_embedding: Any = None,
    feature_gate: Any = None,
    stem: int | None = None,
    dropout: float = 0.0,
    tower: Any = None,
    name: str = "omoe",
) -> keras.Model:
    """Builds a mixture of experts that all tasks share, gate and all, with a tower for each.

        columns --> [feature gate] --> [stem] --> mixture of experts --> tower and head of each task

    Args:
        inputs: The `TableInputs` of the data.
        tasks: Dict from the names of tasks to a `SingleTask`, or to `"binary"` or `"regression"`.
        experts: What each expert computes: a dict with a bank's registered name under `"type"` and
            its arguments, such as `{"type": "dense", "num_experts": 8, "units": 16}`.
        router: The one gate: a router's registered name, or a dict with it under `"type"`.
        embedding_dim, numeric_embedding, feature_gate, stem, dropout, tower, name: As for `mmoe`.

    Returns:
        An uncompiled `keras.Model` with the inputs of `sparse_mlp`, whose outputs are a dict with a
        tensor for each task.

    Raises:
        ValueError: If a name is unknown or there are no columns.

    Example:

    >>> model = sparse_keras.models.omoe(
    ...     inputs=sparse_keras.data.TableInputs(numeric_dim=30),
    ...     tasks={"income": "binary", "age": "regression"},
    ...     experts={"type": "dense", "num_experts": 8, "units": 16},
    ... )
    >>> outputs = model(np.zeros((2, 30), "float32"))
    >>> {task: tuple(output.shape) for task, output in outputs.items()}
    {'income': (2, 1), 'age': (2, 1)}

    Reference:
        [MMoE](https://doi.org/10.1145/3219819.3220007), section 4.1.
    """

    def mixture(x):
        x = MixtureOfExperts(experts, router=router, name="mixture")(x)
        return dict.fromkeys(tasks, x)

    return multi_task_model(
        mixture,
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
