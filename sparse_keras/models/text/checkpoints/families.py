"""The families of published models: which parts their `config.json` has, and their files.

The parts are in `config_parts.py`, the layouts of files in `keys.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sparse_keras.models.text.checkpoints.config_parts import (
    Activation,
    Biases,
    DenseBlocks,
    Experts,
    Fixed,
    GPT2Width,
    Groups,
    Heads,
    Inert,
    Latent,
    Padding,
    QKNorm,
    Same,
    SharedExpert,
    SharedExperts,
    Window,
    WindowsByLayer,
)
from sparse_keras.models.text.checkpoints.config_values import REQUIRED, Values
from sparse_keras.models.text.checkpoints.options import complete
from sparse_keras.models.text.checkpoints.rotary import Rotary


@dataclass(frozen=True)
class Family:
    """A family of published decoders or encoders.

    Args:
        name: Its `model_type`.
        architecture: The class of transformers.
        layouts: The layouts of its files, in `keys.py`.
        parts: What reads and writes its config, in this order.
        prefix: What the keys of all tensors begin with, but for the head's.
        needs_shared: Whether every model of it has a shared expert; see `filled`.
        by_tensors: Options that the config does not say: they are True if the files hold tensors
            whose keys begin with their name.
        heads: What keys of tensors begin with that are no part of the model, but of a head on it.
    """

    name: str
    architecture: str
    layouts: tuple[str, ...]
    parts: tuple[Any, ...]
    prefix: str = "model."
    needs_shared: bool = False
    by_tensors: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()

    def filled(self, options: dict[str, Any]) -> dict[str, Any]:
        """Returns options of a model that computes the same, with what the family cannot lack.

        Only Qwen2-MoE has dense blocks and experts in any order without normalized queries, and it
        always has a shared expert. A model without one gets one whose weights are zeros.
        """
        if not self.needs_shared or not options["sparse"] or options["shared_dim"] is not None:
            return options
        return {**options, "shared_dim": 1, "shared_gated": True}

    @property
    def has_experts(self) -> bool:
        return any(isinstance(part, Experts) for part in self.parts)

    @property
    def is_latent(self) -> bool:
        return any(isinstance(part, Latent) for part in self.parts)

    @property
    def is_encoder(self) -> bool:
        fixed = (part.options for part in self.parts if isinstance(part, Fixed))
        return any(options.get("causal") is False for options in fixed)

    def others(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the keys of a config that say nothing of the options or of the files."""
        values, options = Values(config, "config.json"), dict[str, Any]()
        for part in self.parts:
            part.read(values, options)
        gone = values.read | {"torch_dtype", "quantization_config", "transformers_version"}
        return {key: value for key, value in config.items() if key not in gone}

    def read(self, config: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Returns the options that a config says.

        Raises:
            ValueError: If a value is missing or wrong, or stands for an option that ours lack.
        """
        values = Values(config, where)
        options: dict[str, Any] = {}
        for part in self.parts:
            part.read(values, options)
        values.check_all_read()
        return complete(options)

    def with_tensors(self, options: dict[str, Any], keys: Iterable[str]) -> dict[str, Any]:
        """Returns options with those that the keys of the tensors say."""
        keys = list(keys)
        said = {name: any(key.startswith(f"{name}.") for key in keys) for name in self.by_tensors}
        return options | said

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        """Returns the config that says options, as far as this family can say them."""
        config: dict[str, Any] = {"model_type": self.name, "architectures": [self.architecture]}
        for part in self.parts:
            config |= part.write(options)
        return config


def _llama_like(context, epsilon=1e-6):
    return Same(
        vocab_size=("vocabulary_size", REQUIRED),
        hidden_size=("width", REQUIRED),
        num_hidden_layers=("depth", REQUIRED),
        max_position_embeddings=("context_length", context),
        rms_norm_eps=("norm_epsilon", epsilon),
        tie_word_embeddings=("tie_embeddings", False),
    )


_MULTIPLIERS = Same(
    embedding_multiplier=("embedding_multiplier", 1.0),
    residual_multiplier=("residual_multiplier", 1.0),
    logits_scaling=("logits_scaling", 1.0),
    attention_multiplier=("scale", 1.0),
)
_GRANITE = (
    _llama_like(2048),
    Heads(False),
    Rotary(),
    _MULTIPLIERS,
    Biases(),
    Activation(),
    Experts("num_local_experts", "intermediate_size", "all"),
    Fixed({"normalize": True}),
)
# Layouts.
_QK_NORM = ("llama", "qk_norm", "experts")
_DEEPSEEK = ("llama", "latent", "experts", "shared_experts")
FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            "llama",
            "LlamaForCausalLM",
            ("llama",),
            (
                _llama_like(2048),
                Heads(),
                Rotary(),
                Biases(),
                Same(mlp_bias=("use_bias", False)),
                Activation(),
                DenseBlocks(),
            ),
        ),
        Family(
            "qwen3",
            "Qwen3ForCausalLM",
            ("llama", "qk_norm"),
            (
                _llama_like(32768),
                Heads(128),
                Rotary(),
                Biases(),
                QKNorm("head"),
                WindowsByLayer(lambda number, layers: number >= layers, 4096, switch=True),
                Activation(),
                DenseBlocks(),
            ),
        ),
        Family(
            "mixtral",
            "MixtralForCausalLM",
            ("llama", "mixtral"),
            (
                _llama_like(131072, 1e-5),
                Heads(),
                Rotary(theta=1e6),
                Window(),
                Activation(),
                Experts("num_local_experts", "intermediate_size", "all"),
                Fixed({"normalize": True}),
            ),
        ),
        Family(
            "qwen2_moe",
            "Qwen2MoeForCausalLM",
            ("llama", "experts", "shared_expert"),
            (
                _llama_like(32768),
                Heads(),
                Rotary(),
                Same(qkv_bias=("qkv_bias", True)),
                WindowsByLayer(
                    lambda number, layers: number % 2 == 0 and number < layers, 4096, switch=True
                ),
                Activation(),
                Experts("num_experts", "moe_intermediate_size", "step"),
                Same(norm_topk_prob=("normalize", False)),
                SharedExpert("shared_expert_intermediate_size", shared_gated=True),
            ),
            needs_shared=True,
        ),
        Family(
            "qwen3_moe",
            "Qwen3MoeForCausalLM",
            _QK_NORM,
            (
                _llama_like(32768),
                Heads(),
                Rotary(),
                Biases(),
                QKNorm("head"),
                Window(switch=True),
                Activation(),
                Experts("num_experts", "moe_intermediate_size", "step"),
                Same(norm_topk_prob=("normalize", False)),
            ),
        ),
        Family(
            "olmoe",
            "OlmoeForCausalLM",
            _QK_NORM,
            (
                _llama_like(4096, 1e-5),
                Heads(False),
                Rotary(),
                Biases(),
                QKNorm("all"),
                Same(clip_qkv=("clip_qkv", None)),
                Activation(),
                Experts("num_experts", "intermediate_size", "all"),
                Same(norm_topk_prob=("normalize", False)),
            ),
        ),
        Family(
            "deepseek_v2",
            "DeepseekV2ForCausalLM",
            _DEEPSEEK,
            (
                _llama_like(2048),
                Rotary(interleaved=True, mscale=True),
                Latent(),
                Activation(),
                Experts("n_routed_experts", "moe_intermediate_size", "first"),
                # Transformers does not read norm_topk_prob, and published models do not set it.
                Fixed({"normalize": False}, norm_topk_prob=False, scoring_func="softmax"),
                Groups("max", method=True),
                Same(routed_scaling_factor=("router_scale", 1.0)),
                SharedExperts(2),
            ),
        ),
        Family(
            "deepseek_v3",
            "DeepseekV3ForCausalLM",
            _DEEPSEEK,
            (
                _llama_like(4096),
                Rotary(interleaved="rope_interleave", mscale=True),
                Latent(),
                Activation(),
                Experts("n_routed_experts", "moe_intermediate_size", "first", first=3),
                Fixed({"score": "sigmoid", "selection_bias": True}, scoring_func="sigmoid"),
                Same(norm_topk_prob=("normalize", True)),
                Groups("top2_sum"),
                Same(routed_scaling_factor=("router_scale", 2.5)),
                SharedExperts(1),
            ),
        ),
        Family(
            "gpt_oss",
            "GptOssForCausalLM",
            ("llama", "gpt_oss"),
            (
                _llama_like(131072, 1e-5),
                Heads(64),
                Rotary(
                    theta=150000.0,
                    rope_type="yarn",
                    factor=32.0,
                    truncate=False,
                    original_max_position_embeddings=4096,
                ),
                Biases(True),
                WindowsByLayer(lambda number, layers: number % 2 == 0, 128, switch=False),
                Fixed({"sinks": True, "expert_bias": True, "up_offset": 1.0, "normalize": True}),
                Fixed({"router_bias": True}, hidden_act="silu"),
                Experts("num_local_experts", "intermediate_size", "all"),
                Same(swiglu_alpha=("alpha", 1.702), swiglu_limit=("limit", 7.0)),
                # What files before transformers 5 say of the same number.
                Fixed({}, experts_per_token=None),
            ),
        ),
        Family(
            "granitemoe",
            "GraniteMoeForCausalLM",
            ("llama", "granite"),
            _GRANITE,
        ),
        Family(
            "granitemoeshared",
            "GraniteMoeSharedForCausalLM",
            ("llama", "granite"),
            (*_GRANITE, SharedExpert("shared_intermediate_size")),
        ),
        Family(
            "gpt2",
            "GPT2LMHeadModel",
            ("gpt2",),
            (
                Same(
                    vocab_size=("vocabulary_size", REQUIRED),
                    n_embd=("width", REQUIRED),
                    n_layer=("depth", REQUIRED),
                    n_positions=("context_length", 1024),
                    layer_norm_epsilon=("norm_epsilon", 1e-5),
                    tie_word_embeddings=("tie_embeddings", True),
                ),
                GPT2Width(),
                Activation("activation_function", "gelu_new"),
                Fixed(
                    {"norm": "layer", "gated": False, "learned_positions": True}
                    | dict.fromkeys(("qkv_bias", "output_bias", "use_bias"), True),
                    scale_attn_weights=True,
                    scale_attn_by_inverse_layer_idx=False,
                    reorder_and_upcast_attn=False,
                    add_cross_attention=False,
                ),
            ),
            prefix="transformer.",
        ),
        Family(
            "bert",
            "BertModel",
            ("bert",),
            (
                Same(
                    vocab_size=("vocabulary_size", REQUIRED),
                    hidden_size=("width", REQUIRED),
                    num_hidden_layers=("depth", REQUIRED),
                    max_position_embeddings=("context_length", 512),
                    type_vocab_size=("token_types", 2),
                    layer_norm_eps=("norm_epsilon", 1e-12),
                ),
                Heads(False, grouped=False),
                Activation(default="gelu"),
                DenseBlocks(),
                Padding(),
                Fixed(
                    {"causal": False, "norm": "layer", "norm_placement": "post", "gated": False}
                    | {"learned_positions": True, "embedding_norm": True}
                    | dict.fromkeys(("qkv_bias", "output_bias", "use_bias"), True),
                    is_decoder=False,
                    add_cross_attention=False,
                    position_embedding_type="absolute",
                ),
                # It is that of a head on the encoder.
                Inert("tie_word_embeddings"),
            ),
            prefix="",
            by_tensors=("pooler",),
            heads=("cls.", "classifier.", "qa_outputs."),
        ),
    )
}
