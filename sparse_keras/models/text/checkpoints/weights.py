"""Which weights a model with some options has: their names, shapes and variables.

Axes: D width, V vocabulary, E experts, H heads of queries, K heads of keys and values.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

Shape = tuple[int, ...]


def outer_weights(options: dict[str, Any]) -> dict[str, Shape]:
    """Returns the shapes of the weights outside of blocks, by name."""
    width, vocabulary = options["width"], options["vocabulary_size"]
    shapes = {"embedding": (vocabulary, width)}
    if options["learned_positions"]:
        shapes["positions"] = (options["context_length"], width)
    if options["token_types"] is not None:
        shapes["types"] = (options["token_types"], width)
    if options["embedding_norm"]:
        shapes |= _norm("embedding_norm", options | {"norm": "layer"})
    if options["norm_placement"] == "pre":
        shapes |= _norm("final_norm", options)
    if options["causal"] and not options["tie_embeddings"]:
        shapes["head"] = (width, vocabulary)
    if options["pooler"]:
        shapes |= _dense("pooler", width, width, bias=True)
    return shapes


def block_weights(options: dict[str, Any], block: int) -> dict[str, Shape]:
    """Returns the shapes of the weights of a block, by name."""
    shapes = {**_norm("attention_norm", options), **_norm("feed_forward_norm", options)}
    shapes |= (_latent if options["attention"] == "latent" else _grouped_query)(options)
    width = options["width"]
    if block not in options["sparse"]:
        hidden, bias = options["hidden_dim"], options["use_bias"]
        return shapes | _feed_forward("feed_forward", width, hidden, options["gated"], bias)
    experts = options["num_experts"]
    shapes["router.kernel"] = (width, experts)
    if options["router_bias"]:
        shapes["router.bias"] = (experts,)
    if options["selection_bias"]:
        shapes["router.selection_bias"] = (experts,)
    one = _feed_forward("experts", width, options["expert_dim"], True, options["expert_bias"])
    shapes |= {name: (experts, *shape) for name, shape in one.items()}
    if options["shared_dim"] is not None:
        shapes |= _feed_forward("shared", width, options["shared_dim"], True, False)
    if options["shared_gated"]:
        shapes["shared_gate.kernel"] = (width, 1)
    return shapes


def _norm(name, options):
    scales = ("scale",) if options["norm"] == "rms" else ("gamma", "beta")
    return {f"{name}.{scale}": (options["width"],) for scale in scales}


def _dense(name, inputs, outputs, bias=False):
    shapes = {f"{name}.kernel": (inputs, outputs)}
    return shapes | {f"{name}.bias": (outputs,)} if bias else shapes


def _feed_forward(name, width, hidden, gated, bias):
    shapes = _dense(f"{name}.gate", width, hidden, bias) if gated else {}
    shapes |= _dense(f"{name}.up", width, hidden, bias)
    return shapes | _dense(f"{name}.down", hidden, width, bias)


def _grouped_query(options):
    width, head, bias = options["width"], options["head_dim"], options["qkv_bias"]
    query, key = options["num_heads"] * head, options["num_kv_heads"] * head
    shapes = _dense("attention.query", width, query, bias)
    shapes |= _dense("attention.key", width, key, bias)
    shapes |= _dense("attention.value", width, key, bias)
    shapes |= _dense("attention.output_dense", query, width, options["output_bias"])
    if options["qk_norm"]:
        by_head = options["qk_norm"] == "head"
        shapes["attention.query_norm.scale"] = (head if by_head else query,)
        shapes["attention.key_norm.scale"] = (head if by_head else key,)
    if options["sinks"]:
        shapes["attention.sink_logits"] = (options["num_heads"],)
    return shapes


def _latent(options):
    width, heads, latent = options["width"], options["num_heads"], options["kv_lora_rank"]
    nope, rope, value = (
        options[name] for name in ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
    )
    rank = options["q_lora_rank"]
    if rank is None:
        shapes = _dense("attention.query", width, heads * (nope + rope))
    else:
        shapes = _dense("attention.query_down", width, rank)
        shapes["attention.query_norm.scale"] = (rank,)
        shapes |= _dense("attention.query_up", rank, heads * (nope + rope))
    shapes |= _dense("attention.latent_down", width, latent + rope)
    shapes["attention.latent_norm.scale"] = (latent,)
    shapes |= _dense("attention.key_value_up", latent, heads * (nope + value))
    return shapes | _dense("attention.output_dense", heads * value, width)


# Where weights are whose names do not say it, by the beginning of the name.
_OUTER = {
    "embedding": "token_embedding.embeddings",
    "head": "token_embedding.reverse_embeddings",
    "positions": "position_embedding.embeddings",
    "types": "type_embedding.embeddings",
}
_IN_BLOCK = {
    "router": "feed_forward.router",
    "experts": "feed_forward.experts",
    "shared": "feed_forward.shared_expert",
    "shared_gate": "feed_forward.shared_expert",
}


def value_of(model: Any, block: int | None, name: str) -> Any:
    """Returns a weight of a model: a variable, or a tensor where LoRA is added to one."""
    if block is None:
        return operator.attrgetter(_OUTER.get(name, name))(model)
    first, _, rest = name.partition(".")
    place = _IN_BLOCK.get(first, first)
    owner = operator.attrgetter(place)(model.blocks[block])
    if first == "shared" and hasattr(owner, "layer"):  # A GatedSharedExpert.
        owner = owner.layer
    return operator.attrgetter(rest)(owner)


def all_weights(options: dict[str, Any]) -> Iterator[tuple[int | None, str, Shape]]:
    """Yields the block, the name and the shape of each weight; `None` is outside of blocks."""
    for name, shape in outer_weights(options).items():
        yield None, name, shape
    for block in range(options["depth"]):
        for name, shape in block_weights(options, block).items():
            yield block, name, shape
