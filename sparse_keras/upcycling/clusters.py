"""Clusters of what mixtures read, from which their routers start."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from sparse_keras.layers import MixtureOfExperts, Router
from sparse_keras.layers.mixtures.routing_hooks import values_of
from sparse_keras.models.batches import batches_of, refuse_targets

_BATCH_SIZE = 32
_MOST = 16_384  # vectors of each mixture, drawn at random from all
# Standard deviation of the logits of a token. Softmax is far from flat and from one expert alone.
_SPREAD = 1.0


def router_matrices(
    model: keras.Model,
    mixtures: list[MixtureOfExperts],
    examples: Any,
    split: int,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Returns the matrix `[D, E]` with which the router of each mixture starts.

    A column is the center of a cluster of the vectors that the router reads, by spherical k-means:
    a token has the largest logit for the cluster that it is in. Each of the E / `split` centers
    stands `split` times.

    Args:
        model: The model with the mixtures.
        mixtures: The mixtures, whose outputs are those of the dense layers.
        examples: Inputs of the model.
        split: The number of parts of which a copy consists.
        rng: What k-means starts from.

    Raises:
        ValueError: If a router has no matrix, there are fewer tokens than clusters, or `examples`
            has targets.
    """
    for mixture in mixtures:
        if getattr(mixture.router, "kernel", None) is None:
            raise ValueError(
                f"`examples` is for routers with a matrix, such as top_k, which then starts from "
                f"clusters. Received: a {type(mixture.router).__name__}."
            )
    refuse_targets("examples", model, examples)
    vectors: list[list[np.ndarray]] = [[] for _ in mixtures]
    with contextlib.ExitStack() as exits:
        for mixture, some in zip(mixtures, vectors, strict=True):
            exits.enter_context(_listening(mixture.router, some))
        for inputs, _ in batches_of(model, examples, _BATCH_SIZE):
            model(inputs, training=False)
    return [
        np.repeat(_centers(_joined(some), mixture, split, rng), split, axis=1)
        for some, mixture in zip(vectors, mixtures, strict=True)
    ]


def _joined(vectors: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(vectors) if vectors else np.zeros((0, 1), "float32")


@contextlib.contextmanager
def _listening(router: Router, vectors: list[np.ndarray]) -> Iterator[None]:
    """Adds what a router reads, without padding, to a list."""
    call = router.call

    @functools.wraps(call)
    def listening(x, *args, mask=None, **kwargs):
        values, valid = (values_of(tensor, "upcycle") for tensor in (x, mask))
        vectors.append(values if valid is None else values[valid.astype(bool)])
        return call(x, *args, mask=mask, **kwargs)

    router.call = listening
    try:
        yield
    finally:
        del router.call


def _centers(
    vectors: np.ndarray, mixture: MixtureOfExperts, split: int, rng: np.random.Generator
) -> np.ndarray:
    from sklearn.cluster import KMeans
    from sklearn.preprocessing import normalize

    clusters = mixture.num_experts // split
    if len(vectors) < clusters:
        raise ValueError(
            f"`examples` has {len(vectors)} tokens that reach {mixture.path!r}, whose router "
            f"starts from {clusters} clusters. Pass more of them."
        )
    if len(vectors) > _MOST:
        vectors = vectors[rng.choice(len(vectors), _MOST, replace=False)]
    vectors = vectors.astype("float32")
    # k-means of vectors of length 1 is spherical k-means, once its centers are of length 1.
    state = int(rng.integers(2**31))
    means = KMeans(clusters, n_init=1, random_state=state).fit(normalize(vectors)).cluster_centers_
    centers = normalize(means).T
    spread = float((vectors @ centers).std(axis=1).mean())
    return centers * (_SPREAD / spread if spread > 0 else 1.0)
