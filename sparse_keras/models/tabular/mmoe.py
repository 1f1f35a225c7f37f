"""mmoe: experts that all tasks share, and a gate for each task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sparse_keras.layers import MultiGateMixtureOfExperts
from sparse_keras.models.tabular.multi_task import multi_task_model

if TYPE_CHECKING:
    import keras

    from sparse_keras.data import TableInputs


def mmoe(
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
    name: str = "mmoe",
) -> keras.Model:
    """Builds a mixture of experts with a gate for each task, and a tower behind each gate.

        columns --> [feature gate] --> [stem] --> experts --> gate, tower and head of each task

    `gate_weights` tells which experts each task uses.

    Args:
        inputs: The `TableInputs` of the data.
        tasks: Dict from the names of tasks to a `SingleTask`, or to `"binary"` or `"regression"`.
        experts: What each expert computes: a dict with a bank's registered name under `"type"` and
            its arguments, such as `{"type": "dense", "num_experts": 8, "units": 16}`.
        router: The gate of each task: a router's registered name, or a dict with it under
            `"type"`. `"dense"`, a softmax over all experts, is that of the paper.
        embedding_dim: Width of each categorical column's embedding.
        numeric_embedding: Optional dict: under `"type"` `"piecewise_linear"` or `"periodic"`, and
            the layer's arguments. `None`: numeric features are used as they are.
        feature_gate: Optional dict of `FeatureGate`'s arguments.
        stem: Width of a ReLU layer that all tasks share, before all else, or `None` for none.
        dropout: Rate of dropout on what the towers get.
        tower: Optional dict with `"hidden_dims"`, `"activation"` and `"dropout"`: the layers of
            each task alone. `None` means one ReLU layer of 32 units.
        name: Name of the model.

    Returns:
        An uncompiled `keras.Model` with the inputs of `sparse_mlp`, whose outputs are a dict with a
        tensor for each task.

    Raises:
        ValueError: If a name is unknown or there are no columns.

    Example:

    >>> model = sparse_keras.models.mmoe(
    ...     inputs=sparse_keras.data.TableInputs(numeric_dim=30),
    ...     tasks={"income": "binary", "age": "regression"},
    ...     experts={"type": "dense", "num_experts": 8, "units": 16},
    ... )
    >>> outputs = model(np.zeros((2, 30), "float32"))
    >>> {task: tuple(output.shape) for task, output in outputs.items()}
    {'income': (2, 1), 'age': (2, 1)}

    Reference:
        [MMoE](https://doi.org/10.1145/3219819.3220007), section 4.2.
    """

    def mixture(x):
        routers = dict.fromkeys(tasks, router)
        return MultiGateMixtureOfExperts(experts, routers, name="mixture")(x)

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
