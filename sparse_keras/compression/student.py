"""dense_student and distill: a dense model that learns from a mixture of experts."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from sparse_keras.compression.align import aligned, weights_of
from sparse_keras.compression.probabilities import ProbabilitiesDistillation
from sparse_keras.compression.summary import MixtureChange, Shrinking, shrinking
from sparse_keras.compression.usage import Usage, measure, mixtures_to_shrink
from sparse_keras.layers import FeedForward, GLUExperts, MixtureOfExperts, MLPExperts
from sparse_keras.layers.validation import number, one_of, optional_positive_int
from sparse_keras.models.feed_forward_matrices import MATRICES
from sparse_keras.models.replacing import Replacement, replace_layers


def dense_student(
    model: keras.Model,
    data: Any,
    how: str = "concatenate",
    num_experts: int | None = None,
    *,
    batch_size: int = 32,
) -> tuple[keras.Model, Shrinking]:
    """Makes a dense model from a mixture of experts, for `distill` to train.

    The mixture computes `sum_e weight_e * expert_e(x)`, with weights that depend on the token. The
    dense layer in its place starts with their means over the tokens of `data`:

    * `how="concatenate"`: the hidden units of the experts that are used most, beside each other,
      each expert's outputs multiplied by its mean weight. (The weights of experts that are left out
      are shared out among the others.)
    * `how="merge"`: one expert, the mean of all by their mean weights, after hidden units were put
      into the order of the most used expert's.

    A shared expert is concatenated, too.

    Args:
        model: A model of `MixtureOfExperts` layers with `MLPExperts` or `GLUExperts`.
        data: What weights are measured on; see `prune_experts`.
        how: `"concatenate"` or `"merge"`.
        num_experts: How many experts are concatenated. `None` means the number of experts that a
            token gets, rounded up: the student then costs what the mixture costs.
        batch_size: Rows of arrays in a call.

    Returns:
        A new model with `FeedForward` layers (or two `Dense`, where widths of inputs and outputs
        differ), which shares no variable with `model` and is not compiled; and a `Shrinking`.

    Raises:
        ValueError: If there is no mixture of experts, or a mixture whose experts or shared expert
            cannot be written as one dense layer.

    Example:

    >>> layer = sparse_keras.layers.MixtureOfExperts(
    ...     sparse_keras.layers.GLUExperts(num_experts=8, hidden_dim=16), k=2
    ... )
    >>> model = keras.Sequential([keras.Input((3,)), layer])
    >>> x = np.random.normal(size=(64, 3)).astype("float32")
    >>> student, table = sparse_keras.dense_student(model, x)
    >>> student.layers[0].hidden_dim
    32

    Reference:
        [OneS](https://arxiv.org/abs/2201.10890), section 3, which gathers knowledge, and then
        distils.
    """
    one_of("how", how, ("concatenate", "merge"))
    optional_positive_int("num_experts", num_experts)
    if how == "merge" and num_experts is not None:
        raise ValueError(
            "`num_experts` is for how='concatenate': all experts are merged into one. Received: "
            f"num_experts={num_experts}."
        )
    found = mixtures_to_shrink(model, "dense_student")
    for mixture in found:
        _check(mixture, num_experts)
    usages = measure(model, data, batch_size)
    replacements, changes = [], []
    for mixture, usage in zip(found, usages, strict=True):
        size = mixture.num_experts
        if how == "concatenate":
            size = min(num_experts or int(np.ceil(mixture.router.experts_per_token)), size)
        experts = sorted(np.argsort(-usage.weights, kind="stable")[:size].tolist())
        gather = _concatenated if how == "concatenate" else _averaged
        weights = _with_shared(mixture, gather(mixture, usage, experts))
        replacements.append(_dense(mixture, weights))
        share = usage.counts[experts].sum() / max(usage.counts.sum(), 1)
        changes.append(MixtureChange(mixture.path, mixture.num_experts, 0, [experts], float(share)))
    new = replace_layers(model, replacements)
    return new, shrinking(model, new, changes)


def distill(
    teacher: keras.Model,
    student: keras.Model,
    *,
    outputs: str = "logits",
    temperature: float = 2.0,
    student_loss_weight: float = 0.5,
) -> keras.distillation.Distiller:
    """Returns Keras's `Distiller`, by which a student learns from a teacher.

    Compile it with the student's own loss, and fit it. The student is trained in place; it is
    `distiller.student`. Keras freezes the teacher, whose `trainable` is False afterwards. Keras's
    distillation losses do not know masks: padding counts in them.

    Args:
        teacher: The model to learn from, such as one with mixtures of experts.
        student: The model that learns, such as one of `dense_student`.
        outputs: What the models return. `"logits"`: of a softmax over the last axis, as a
            `CausalLM` does. `"probabilities"`: of such a softmax, as most classifiers do; the
            temperature divides their logarithms. `"values"`: anything else, such as a regression,
            or the probability of one class: the mean squared difference is minimized, without a
            temperature.
        temperature: By which logits are divided before the softmax of both.
        student_loss_weight: Weight of the loss on targets, from 0 to 1. The loss on the teacher's
            outputs gets the rest.

    Returns:
        An uncompiled `keras.distillation.Distiller`.

    Raises:
        ValueError: If `outputs` is another name, or a number is out of its range.

    Example:

    ```python
    student, table = sparse_keras.dense_student(model, x)
    distiller = sparse_keras.distill(model, student)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller.compile("adam", loss)
    distiller.fit(x, y)
    ```

    Reference:
        [Distilling the Knowledge in a Neural Network](https://arxiv.org/abs/1503.02531), section 2.
    """
    one_of("outputs", outputs, ("logits", "probabilities", "values"))
    number("temperature", temperature, "(0, inf)")
    number("student_loss_weight", student_loss_weight, "[0, 1]")
    # By its name, Keras 3.15 takes a function that it applies to the logits without a softmax.
    divergence = keras.losses.KLDivergence()
    if outputs == "logits":
        loss = keras.distillation.LogitsDistillation(temperature, divergence)
    elif outputs == "probabilities":
        loss = ProbabilitiesDistillation(temperature, divergence)
    else:
        loss = keras.distillation.FeatureDistillation(loss="mse")
    return keras.distillation.Distiller(
        teacher, student, loss, student_loss_weight=student_loss_weight
    )


def _check(mixture: MixtureOfExperts, num_experts: int | None) -> None:
    bank, shared = mixture.experts, mixture.shared_expert
    if type(bank) not in (MLPExperts, GLUExperts):
        raise ValueError(
            f"A dense layer can hold the experts of MLPExperts and GLUExperts. Received: the "
            f"{type(bank).__name__} of {mixture.path!r}."
        )
    plain = {"limit": None, "alpha": 1.0, "up_offset": 0.0}
    other = {name: getattr(bank, name, value) for name, value in plain.items()}
    if other != plain:
        raise ValueError(f"FeedForward has no {other}, as the experts of {mixture.path!r} have.")
    if num_experts is not None and num_experts > mixture.num_experts:
        raise ValueError(
            f"{mixture.path!r} has {mixture.num_experts} experts. Received: "
            f"num_experts={num_experts}."
        )
    if shared is not None and (
        type(shared) is not FeedForward
        or shared.activation is not bank.activation
        or shared.gated != isinstance(bank, GLUExperts)
    ):
        raise ValueError(
            f"The shared expert {shared.name!r} of {mixture.path!r} cannot be part of the same "
            "dense layer as the experts: it has to be a FeedForward with their activation."
        )


def _concatenated(
    mixture: MixtureOfExperts, usage: Usage, experts: list[int]
) -> dict[str, np.ndarray]:
    """Puts the hidden units of experts beside each other."""
    mean = usage.weights / usage.tokens
    scale = mean[experts] * mean.sum() / max(mean[experts].sum(), 1e-30)
    weights = {name: values[experts] for name, values in weights_of(mixture.experts).items()}
    dense = {}
    for name, values in weights.items():
        if name == "down":
            dense[name] = np.concatenate(values * scale[:, None, None])
        elif name == "down_bias":
            dense[name] = scale @ values
        else:
            dense[name] = np.concatenate(values, axis=-1)
    return dense


def _averaged(mixture: MixtureOfExperts, usage: Usage, experts: list[int]) -> dict[str, np.ndarray]:
    """Returns the mean of all experts, by their mean weights."""
    del experts  # They are all.
    mean = usage.weights / usage.tokens
    total = mean.sum()
    weights = aligned(weights_of(mixture.experts), int(np.argmax(mean)))
    dense = {name: np.tensordot(mean / total, values, axes=1) for name, values in weights.items()}
    for name in ("down", "down_bias"):
        if name in dense:
            dense[name] = dense[name] * total
    return dense


def _with_shared(
    mixture: MixtureOfExperts, weights: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Adds the hidden units of the shared expert, whose weight is 1."""
    if mixture.shared_expert is None:
        return weights
    shared = weights_of(mixture.shared_expert)
    for name in weights.keys() | shared.keys():
        matrix = name.removesuffix("_bias")
        mine, theirs = (
            of[name] if name in of else np.zeros(of[matrix].shape[-1], "float32")
            for of in (weights, shared)
        )
        if name == "down_bias":
            weights[name] = mine + theirs
        else:
            weights[name] = np.concatenate([mine, theirs], axis=0 if name == "down" else -1)
    return weights


def _dense(mixture: MixtureOfExperts, weights: dict[str, np.ndarray]) -> Replacement:
    bank = mixture.experts
    input_dim, hidden_dim = weights["up"].shape
    options = {
        "use_bias": "up_bias" in weights,
        "kernel_initializer": bank.kernel_initializer,
        "kernel_regularizer": bank.kernel_regularizer,
    }
    if weights["down"].shape[1] == input_dim:
        layer = FeedForward(
            hidden_dim,
            activation=bank.activation,
            gated="gate" in weights,
            dropout=bank.dropout,
            seed=bank.seed,
            name="feed_forward" if mixture.name == "mixture" else f"{mixture.name}_dense",
            dtype=bank.dtype_policy,
            **options,
        )
    elif "gate" in weights:
        raise ValueError(
            f"{mixture.path!r} has inputs of width {input_dim} and outputs of width "
            f"{weights['down'].shape[1]}. There is no dense layer with a gate between other widths."
        )
    else:
        up = keras.layers.Dense(
            hidden_dim, activation=bank.activation, name="up", dtype=bank.dtype_policy, **options
        )
        down = keras.layers.Dense(
            weights["down"].shape[1], name="down", dtype=bank.dtype_policy, **options
        )
        dropout = keras.layers.Dropout(bank.dropout, seed=bank.seed, name="dropout")
        layer = keras.Sequential([up, dropout, down], name=f"{mixture.name}_dense")

    def fill(new: Any) -> None:
        for name in MATRICES:
            if name in weights:
                part = getattr(new, name) if isinstance(new, FeedForward) else new.get_layer(name)
                part.kernel.assign(weights[name])
                if part.bias is not None:
                    part.bias.assign(weights[f"{name}_bias"])

    return Replacement(mixture, layer, fill)
