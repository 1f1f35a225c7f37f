"""Tiny random checkpoints of published families, made by Hugging Face's transformers.

    python -m tests.support.published [FAMILY ...]

writes a folder for each family to `tests/models/text/checkpoints/published`: what transformers
saves, and in `expected.npz` token ids, the logits of them and the greedy continuation; of encoders,
padded ids, types of tokens, hidden states and the output of the pooler. So tests need neither
transformers nor torch. It needs both (`pip install -e '.[parity]'`).

Every weight and buffer is random, and every option of a family has a value that matters:
`tests/models/text/checkpoints/test_options.py` sets each wrong.
"""

import sys
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parents[1] / "models" / "text" / "checkpoints" / "published"
VOCABULARY, LENGTH, PROMPT = 53, 18, 7
# Heads are not as wide as the model divided by their number, and windows shorter than texts, which
# are longer than the original context.
BASE = {"vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2, "rms_norm_eps": 0.02}
BASE |= {"max_position_embeddings": 40}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}
OWN_HEADS = HEADS | {"head_dim": 6}
ROPE = {"rope_parameters": {"rope_type": "default", "rope_theta": 50.0}}
YARN = {"rope_type": "yarn", "rope_theta": 20.0, "factor": 4.0}
YARN |= {"original_max_position_embeddings": 8, "beta_fast": 0.5, "beta_slow": 0.15}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "low_freq_factor": 0.1}
LLAMA3 |= {"high_freq_factor": 1.2, "original_max_position_embeddings": 8}
EXPERTS = {"num_experts": 5, "moe_intermediate_size": 10, "num_experts_per_tok": 2}
EXPERTS |= {"intermediate_size": 14}
LOCAL = {"num_local_experts": 5, "num_experts_per_tok": 2, "intermediate_size": 10}
LATENT = {"num_attention_heads": 4, "num_key_value_heads": 4, "kv_lora_rank": 10}
LATENT |= {"qk_nope_head_dim": 6, "qk_rope_head_dim": 8, "v_head_dim": 6}
GROUPS = {"n_routed_experts": 8, "num_experts_per_tok": 3, "n_group": 4, "topk_group": 2}
GROUPS |= {"moe_intermediate_size": 10, "intermediate_size": 14, "first_k_dense_replace": 1}
MULTIPLIERS = {"embedding_multiplier": 3.0, "residual_multiplier": 0.4, "logits_scaling": 2.0}
MULTIPLIERS |= {"attention_multiplier": 0.6}
# Of each family: the values of its configuration, and the dtype of its file.
CASES = {
    "llama": (
        BASE
        | OWN_HEADS
        | {"intermediate_size": 14, "attention_bias": True, "mlp_bias": True}
        | {"rope_parameters": LLAMA3},
        "float32",
    ),
    "qwen3": (
        BASE
        | OWN_HEADS
        | ROPE
        | {"intermediate_size": 14, "attention_bias": True, "tie_word_embeddings": True}
        | {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1},
        "float16",
    ),
    "mixtral": (BASE | OWN_HEADS | ROPE | LOCAL | {"sliding_window": 5}, "bfloat16"),
    "qwen2_moe": (
        BASE
        | OWN_HEADS
        | ROPE
        | EXPERTS
        | {"num_hidden_layers": 3, "mlp_only_layers": [1], "shared_expert_intermediate_size": 8}
        | {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 2},
        "bfloat16",
    ),
    "qwen3_moe": (
        BASE
        | OWN_HEADS
        | ROPE
        | EXPERTS
        | {"decoder_sparse_step": 2, "norm_topk_prob": True, "attention_bias": True}
        | {"use_sliding_window": True, "sliding_window": 6},
        "bfloat16",
    ),
    "olmoe": (
        BASE
        | HEADS
        | ROPE
        | {"num_experts": 5, "num_experts_per_tok": 2, "intermediate_size": 10, "clip_qkv": 0.5}
        | {"eos_token_id": 2},
        "bfloat16",
    ),
    "deepseek_v2": (
        BASE
        | LATENT
        | GROUPS
        | {"q_lora_rank": None, "n_shared_experts": 2, "routed_scaling_factor": 1.7}
        | {"topk_method": "group_limited_greedy"}
        | {"rope_parameters": YARN | {"mscale": 0.7, "mscale_all_dim": 1.3}},
        "bfloat16",
    ),
    "deepseek_v3": (
        BASE
        | LATENT
        | GROUPS
        | {"q_lora_rank": 7, "n_shared_experts": 1, "routed_scaling_factor": 2.2}
        | {"rope_parameters": YARN | {"mscale_all_dim": 1.3}},
        "bfloat16",
    ),
    "gpt_oss": (
        BASE
        | OWN_HEADS
        | LOCAL
        | {"sliding_window": 5, "swiglu_limit": 0.3}
        | {"rope_parameters": YARN | {"truncate": False}},
        "bfloat16",
    ),
    "granitemoe": (
        BASE | HEADS | ROPE | LOCAL | MULTIPLIERS | {"tie_word_embeddings": True},
        "bfloat16",
    ),
    "granitemoeshared": (
        BASE | HEADS | ROPE | LOCAL | MULTIPLIERS | {"shared_intermediate_size": 8},
        "bfloat16",
    ),
    "gpt2": (
        {"vocab_size": VOCABULARY, "n_embd": 16, "n_layer": 2, "n_head": 4, "n_inner": 20}
        | {"n_positions": 40, "layer_norm_epsilon": 0.02, "bos_token_id": 1, "eos_token_id": 2},
        "float32",
    ),
    "bert": (
        {"vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2, "pad_token_id": 3}
        | {"num_attention_heads": 4, "intermediate_size": 20, "type_vocab_size": 3}
        | {"max_position_embeddings": 40, "layer_norm_eps": 0.02},
        "float32",
    ),
}
ENCODERS = ("bert",)


def auto_class(name):
    """The class of transformers that loads a family."""
    from transformers import AutoModel, AutoModelForCausalLM

    return AutoModel if name in ENCODERS else AutoModelForCausalLM


def make(name):
    """A model of transformers whose weights and buffers are random, float32 numbers that the dtype
    of its file holds."""
    import torch
    from transformers import AutoConfig

    values, dtype = CASES[name]
    config = AutoConfig.for_model(name, **values)
    model = auto_class(name).from_config(config, **implementation(name))
    model = model.eval().float()
    rng = np.random.default_rng(1)
    buffers = [
        (n, x) for n, x in model.named_buffers() if "inv_freq" not in n and x.is_floating_point()
    ]
    with torch.no_grad():
        for key, weight in [*model.named_parameters(), *buffers]:
            is_scale = ("norm" in key.lower() or "ln_" in key) and key.endswith("weight")
            value = rng.normal(float(is_scale), 0.3, size=tuple(weight.shape))
            weight.copy_(torch.from_numpy(value).to(getattr(torch, dtype)))
    return model


def implementation(name):
    """Arguments of transformers for the plain computation, which takes matrices of any width."""
    dense = name in ("llama", "qwen3", "gpt2", "bert")
    return {"attn_implementation": "eager"} | ({} if dense else {"experts_implementation": "eager"})


def expected(model):
    """Token ids, the logits of a model of transformers, and its greedy continuation."""
    import torch

    ids = np.random.default_rng(2).integers(3, VOCABULARY, size=(2, LENGTH))
    with torch.no_grad():
        logits = model(torch.from_numpy(ids)).logits.numpy()
        prompts = torch.from_numpy(ids[:, :PROMPT])
        texts = model.generate(
            prompts, max_new_tokens=8, do_sample=False, eos_token_id=None, pad_token_id=0
        )
    return {"ids": ids, "logits": logits, "texts": texts[:, PROMPT:].numpy()}


def expected_of_encoder(model):
    """Token ids with padding, types of tokens, and what a model of transformers computes of them:
    hidden states and the output of the pooler, without types and with them."""
    import torch

    rng = np.random.default_rng(2)
    ids = rng.integers(4, VOCABULARY, size=(3, LENGTH))
    mask = np.arange(LENGTH) < np.array([[LENGTH], [11], [5]])
    ids[~mask] = 3
    types = rng.integers(0, 3, size=ids.shape)
    found = {"ids": ids, "types": types, "mask": mask}
    ids, types, mask = map(torch.from_numpy, (ids, types, mask))
    with torch.no_grad():
        plain = model(ids, attention_mask=mask)
        typed = model(ids, attention_mask=mask, token_type_ids=types)
    for name, output in (("", plain), ("typed_", typed)):
        found[f"{name}hidden"] = output.last_hidden_state.numpy()
        found[f"{name}pooled"] = output.pooler_output.numpy()
    return found


def main(names):
    import torch

    for name, (_, dtype) in CASES.items():
        if names and name not in names:
            continue
        model, folder = make(name), FOLDER / name
        folder.mkdir(parents=True, exist_ok=True)
        of_model = expected_of_encoder if name in ENCODERS else expected
        np.savez(folder / "expected.npz", **of_model(model))
        model.to(getattr(torch, dtype)).save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)


if __name__ == "__main__":
    main(sys.argv[1:])
