"""sparse_mlp: a network for tables whose blocks are mixtures of experts."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import keras

from sparse_keras import tasks
from sparse_keras.layers import (
    DepthSharedMixtureOfExperts,
    GatedSharedExpert,
    MixtureOfExperts,
)
from sparse_keras.models.tabular.blocks import head_layer, stack_of_blocks
from sparse_keras.models.tabular.features import table_features
from sparse_keras.models.tabular.fine_grained import split_experts

if TYPE_CHECKING:
    from sparse_keras.data import TableInputs
    from sparse_keras.tasks import SingleTask


def sparse_mlp(
    *,
    inputs: TableInputs,
    task: SingleTask | str = "binary",
    experts: Any,
    router: Any = "top_k",
    embedding_dim: int = 8,
    stem: int | None = 128,
    depth: int = 1,
    dropout: float = 0.0,
    residual: bool = True,
    shared_expert: Any = None,
    capacity_factor: float | None = None,
    eval_capacity_factor: float | None = None,
    drop_order: str = "position",
    feature_gate: Any = None,
    sparse_projection: Any = None,
    name: str = "sparse_mlp",
    numeric_embedding: Any = None,
    ensemble: Any = None,
    share_experts: bool = False,
    segments: int = 1,
) -> keras.Model:
    """Builds a network for tables whose blocks are mixtures of experts.

        columns --> [feature gate] --> stem --> depth x (mixture of experts) --> head

    Args:
        inputs: The `TableInputs` of the data.
        task: What is predicted: a `SingleTask`, or `"binary"` or `"regression"`.
        experts: What each expert computes: a dict with a bank's registered name under `"type"` and
            its arguments, such as `{"type": "mlp", "num_experts": 16, "hidden_dim": 64}`.
        router: Which experts each row goes to: a router's registered name, or a dict with it under
            `"type"`.
        embedding_dim: Width of each categorical column's embedding.
        stem: Width of a ReLU layer before the first block, or `None` for no such layer.
        depth: Number of blocks.
        dropout: Rate of dropout on each block's output.
        residual: Whether a block normalises its input and adds its output to it; otherwise its
            output replaces the input.
        shared_expert: Optional dict with `"hidden_dim"`, `"activation"` and `"gated"`: a two-layer
            expert that every row passes through; with `"gated"`, as far as a gate of the row lets
            it (`GatedSharedExpert`).
        capacity_factor: Limit on each expert's load in training; see `MixtureOfExperts`.
        eval_capacity_factor: The same outside training.
        drop_order: Which rows an expert drops beyond that limit; see `MixtureOfExperts`.
        feature_gate: Optional dict of `FeatureGate`'s arguments.
        sparse_projection: Optional dict with the arguments of the layer after CSR inputs:
            `"units"` (128), `"activation"` ("relu"), `"dropout"` (0.0) and `"layer_norm"` (False).
        name: Name of the model.
        numeric_embedding: Optional dict: under `"type"` `"piecewise_linear"` or `"periodic"`, and
            the arguments of `PiecewiseLinearEmbedding` or `PeriodicEmbedding`, such as
            `{"type": "periodic", "dim": 16}`. `None`: numeric features are used as they are.
        ensemble: Optional number of members of an ensemble that shares its weights: each member has
            its own scalings and bias in the stem (`TiedExperts`) and its own head; they share the
            rest. The prediction is that of their average, and each member is trained by itself;
            see `EnsembleHead` for the losses that allow this. `None` for one network.
        share_experts: Whether all blocks have the same experts, and the same shared expert, each
            with a router of its own; see `DepthSharedMixtureOfExperts`.
        segments: Number of parts that each expert is split into, of width `hidden_dim / segments`
            each; the router then chooses `segments * k` of them. Weights and operations stay the
            same, and the choice is finer (DeepSeekMoE). Needs a router with exactly k experts for
            each row, such as `"top_k"`.

    Returns:
        An uncompiled `keras.Model`. Its inputs are `{"numeric": float32 [B, numeric_dim],
        "categorical": int32 [B, C], "sparse": float32 [B, sparse_dim]}`, or the bare tensor where
        there is only one of them.

    Raises:
        ValueError: If a name is unknown or widths do not fit.

    Example:

    >>> model = sparse_keras.models.sparse_mlp(
    ...     inputs=sparse_keras.data.TableInputs(numeric_dim=100),
    ...     task=sparse_keras.tasks.Multilabel(labels=64),
    ...     experts={"type": "dense", "num_experts": 16, "units": 100},
    ...     stem=None,
    ... )
    >>> model(np.zeros((2, 100), "float32")).shape
    TensorShape([2, 64])
    """
    if segments > 1:
        experts, router = split_experts(experts, router, segments)

    def arguments(width):
        return dict(
            experts=experts,
            router=router,
            shared_expert=shared_expert and _shared_expert(**shared_expert, width=width),
            capacity_factor=capacity_factor,
            eval_capacity_factor=eval_capacity_factor,
            drop_order=drop_order,
        )

    shared = {}

    def mixture(width, number):
        if share_experts:
            if not shared:
                shared[width] = DepthSharedMixtureOfExperts(
                    num_depths=depth, name="blocks_mixture", **arguments(width)
                )
            if width not in shared:
                raise ValueError(
                    "Blocks that share their experts need inputs of one width. Received: "
                    f"{list(shared)[0]} and {width}. Choose experts of {list(shared)[0]} units."
                )
            return functools.partial(shared[width], depth=number)
        return MixtureOfExperts(**arguments(width), name=f"block_{number}_mixture")

    tensors, x = table_features(
        inputs,
        embedding_dim=embedding_dim,
        numeric_embedding=numeric_embedding,
        feature_gate=feature_gate,
        sparse_projection=sparse_projection,
    )
    x = stack_of_blocks(
        x,
        mixture,
        stem=stem,
        depth=depth,
        dropout=dropout,
        residual=residual,
        ensemble=ensemble,
    )
    x = tasks.get(task).head(x, layer=head_layer(ensemble))
    return keras.Model(tensors, x, name=name)


def _shared_expert(hidden_dim, width, activation="relu", gated=False):
    expert = keras.Sequential(
        [keras.layers.Dense(hidden_dim, activation=activation), keras.layers.Dense(width)],
        name="shared_expert",
    )
    return GatedSharedExpert(expert, name="gated_shared_expert") if gated else expert
