"""Small models of KerasHub's mixture-of-experts families, whose every weight is random."""

import keras
import numpy as np

VOCABULARY = 60
_COMMON = {"vocabulary_size": VOCABULARY, "num_layers": 2, "num_query_heads": 4, "hidden_dim": 16}
_MOE = {"num_key_value_heads": 2, "num_experts": 6, "top_k": 2}
# The class of each family's backbone, and its arguments.
BACKBONES = {
    "Mixtral": ("MixtralBackbone", {**_MOE, "intermediate_dim": 12}),
    "Qwen-MoE": (
        "QwenMoeBackbone",
        {
            **_MOE,
            "intermediate_dim": 24,
            "moe_intermediate_dim": 12,
            "shared_expert_intermediate_dim": 10,
            "norm_top_k_prob": False,
        },
    ),
    "Qwen3-MoE": (
        "Qwen3MoeBackbone",
        {
            **_MOE,
            "intermediate_dim": 24,
            "moe_intermediate_dim": 12,
            "head_dim": 8,
            "norm_top_k_prob": True,
        },
    ),
    "Qwen3.5-MoE": (
        "Qwen3_5MoeBackbone",
        {
            **_MOE,
            "head_dim": 8,
            "moe_intermediate_dim": 12,
            "shared_expert_intermediate_size": 10,
            "layer_types": ["linear_attention", "full_attention"],
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 4,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
        },
    ),
    "GPT-OSS": ("GptOssBackbone", {**_MOE, "intermediate_dim": 12, "head_dim": 8}),
    "Gemma 4": (
        "Gemma4Backbone",
        {
            "num_key_value_heads": 2,
            "image_size": 16,
            "intermediate_dim": 24,
            "head_dim": 8,
            "enable_moe_block": True,
            "num_experts": 6,
            "expert_intermediate_dim": 12,
            "num_experts_per_token": 2,
            "sliding_window_pattern": 2,
        },
    ),
}


def backbone(family, seed=0, **kwargs):
    """A backbone whose weights, biases and scales are all random; equal ones for equal seeds."""
    import keras_hub

    keras.utils.set_random_seed(seed)
    name, arguments = BACKBONES[family]
    model = getattr(keras_hub.models, name)(**_COMMON, **arguments, **kwargs)
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if "seed_generator" in weight.path:
            continue
        noise = rng.normal(size=weight.shape, scale=0.4 / max(1, len(weight.shape)))
        weight.assign(keras.ops.convert_to_numpy(weight).astype("float32") + noise)
    return model


def causal_lm(family, model=None):
    """A task that takes and generates token ids, with greedy search."""
    import keras_hub

    model = backbone(family) if model is None else model
    name = BACKBONES[family][0].replace("Backbone", "CausalLM")
    task = getattr(keras_hub.models, name)(backbone=model, preprocessor=None)
    task.compile(sampler="greedy")
    return task


def inputs(family, batch=3, length=7, seed=0):
    """Token ids of sentences of several lengths, and their padding mask."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, length + 1, batch)
    lengths[0] = length
    mask = np.arange(length) < lengths[:, None]
    ids = rng.integers(1, VOCABULARY, (batch, length)) * mask
    x = {"token_ids": ids.astype("int32"), "padding_mask": mask.astype("int32")}
    if family == "Gemma 4":
        x["position_ids"] = np.tile(np.arange(length, dtype="int32"), (batch, 1))
    return x


def tokenizer():
    """A byte-level tokenizer of Qwen3-MoE with two merges."""
    import keras_hub

    # Byte-level tokenizers write each byte as one printable character.
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = range(256 - len(printable))
    characters = [chr(byte) for byte in printable] + [chr(256 + n) for n in others]
    tokens = [*characters, "th", "the", "<|im_end|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return keras_hub.models.Qwen3MoeTokenizer(vocabulary=vocabulary, merges=["t h", "th e"])


def text_task(length=12):
    """A CausalLM of Qwen3-MoE that takes and returns strings."""
    import keras_hub

    tokens = tokenizer()
    _, arguments = BACKBONES["Qwen3-MoE"]
    arguments = {**_COMMON, **arguments, "vocabulary_size": tokens.vocabulary_size()}
    keras.utils.set_random_seed(0)
    return keras_hub.models.Qwen3MoeCausalLM(
        backbone=keras_hub.models.Qwen3MoeBackbone(**arguments),
        preprocessor=keras_hub.models.Qwen3MoeCausalLMPreprocessor(tokens, sequence_length=length),
    )
