"""The options of a model that decide what it computes, as one flat dict.

A published `config.json` is read into such options, a model is built from them, and the options of
a model are read from its layers. All values are resolved, so that equal models have equal options.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from sparse_keras._internal import keras_private
from sparse_keras.layers import (
    FeedForward,
    GatedSharedExpert,
    GLUExperts,
    GroupedQueryAttention,
    LatentAttention,
    MixtureOfExperts,
    RotaryEmbedding,
    TopKRouter,
)
from sparse_keras.layers.activations import gelu_tanh
from sparse_keras.layers.transformer.rotary_frequencies import OPTIONS as ROTARY_OPTIONS
from sparse_keras.models.text.causal_lm import causal_lm
from sparse_keras.models.text.encoder_model import TextEncoder
from sparse_keras.models.text.language_model import CausalLM
from sparse_keras.models.text.text_encoder import text_encoder

# Every option and its default; `...` is what every model has. Those of another kind of attention,
# of experts that no block has, and so on, keep the default.
DEFAULTS: dict[str, Any] = {
    # The model.
    "causal": True,
    "vocabulary_size": ...,
    "depth": ...,
    "width": ...,
    "context_length": None,
    "learned_positions": False,
    "tie_embeddings": False,
    "norm": "rms",
    "norm_placement": "pre",
    "norm_epsilon": ...,
    "embedding_multiplier": 1.0,
    "residual_multiplier": 1.0,
    "logits_scaling": 1.0,
    # An encoder.
    "token_types": None,
    "embedding_norm": False,
    "pooler": False,
    "padding_id": None,
    # Attention. The windows are those of all blocks, `None` for a block that sees all.
    "attention": "grouped_query",
    "num_heads": ...,
    "scale": ...,
    "windows": (),
    "rotary": None,  # A tuple of pairs, sorted: see `rotary_options`.
    "num_kv_heads": None,
    "head_dim": None,
    "qkv_bias": False,
    "output_bias": False,
    "qk_norm": None,
    "qk_norm_epsilon": None,
    "clip_qkv": None,
    "sinks": False,
    # Latent attention.
    "kv_lora_rank": None,
    "q_lora_rank": None,
    "qk_nope_head_dim": None,
    "qk_rope_head_dim": None,
    "v_head_dim": None,
    "latent_epsilon": None,
    # Feed-forward layers: the activation is that of dense blocks, experts and shared experts.
    "activation": "silu",
    "gated": True,
    "hidden_dim": None,
    "use_bias": False,
    "sparse": (),  # The numbers of the blocks with experts.
    "num_experts": None,
    "expert_dim": None,
    "expert_bias": False,
    "alpha": 1.0,
    "limit": None,
    "up_offset": 0.0,
    "shared_dim": None,
    "shared_gated": False,
    # The router.
    "k": None,
    "score": "softmax",
    "normalize": False,
    "selection_bias": False,
    "num_groups": None,
    "groups_kept": None,
    "group_score": None,
    "router_scale": 1.0,
    "router_bias": False,
}


_OF_DECODERS = ("tie_embeddings", "embedding_multiplier", "logits_scaling")
_OF_ENCODERS = ("token_types", "embedding_norm", "pooler", "padding_id")


def complete(given: dict[str, Any]) -> dict[str, Any]:
    """Returns options with the defaults of those that are not given."""
    options = {**DEFAULTS, **given}
    missing = [name for name, value in options.items() if value is ...]
    assert not missing and set(options) == set(DEFAULTS), (missing, set(options) - set(DEFAULTS))
    options["windows"] = options["windows"] or (None,) * options["depth"]
    if not binds(options):
        options |= {"num_groups": None, "groups_kept": None, "group_score": None}
    return options


def binds(options: dict[str, Any]) -> bool:
    """Whether groups of experts leave out any expert that would be chosen without them."""
    groups, kept = options["num_groups"], options["groups_kept"]
    if groups is None or kept is None or kept >= groups:
        return False
    return options["group_score"] != "max" or kept < options["k"]


def rotary_options(rotary: RotaryEmbedding | None) -> Any:
    """Returns the options of rotary positions as a tuple of pairs: what the type uses, resolved."""
    if rotary is None:
        return None
    found = {name: getattr(rotary, name) for name in ("theta", "rope_type")}
    found |= {name: getattr(rotary, name) for name in ("partial_rotary_factor", "interleaved")}
    for name, default in ROTARY_OPTIONS[rotary.rope_type].items():
        value = getattr(rotary, name)
        found[name] = default if value is None else value
    return tuple(sorted(found.items()))


def build(options: dict[str, Any], dropout: float = 0.0) -> CausalLM | TextEncoder:
    """Builds the model of options, all of whose weights are zero.

    Its initializers are nevertheless the usual ones, for layers that are made like its own.
    """
    model = (causal_lm if options["causal"] else text_encoder)(
        **_arguments(options),
        dropout=dropout,
        embeddings_initializer="zeros",
        kernel_initializer="zeros",
    )
    for layer in keras_private.all_layers(model):
        for name, usual in (
            ("kernel_initializer", "glorot_uniform"),
            ("embeddings_initializer", "uniform"),
        ):
            if isinstance(getattr(layer, name, None), keras.initializers.Zeros):
                setattr(layer, name, keras.initializers.get(usual))
    return model


def _arguments(options):
    """The arguments of `causal_lm` or `text_encoder` for these options."""
    same = (
        *("vocabulary_size", "depth", "width", "context_length", "learned_positions", "norm"),
        *("norm_placement", "norm_epsilon", "num_heads", "residual_multiplier", "activation"),
        *("gated", "hidden_dim", "use_bias", "num_kv_heads", "head_dim"),
        *(_OF_DECODERS if options["causal"] else _OF_ENCODERS),
    )
    arguments = {name: options[name] for name in same}
    rotary = options["rotary"]
    arguments["rotary"] = False if rotary is None else dict(rotary)
    arguments["attention"] = {"type": options["attention"], "scale": options["scale"]}
    if options["attention"] == "latent":
        names = ("kv_lora_rank", "q_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim")
        given = {name: options[name] for name in (*names, "v_head_dim")}
        arguments["attention"] |= given | {"norm_epsilon": options["latent_epsilon"]}
    else:
        names = ("qkv_bias", "output_bias", "qk_norm", "clip_qkv", "sinks")
        arguments["attention"] |= {name: options[name] for name in names}
        arguments["attention"]["sliding_window"] = list(options["windows"])
        if options["qk_norm"]:
            arguments["attention"]["norm_epsilon"] = options["qk_norm_epsilon"]
    if not options["sparse"]:
        return arguments
    dense = [n for n in range(options["depth"]) if n not in set(options["sparse"])]
    arguments["dense_layers"] = dense
    arguments["experts"] = {
        "type": "glu",
        "num_experts": options["num_experts"],
        "hidden_dim": options["expert_dim"],
        "activation": options["activation"],
        "use_bias": options["expert_bias"],
        "kernel_initializer": "zeros",
        **{name: options[name] for name in ("alpha", "limit", "up_offset")},
    }
    arguments["router"] = _router_arguments(options) | {"kernel_initializer": "zeros"}
    if options["shared_dim"] is not None:
        arguments["shared_expert"] = {
            "hidden_dim": options["shared_dim"],
            "activation": options["activation"],
            "gated": options["shared_gated"],
        }
    return arguments


def _router_arguments(options):
    arguments = {
        "type": "top_k",
        "k": options["k"],
        "score": options["score"],
        "normalize": options["normalize"],
        "scale": options["router_scale"],
        "use_bias": options["router_bias"],
        "balance_loss": 0.0,
    }
    if options["score"] == "softmax" and options["normalize"]:
        # The softmax over the chosen logits: the same weights.
        arguments |= {"score": "identity", "normalize": None}
    if options["selection_bias"]:
        # A checkpoint is tuned with the bias that it has, unless its user sets a rate.
        arguments |= {"select_on": "score_plus_bias", "bias_update_rate": 0.0}
    if options["num_groups"] is not None:
        arguments |= {name: options[name] for name in ("num_groups", "groups_kept", "group_score")}
    return arguments


def describe(model: CausalLM | TextEncoder) -> dict[str, Any]:
    """Returns the options of a model.

    Raises:
        ValueError: If the model has layers that no option stands for.
    """
    if not isinstance(model, (CausalLM, TextEncoder)):
        raise ValueError(
            "Expected a language model, a CausalLM or a TextGenerator; or a TextEncoder. Received: "
            f"{type(model).__name__}."
        )
    causal = isinstance(model, CausalLM)
    names = ("vocabulary_size", "width", "context_length", "learned_positions", "norm_epsilon")
    options = {name: getattr(model, name) for name in names}
    options["causal"] = causal
    if causal:
        options |= {name: getattr(model, name) for name in _OF_DECODERS}
    else:
        options |= {name: getattr(model, name) for name in ("token_types", "padding_id")}
        options |= {name: getattr(model, name) is not None for name in ("embedding_norm", "pooler")}
    options["norm_placement"] = "post" if model.norm is None else "pre"
    options["depth"] = len(model.blocks)
    options["windows"] = tuple(block.attention.sliding_window for block in model.blocks)
    options["sparse"] = tuple(
        number
        for number, block in enumerate(model.blocks)
        if isinstance(block.feed_forward, MixtureOfExperts)
    )
    for number, block in enumerate(model.blocks):
        with _naming(f"Block {number}, {block.name!r},"):
            for name, value in _of_block(model, block).items():
                if options.setdefault(name, value) != value:
                    raise _Lacking(
                        f"has {name}={value!r}, and earlier blocks have {options[name]!r}: no "
                        "published family has both"
                    )
    return complete(options)


class _Lacking(Exception):
    pass


@contextlib.contextmanager
def _naming(what: str) -> Iterator[None]:
    try:
        yield
    except _Lacking as error:
        raise ValueError(f"{what} {error}.") from None


def _of_block(model, block):
    if (block.norm_placement == "pre") != (model.norm is not None):
        raise _Lacking(
            f"has norm_placement={block.norm_placement!r}, and the model's output is normalized: "
            "no published family has both"
            if model.norm is not None
            else "normalizes its inputs, and nothing normalizes the model's output"
        )
    if block.norm_epsilon != model.norm_epsilon or block.norm != (model.norm or block.norm):
        raise _Lacking("is normalized otherwise than the model's output")
    options = {"residual_multiplier": block.residual_multiplier, "norm": block.norm}
    options |= _of_attention(block.attention)
    layer = block.feed_forward
    if isinstance(layer, FeedForward):
        return options | {
            "activation": _activation(layer.activation),
            **{name: getattr(layer, name) for name in ("gated", "hidden_dim", "use_bias")},
        }
    if isinstance(layer, MixtureOfExperts):
        return options | _of_mixture(layer)
    raise _Lacking(f"has a feed-forward layer of the class {type(layer).__name__}")


def _of_attention(layer):
    if isinstance(layer, LatentAttention):
        names = ("num_heads", "kv_lora_rank", "q_lora_rank", "qk_nope_head_dim")
        names += ("qk_rope_head_dim", "v_head_dim")
        scale = layer.scale
        if scale is None:
            width = layer.qk_nope_head_dim + layer.qk_rope_head_dim
            scale = width**-0.5 * layer.rotary.score_factor
        return {
            "attention": "latent",
            **{name: getattr(layer, name) for name in names},
            "latent_epsilon": layer.norm_epsilon,
            "scale": scale,
            "rotary": rotary_options(layer.rotary),
        }
    if not isinstance(layer, GroupedQueryAttention):
        raise _Lacking(f"has an attention of the class {type(layer).__name__}")
    names = ("num_heads", "qkv_bias", "output_bias", "qk_norm", "clip_qkv", "sinks")
    head_dim = layer.rotary_width  # Resolved.
    return {
        "attention": "grouped_query",
        **{name: getattr(layer, name) for name in names},
        "num_kv_heads": layer.num_kv_heads or layer.num_heads,
        "head_dim": head_dim,
        "scale": head_dim**-0.5 if layer.scale is None else layer.scale,
        "qk_norm_epsilon": layer.norm_epsilon if layer.qk_norm else None,
        "rotary": rotary_options(layer.rotary),
    }


def _of_mixture(layer):
    experts, router = layer.experts, layer.router
    if not isinstance(experts, GLUExperts):
        raise _Lacking(f"has experts of the class {type(experts).__name__}, not GLUExperts")
    if type(router) is not TopKRouter:
        raise _Lacking(f"has a router of the class {type(router).__name__}, not TopKRouter")
    if layer.eval_capacity_factor is not None:
        raise _Lacking(f"drops tokens: eval_capacity_factor={layer.eval_capacity_factor}")
    if experts.output_dim is not None:
        raise _Lacking("has experts with an `output_dim`")
    return {
        "activation": _activation(experts.activation),
        "num_experts": experts.num_experts,
        "expert_dim": experts.hidden_dim,
        "expert_bias": experts.use_bias,
        **{name: getattr(experts, name) for name in ("alpha", "limit", "up_offset")},
        **_of_router(router),
        **_of_shared(layer.shared_expert),
    }


def _of_router(router):
    if router.per_expert_scale:
        raise _Lacking("has a router with `per_expert_scale`")
    if router.k == 1 and router.normalize is None:
        raise _Lacking(
            "has a router whose single weight is a share of the two best scores (k=1, "
            "normalize=None), which no published family has; normalize=False is that of others"
        )
    score = router.score
    normalize = router.normalize is not False
    if score == "identity":  # The softmax over the chosen.
        score, normalize = "softmax", True
    elif router.normalize == "softmax":
        raise _Lacking(f"has a router with score={score!r} and normalize='softmax'")
    return {
        "k": router.k,
        "score": score,
        "normalize": normalize,
        "selection_bias": router.select_on == "score_plus_bias",
        "num_groups": router.num_groups,
        "groups_kept": router.groups_kept,
        "group_score": router.group_score,
        "router_scale": router.scale,
        "router_bias": router.use_bias,
    }


def _of_shared(layer):
    gated = isinstance(layer, GatedSharedExpert)
    expert = layer.layer if gated else layer
    if expert is None:
        return {"shared_dim": None, "shared_gated": False}
    if not isinstance(expert, FeedForward) or not expert.gated or expert.use_bias:
        raise _Lacking("has a shared expert that is no FeedForward with a gate and without biases")
    return {
        "shared_dim": expert.hidden_dim,
        "shared_gated": gated,
        "activation": _activation(expert.activation),
    }


def _activation(function):
    """The name of an activation."""
    if function is gelu_tanh:
        return "gelu_tanh"
    name = keras.activations.serialize(function)
    if not isinstance(name, str):
        raise _Lacking(f"has an activation of its own, {name!r}")
    return name
