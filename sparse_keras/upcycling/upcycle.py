"""upcycle: a dense model whose feed-forward layers become mixtures of experts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from sparse_keras._internal.seeds import derived_seed
from sparse_keras.layers import MixtureOfExperts, Router, TopKRouter
from sparse_keras.layers.mixtures.resolve import resolve_router, separate
from sparse_keras.layers.validation import number, optional_int, positive_int
from sparse_keras.models.plain_weights import check_plain_weights
from sparse_keras.models.replacing import Replacement, replace_layers
from sparse_keras.upcycling.clusters import router_matrices
from sparse_keras.upcycling.experts import fill_experts
from sparse_keras.upcycling.feed_forward import DenseFeedForward
from sparse_keras.upcycling.finding import chosen_feed_forwards
from sparse_keras.upcycling.keras_hub import is_keras_hub, replace_in_blocks
from sparse_keras.upcycling.routers import start_router


def upcycle(
    model: keras.Model,
    num_experts: int,
    k: int | None = None,
    layers: Any = None,
    *,
    split: int = 1,
    router: Any = None,
    noise: float = 0.0,
    reinitialize: float = 0.0,
    examples: Any = None,
    seed: int | None = None,
) -> keras.Model:
    """Makes a dense model sparse: its feed-forward layers become mixtures of experts.

    Each expert starts as a copy of the dense layer, or as a part of it (`split`), and the outputs
    of the new model equal those of the dense one at the start, whatever the router does with its
    scores. (Padding gets zeros from a mixture: where a mask is False, outputs may differ.) Experts
    become different in training, since each gets other tokens. All other weights are carried over,
    bit for bit.

    | experts | active FLOPs of the layer | outputs at the start |
    | --- | --- | --- |
    | copies | k times those of the dense layer | equal |
    | parts, `split=g` | k / g times those of the dense layer | equal |
    | `noise` or `reinitialize` | as above | differ |

    Args:
        model: A built model: a `models.CausalLM`, a `models.TextEncoder`, a classifier of texts or
            another model of `TransformerBlock`s, or a Functional or Sequential model with pairs of
            layers `Dense(H, activation) [-> Dropout] -> Dense(width)`. With its preprocessing, as
            `load_model` returns it, the network inside is made sparse. Or a backbone or task of
            KerasHub, such as Llama, Mistral, Qwen, BERT or GPT-2; a task shares its preprocessor.
        num_experts: E, the number of experts of each mixture. With `split=g`, it is a multiple of
            g: there are E / g copies of each part.
        k: Experts per token, for a router that has a `k`. `None` means 2, or `split`.
        layers: Which feed-forward layers: a name or a position, or a list of them. Names are those
            of `TransformerBlock`s, `FeedForward`s, or of one of the two `Dense`; positions count
            the model's feed-forward layers, from the end if negative. `None`: those of all blocks;
            without blocks, all pairs of `Dense` but one whose output is the model's.
        split: g. Hidden units are divided into g parts of equal size, and each expert is one part.
            k must be a multiple of g: the router starts with equal scores in a group of g experts,
            so that the best k are whole copies.
        router: The router of each mixture: a registered name, a dict with it under `"type"`, or a
            router, from which each mixture gets one of its own. `None` means `TopKRouter(k)`. If
            its weights do not add up to a constant, as with `normalize=False`, its matrix starts
            small.
        noise: Standard deviation of the noise that each expert's matrices get, in standard
            deviations of their values.
        reinitialize: Share of the hidden units that are drawn again in each expert, from the normal
            distribution with the mean and standard deviation of the dense matrix.
        examples: Optional inputs of the model, some hundred rows or texts: arrays as for `predict`,
            raw examples for a model with its preprocessing, or a data set of batches. Each router's
            matrix then starts from the centers of clusters of the vectors that it reads, so that
            tokens that are alike start with the same experts. Otherwise it is drawn at random.
        seed: Seed of noise, draws and clusters, and of the matrices of `TopKRouter`s that have
            none.

    Returns:
        A new model, which shares no variable with `model` and is not compiled: an optimizer would
        know nothing of the experts. Compile it before `fit`. It needs memory beside the dense one.

    Raises:
        ValueError: If there is no such layer, if numbers do not divide each other, if outputs
            cannot be equal with that router, or if `examples` has fewer tokens than clusters.

    Example:

    >>> dense = sparse_keras.models.causal_lm(
    ...     vocabulary_size=100, depth=2, width=32, num_heads=4, hidden_dim=64
    ... )
    >>> sparse = sparse_keras.upcycle(dense, num_experts=8, k=2, layers=["block_1"])
    >>> token_ids = np.array([[3, 1, 4, 1, 5]])
    >>> np.allclose(dense(token_ids), sparse(token_ids), atol=1e-5)
    True

    With parts, a token costs as much as before:

    >>> fine = sparse_keras.upcycle(dense, num_experts=16, split=4)
    >>> fine.blocks[0].feed_forward.experts.hidden_dim, fine.blocks[0].feed_forward.k
    (16, 4)

    Reference:
        [Sparse Upcycling](https://arxiv.org/abs/2212.05055); [Upcycling Large Language Models into
        Mixture of Experts](https://arxiv.org/abs/2410.07524), section 3, for `split` and its
        virtual groups; [Drop-Upcycling](https://arxiv.org/abs/2502.19261), section 3, for
        `reinitialize`; [Cluster-aware Upcycling](https://arxiv.org/abs/2604.13508), for `examples`:
        its start of routers, while experts stay copies.
    """
    positive_int("num_experts", num_experts)
    positive_int("split", split)
    number("noise", noise, "[0, inf)")
    number("reinitialize", reinitialize, "[0, 1]")
    seed = optional_int("seed", seed)
    if not isinstance(model, keras.Model):
        raise ValueError(f"`model` must be a Keras model. Received: {model!r}.")
    if not model.built:
        raise ValueError(
            f"{model.name!r} has no weights yet that experts could start from. Call it once, or "
            "`build` it."
        )
    check_plain_weights(model, "upcycle")
    if num_experts % split:
        raise ValueError(
            "`num_experts` must be a multiple of `split`: there are as many copies of each part. "
            f"Received: num_experts={num_experts}, split={split}."
        )
    router = _with_k(router, k, split)
    made: dict[int, tuple[MixtureOfExperts, Callable]] = {}

    def mixture_of(dense: DenseFeedForward) -> tuple[MixtureOfExperts, Callable]:
        rng = np.random.default_rng(None if seed is None else derived_seed(seed, dense.names[0]))
        own = resolve_router(separate(router, dense.names[0]), k)
        _seed(own, None if seed is None else derived_seed(seed, "router", dense.names[0]))
        _check(dense, own, num_experts, split)

        def fill(mixture: MixtureOfExperts, matrix: Any = None) -> None:
            made[id(mixture)] = mixture, fill
            weight = start_router(mixture.router, dense.input_dim, split, rng, matrix)
            # Routers read from equal experts: those of the dense model.
            exact = examples is not None and matrix is None
            change = (0.0, 0.0) if exact else (noise, reinitialize)
            fill_experts(mixture.experts, dense, split, 1.0 / weight, *change, rng)

        mixture = dense.mixture_class(
            dense.bank(num_experts, dense.hidden_dim // split),
            router=own,
            name=dense.mixture_name,
            dtype=dense.policy,
            trainable=dense.layer.trainable,
        )
        return mixture, fill

    chosen = [(dense, *mixture_of(dense)) for dense in chosen_feed_forwards(model, layers)]
    if is_keras_hub(model):
        sparse = replace_in_blocks(model, [(dense.layer, *new) for dense, *new in chosen])
    else:
        sparse = replace_layers(
            model,
            [
                Replacement(dense.layer, mixture, fill, dense.absorbed, dense.ending)
                for dense, mixture, fill in chosen
            ],
        )
    if examples is not None:
        rng = np.random.default_rng(None if seed is None else derived_seed(seed, "clusters"))
        mixtures = [mixture for mixture, _ in made.values()]
        matrices = router_matrices(sparse, mixtures, examples, split, rng)
        for (mixture, fill), matrix in zip(made.values(), matrices, strict=True):
            fill(mixture, matrix)
    return sparse


def _with_k(router: Any, k: int | None, split: int) -> Any:
    """Writes k into what describes a router, so that each part says what it is."""
    if router in (None, "top_k"):
        router = {"type": "top_k"}
    if not isinstance(router, dict):
        return router
    if k is None and split > 1 and router.get("type") == "top_k" and "preset" not in router:
        k = split
    return router if k is None else {"k": k, **router}


def _seed(router: Router, seed: int | None) -> None:
    """Makes the matrix of a new router depend on the seed, if nothing says how it is drawn."""
    if seed is None or not isinstance(router, TopKRouter):
        return
    initializer = router.kernel_initializer
    config = initializer.get_config()
    if "seed" in config and config["seed"] is None:
        router.kernel_initializer = type(initializer).from_config({**config, "seed": seed})


def _check(dense: DenseFeedForward, router: Any, num_experts: int, split: int) -> None:
    if dense.hidden_dim % split:
        raise ValueError(
            f"`split` must divide the hidden units of {dense.names[0]!r}, {dense.hidden_dim}. "
            f"Received: split={split}."
        )
    router.set_num_experts(num_experts)
    router.check_num_experts()
    k = getattr(router, "k", None)
    if k is not None and k % split:
        raise ValueError(
            f"k must be a multiple of `split`: {split} experts together are one copy of the dense "
            f"layer, and others could not add up to its outputs. Received: k={k}, split={split}."
        )
