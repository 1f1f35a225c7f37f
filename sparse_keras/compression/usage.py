"""How the experts of a model are used on data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from sparse_keras.layers import MixtureOfExperts
from sparse_keras.layers.mixtures.mixture import mixtures
from sparse_keras.layers.mixtures.routing_hooks import hooked, values_of
from sparse_keras.layers.validation import positive_int
from sparse_keras.models.batches import batches_of, refuse_targets
from sparse_keras.models.plain_weights import check_plain_weights
from sparse_keras.routing import Recording


@dataclasses.dataclass(eq=False)
class Usage:
    """How the experts of a mixture are used.

    Args:
        counts: Open assignments of each expert, `[E]`.
        weights: Sum of the weights of each expert, `[E]`.
        tokens: Number of tokens, without padding.
        logits: Logits of each expert, summed over tokens, `[E]`. The mean of the logits of a token
            is subtracted before: it does not change what is chosen.
        products: Products of such logits of two experts, summed over tokens, `[E, E]`.
    """

    counts: np.ndarray
    weights: np.ndarray
    tokens: int
    logits: np.ndarray
    products: np.ndarray

    @classmethod
    def zero(cls, num_experts: int) -> Usage:
        counts, weights, logits = np.zeros((3, num_experts))
        return cls(counts, weights, 0, logits, np.zeros((num_experts, num_experts)))

    def add(self, routing: dict[str, np.ndarray], mask: np.ndarray | None) -> None:
        """Adds the routing of some tokens."""
        is_open = routing["is_open"]
        index, weight = routing["expert_index"][is_open], routing["weight"][is_open]
        np.add.at(self.counts, index, 1)
        np.add.at(self.weights, index, weight)
        logits = routing["logits"].astype("float64")
        if mask is not None:
            logits = logits[mask]
        logits -= logits.mean(axis=1, keepdims=True)
        self.logits += logits.sum(axis=0)
        self.products += logits.T @ logits
        self.tokens += len(logits)

    def similarity(self) -> np.ndarray:
        """Returns the correlation of the logits of two experts over tokens, `[E, E]`.

        It is the cosine similarity without what is the same for all tokens, such as a bias.
        """
        covariance = self.products - np.outer(self.logits, self.logits) / self.tokens
        norms = np.sqrt(np.maximum(np.diag(covariance), 1e-30))
        return covariance / norms / norms[:, None]


def mixtures_to_shrink(model: keras.Model, function: str) -> list[MixtureOfExperts]:
    """Lists the mixtures of a model, for a function that makes their experts fewer.

    Raises:
        ValueError: If there is none, or one of another class than `MixtureOfExperts`; or if layers
            have LoRA or are quantized.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"`model` must be a Keras model. Received: {model!r}.")
    found = mixtures(model)
    if not found:
        raise ValueError(f"There is no mixture of experts in {model.name!r}.")
    for layer in found:
        if type(layer) is not MixtureOfExperts:
            raise ValueError(
                f"{layer.name!r} is a {type(layer).__name__}. Only the experts of a "
                "MixtureOfExperts can be dropped or merged."
            )
        if not layer.built:
            raise ValueError(f"{layer.name!r} has no weights yet. Call the model once.")
    check_plain_weights(model, function)
    return found


def measure(model: keras.Model, data: Any, batch_size: int) -> list[Usage]:
    """Calls a model on data, and returns how each of its mixtures is used.

    Args:
        model: The model.
        data: Arrays, as the model is called with; or an iterable of batches of such, alone or in
            tuples with targets. A list of arrays is one of batches, unless the model has as many
            inputs.
        batch_size: Rows of arrays in a call.

    Raises:
        ValueError: If no token reaches a mixture.
    """
    found = mixtures(model)
    usages = {id(layer): Usage.zero(layer.num_experts) for layer in found}
    keys = ("expert_index", "weight", "is_open", "logits")

    def add(layer, gate, routing, mask, training):
        if id(layer) in usages:
            values = {key: values_of(routing[key], "The use of experts") for key in keys}
            mask = values_of(mask, "The use of experts")
            usages[id(layer)].add(values, None if mask is None else mask.astype(bool))

    with hooked(add):
        for batch in _batches(model, data, positive_int("batch_size", batch_size)):
            model(batch, training=False)
    for layer in found:
        if not usages[id(layer)].tokens:
            raise ValueError(f"`data` has no token that reaches {layer.path!r}.")
    return list(usages.values())


def _batches(model: keras.Model, data: Any, batch_size: int) -> Iterator[Any]:
    refuse_targets("data", model, data)
    count = len(getattr(model, "inputs", None) or [None])
    if isinstance(data, list) and len(data) != count and not _is_row(next(iter(data), 0)):
        data = iter(data)  # A list of batches.
    return (inputs for inputs, _ in batches_of(model, data, batch_size))


def _is_row(x: Any) -> bool:
    """Whether what stands in a list is an example, as a text is, and no batch."""
    return not hasattr(x, "shape") and not isinstance(x, (tuple, dict))


def counts_of(usage: Any, found: list[MixtureOfExperts]) -> list[np.ndarray]:
    """Returns the counts of each mixture from a `Recording`, or a dict by path.

    Raises:
        ValueError: If they do not fit the mixtures.
    """
    if isinstance(usage, Recording):
        gates = usage.gates
        if len(gates) != len(found):
            raise ValueError(
                f"The recording has {len(gates)} gates. The model has {len(found)} mixtures."
            )
        counts = []
        for gate in gates:
            index = [call["expert_index"][call["is_open"]] for call in gate.calls]
            total = np.concatenate([np.zeros(0, "int64"), *index])
            counts.append(np.bincount(total.astype("int64"), minlength=gate.num_experts))
    elif isinstance(usage, dict):
        paths = [layer.path for layer in found]
        if set(usage) != set(paths):
            raise ValueError(
                f"`usage` must have counts for each mixture, {paths}. Received: {list(usage)}."
            )
        counts = [np.asarray(usage[path], "float64") for path in paths]
    else:
        raise ValueError(
            "`usage` must be a routing.Recording, or a dict from the path of each mixture to the "
            f"counts of its experts. Received: {usage!r}."
        )
    for layer, of_layer in zip(found, counts, strict=True):
        if of_layer.shape != (layer.num_experts,):
            raise ValueError(
                f"{layer.path!r} has {layer.num_experts} experts. Received: counts of shape "
                f"{of_layer.shape}."
            )
        if not (of_layer >= 0).all():  # NaN neither.
            raise ValueError(f"Counts must be at least 0. Received for {layer.path!r}: {of_layer}.")
    return counts
