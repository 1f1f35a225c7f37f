"""dcn_mix: DCN-V2 on a table, its cross layers made of low-rank experts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras

from sparse_keras import tasks
from sparse_keras.layers import CrossMixture
from sparse_keras.models.tabular.features import table_features

if TYPE_CHECKING:
    from sparse_keras.data import TableInputs
    from sparse_keras.tasks import SingleTask


STRUCTURES = ("stacked", "parallel")


def dcn_mix(
    *,
    inputs: TableInputs,
    task: SingleTask | str = "binary",
    experts: Any,
    router: Any = "dense",
    embedding_dim: int = 8,
    numeric_embedding: Any = None,
    feature_gate: Any = None,
    cross_layers: int = 2,
    hidden_dims: Sequence[int] = (128, 64),
    structure: str = "stacked",
    dropout: float = 0.0,
    capacity_factor: float | None = None,
    eval_capacity_factor: float | None = None,
    name: str = "dcn_mix",
) -> keras.Model:
    """Builds a network that multiplies features with each other, and a deep network with it.

        stacked:   columns --> [feature gate] --> cross layers --> dense layers --> head

        parallel:  columns --> [feature gate] -+-> cross layers -+--> head
                                               +-> dense layers -+

    Args:
        inputs: The `TableInputs` of the data.
        task: What is predicted: a `SingleTask`, or `"binary"` or `"regression"`.
        experts: What each expert of a cross layer computes: a dict with a bank's registered name
            under `"type"` and its arguments, such as `{"type": "low_rank", "num_experts": 4,
            "rank": 32}`. Its output has the width of its input.
        router: Which experts each row goes to: a router's registered name, or a dict with it under
            `"type"`.
            `"dense"`, DCN-V2's own, uses all experts; a sparse router those that it chooses.
        embedding_dim: Width of each categorical column's embedding.
        numeric_embedding: Optional dict, an embedding of each numeric column; see `sparse_mlp`.
        feature_gate: Optional dict of `FeatureGate`'s arguments.
        cross_layers: Number of cross layers: they reach products of up to one feature more.
        hidden_dims: Width of each dense ReLU layer; may be empty.
        structure: `"stacked"` or `"parallel"`: where the dense layers are.
        dropout: Rate of dropout on the output of each dense layer.
        capacity_factor: Limit on each expert's load in training; see `MixtureOfExperts`.
        eval_capacity_factor: The same outside training.
        name: Name of the model.

    Returns:
        An uncompiled `keras.Model` with the inputs of `sparse_mlp`.

    Raises:
        ValueError: If a name is unknown, widths do not fit or there are no columns.

    Example:

    >>> model = sparse_keras.models.dcn_mix(
    ...     inputs=sparse_keras.data.TableInputs(numeric_dim=30),
    ...     experts={"type": "low_rank", "num_experts": 4, "rank": 8},
    ... )
    >>> model(np.zeros((2, 30), "float32")).shape
    TensorShape([2, 1])

    Reference:
        [DCN V2](https://arxiv.org/abs/2008.13535), figure 1 and section 3.3.
    """
    if structure not in STRUCTURES:
        raise ValueError(
            f"`structure` must be one of {STRUCTURES}. Received: structure={structure!r}."
        )
    tensors, features = table_features(
        inputs,
        embedding_dim=embedding_dim,
        numeric_embedding=numeric_embedding,
        feature_gate=feature_gate,
    )
    crossed = features
    for number in range(cross_layers):
        layer = CrossMixture(
            experts,
            router=router,
            capacity_factor=capacity_factor,
            eval_capacity_factor=eval_capacity_factor,
            name=f"cross_{number}",
        )
        crossed = layer(crossed, x0=features)
    x = crossed if structure == "stacked" else features
    for number, units in enumerate(hidden_dims):
        x = keras.layers.Dense(units, activation="relu", name=f"dense_{number}")(x)
        if dropout:
            x = keras.layers.Dropout(dropout, name=f"dense_{number}_dropout")(x)
    if structure == "parallel" and hidden_dims:
        x = keras.layers.Concatenate(name="crossed_and_deep")([crossed, x])
    elif not hidden_dims:
        x = crossed
    return keras.Model(tensors, tasks.get(task).head(x), name=name)
