"""Small language models for tests, and what they compute, in NumPy."""

import numpy as np

from sparse_keras.models import causal_lm
from tests.layers.transformer import block_reference
from tests.layers.transformer.attention_reference import (
    grouped_query_attention,
    latent_attention,
    randomize,
    rms_norm,
)
from tests.support.gradients import to_numpy

VOCABULARY, WIDTH = 17, 16
HEADS = {"num_heads": 4, "num_kv_heads": 2, "head_dim": 4}
DENSE = {"hidden_dim": 12}
SPARSE = {
    "experts": {"type": "glu", "num_experts": 4, "hidden_dim": 5},
    "router": {"type": "top_k", "k": 2, "balance_loss": 0.1},
}
LATENT = {
    "kv_lora_rank": 6,
    "qk_nope_head_dim": 3,
    "qk_rope_head_dim": 4,
    "v_head_dim": 5,
}
KINDS = {
    "dense": HEADS | DENSE,
    "mixture": HEADS | SPARSE,
    "every other, shared": HEADS
    | SPARSE
    | DENSE
    | {"every": 2, "shared_expert": {"hidden_dim": 3, "gated": True}},
    "latent": {"num_heads": 2, "attention": {"type": "latent", **LATENT}} | SPARSE,
    "sliding window": HEADS | DENSE | {"attention": {"sliding_window": 3, "qk_norm": "head"}},
    "learned positions": HEADS
    | DENSE
    | {"rotary": False, "learned_positions": True, "context_length": 64, "tie_embeddings": False},
}


def make(kind="dense", random=True, **options):
    """A model of a kind; with weights that are not those it starts from, or with those."""
    options = {"vocabulary_size": VOCABULARY, "depth": 2, "width": WIDTH} | KINDS[kind] | options
    model = causal_lm(**options)
    if random:
        randomize(model)
    return model


def sentences(rows=3, length=7, seed=0):
    return np.random.default_rng(seed).integers(1, VOCABULARY, size=(rows, length))


def reference(model, token_ids, kind, mask=None, positions=None, segment_ids=None):
    """The logits of a model of a kind above, float64 but for mixtures, which compute themselves."""
    weights = {
        variable.path.split("/", 1)[1]: to_numpy(variable.value).astype("float64")
        for variable in model.variables
    }
    options = KINDS[kind]
    batch, length = token_ids.shape
    given = {"mask": mask, "segment_ids": segment_ids, "positions": positions}
    table = weights["token_embedding/embeddings"]
    x = model.embedding_multiplier * table[token_ids]
    if model.learned_positions:
        numbers = np.tile(np.arange(length), (batch, 1)) if positions is None else positions
        x = x + weights["position_embedding/embeddings"][numbers]
    for number, block in enumerate(model.blocks):
        own = block_reference.part(weights, f"block_{number}")

        def attend(x, own=own):
            own = block_reference.part(own, "attention")
            if "latent" in kind:
                return latent_attention(x, own, num_heads=2, **LATENT, rotary={}, **given)
            more = options.get("attention", {})
            rotary = None if model.learned_positions else {}
            return grouped_query_attention(x, own, **HEADS, rotary=rotary, **more, **given)

        def feed_forward(x, own=own, block=block):
            if block.feed_forward.name == "feed_forward":
                return block_reference.feed_forward(x, block_reference.part(own, "feed_forward"))
            return to_numpy(block.feed_forward(x.astype("float32"), mask=mask))

        if mask is not None:
            x = np.where(mask[..., None], x, 0.0)
        x = block_reference.block(
            x, own, attend, feed_forward, residual_multiplier=block.residual_multiplier
        )
    x = rms_norm(x, weights["final_norm/scale"], 1e-6)
    head = table.T if model.tie_embeddings else weights["token_embedding/reverse_embeddings"]
    return x @ head / model.logits_scaling
