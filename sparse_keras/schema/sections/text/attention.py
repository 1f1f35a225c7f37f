"""`model.attention` and `model.rotary`: how the tokens of a text see each other."""

from typing import Annotated, Literal

from pydantic import Field

from sparse_keras.schema.core.choice import Choice
from sparse_keras.schema.core.section import BrokenRules, Count, Positive, Section

_SCALE = "Factor of the scores before the softmax. Null: 1 / sqrt(width of a head)."


class GroupedQuery(Section):
    """Attention in which several heads of queries share a head of keys and values."""

    type: Literal["grouped_query"] = Field("grouped_query", description="Grouped-query attention.")
    qk_norm: Literal["head", "all"] | None = Field(
        None,
        description="RMS normalization of queries and keys: of each head (Qwen3), or of all heads "
        "together (OLMoE). Null: none.",
    )
    sliding_window: Count | list[Count | None] | None = Field(
        None,
        description="Each token sees those less than this many positions away. Null: all. A list "
        "has one for each block, and starts again where it ends: [128, null] alternates.",
    )
    sinks: bool = Field(
        False, description="Whether each head may attend to nothing, by a learned logit (gpt-oss)."
    )
    clip_qkv: Positive | None = Field(
        None, description="Limit of queries, keys and values: they are clipped. Null: no limit."
    )
    scale: Positive | None = Field(None, description=_SCALE)


class Latent(Section):
    """Multi-head latent attention of DeepSeek: keys and values are compressed."""

    type: Literal["latent"] = Field("latent", description="Multi-head latent attention.")
    kv_lora_rank: Count = Field(description="Width of what keys and values are compressed to.")
    qk_nope_head_dim: Count = Field(description="Width of a head's queries without positions.")
    qk_rope_head_dim: Count = Field(description="Width of a head's queries with positions.")
    v_head_dim: Count = Field(description="Width of a head's values.")
    q_lora_rank: Count | None = Field(
        None, description="Width of what queries are compressed to. Null: they are not."
    )
    scale: Positive | None = Field(None, description=_SCALE)


ATTENTIONS = Choice("attention", GroupedQuery, Latent)
AttentionConfig = Annotated[Section, ATTENTIONS]


class Rotary(Section):
    """Rotary positions: the arguments of `layers.RotaryEmbedding`."""

    theta: Positive = Field(
        10000.0, description="Base of the frequencies; larger for longer texts."
    )
    rope_type: Literal["default", "linear", "llama3", "yarn"] = Field(
        "default", description="How frequencies are scaled for texts longer than in training."
    )
    factor: Positive | None = Field(
        None, description="How many times longer texts may be. Not for rope_type default."
    )
    original_max_position_embeddings: Count | None = Field(
        None, description="Length of the texts in training, for llama3 and yarn."
    )
    low_freq_factor: Positive | None = Field(None, description="For llama3.")
    high_freq_factor: Positive | None = Field(None, description="For llama3.")
    partial_rotary_factor: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="Fraction of each head's width that is rotated."
    )
    interleaved: bool = Field(
        False,
        description="Whether neighbouring values are rotated together, instead of values half the "
        "width apart.",
    )

    def rules(self) -> BrokenRules:
        needed = {
            "default": (),
            "linear": ("factor",),
            "llama3": (
                "factor",
                "original_max_position_embeddings",
                "low_freq_factor",
                "high_freq_factor",
            ),
            "yarn": ("factor", "original_max_position_embeddings"),
        }[self.rope_type]
        scaling = (
            "factor",
            "original_max_position_embeddings",
            "low_freq_factor",
            "high_freq_factor",
        )
        for key in scaling:
            if (getattr(self, key) is not None) != (key in needed):
                word = "is needed by" if key in needed else "has no effect with"
                yield key, f"{word} rope_type {self.rope_type}"
