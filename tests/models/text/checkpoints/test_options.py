"""Every option of every family matters: set wrong in `config.json`, it changes the logits or is
refused. Otherwise the comparison with transformers would not see it."""

import json
import shutil

import numpy as np
import pytest

from sparse_keras import load_pretrained
from tests.models.text.checkpoints.test_families import expected
from tests.support import published
from tests.support.gradients import to_numpy

ROPE = "rope_parameters."
# Of each family: values of keys that are not those of its checkpoint.
WRONG = {
    "llama": [
        (ROPE + "partial_rotary_factor", 0.5),
        ("rms_norm_eps", 1e-6),
        ("attention_bias", False),
        ("mlp_bias", False),
        ("hidden_act", "gelu"),
        ("num_key_value_heads", 4),
        ("head_dim", None),
        ("tie_word_embeddings", True),
        (ROPE + "rope_theta", 400.0),
        (ROPE + "rope_type", "default"),
        (ROPE + "factor", 3.0),
        (ROPE + "original_max_position_embeddings", 12),
        (ROPE + "low_freq_factor", 0.3),
        (ROPE + "high_freq_factor", 2.0),
        (ROPE + "partial_rotary_factor", 0.67),
    ],
    "qwen3": [
        ("sliding_window", 6),
        ("use_sliding_window", False),
        ("layer_types", ["sliding_attention"] * 2),
        ("attention_bias", False),
    ],
    "mixtral": [
        ("sliding_window", None),
        ("sliding_window", 6),
        ("num_experts_per_tok", 1),
        ("num_local_experts", 4),
    ],
    "qwen2_moe": [
        ("sliding_window", 6),
        ("layer_types", ["full_attention"] * 3),
        ("norm_topk_prob", True),
        ("num_experts_per_tok", 1),
        ("mlp_only_layers", []),
        ("decoder_sparse_step", 2),
        ("qkv_bias", False),
    ],
    "qwen3_moe": [
        ("norm_topk_prob", False),
        ("use_sliding_window", False),
        ("decoder_sparse_step", 1),
        ("num_experts_per_tok", 3),
    ],
    "olmoe": [("clip_qkv", None), ("clip_qkv", 0.6), ("norm_topk_prob", True)],
    "deepseek_v2": [
        ("topk_method", "greedy"),
        ("n_group", 2),
        ("topk_group", 1),
        ("routed_scaling_factor", 1.0),
        ("n_shared_experts", 1),
        ("first_k_dense_replace", 0),
        ("q_lora_rank", 7),
        (ROPE + "mscale", 1.3),
        (ROPE + "mscale_all_dim", 0.7),
        (ROPE + "beta_fast", 1.0),
        (ROPE + "beta_slow", 0.05),
        (ROPE + "attention_factor", 1.5),
    ],
    "deepseek_v3": [
        ("norm_topk_prob", False),
        ("topk_group", 3),
        ("n_group", 2),
        ("routed_scaling_factor", 2.5),
        ("rope_interleave", False),
        (ROPE + "mscale_all_dim", 0.0),
    ],
    "gpt_oss": [
        ("swiglu_limit", 0.4),
        ("swiglu_alpha", 1.0),
        ("sliding_window", 6),
        ("layer_types", ["full_attention", "sliding_attention"]),
        ("attention_bias", False),
        (ROPE + "truncate", True),
    ],
    "granitemoe": [
        ("embedding_multiplier", 1.0),
        ("residual_multiplier", 1.0),
        ("logits_scaling", 1.0),
        ("attention_multiplier", 1.0),
        ("tie_word_embeddings", False),
    ],
    "granitemoeshared": [("shared_intermediate_size", 10)],
    "gpt2": [
        ("activation_function", "gelu"),
        ("layer_norm_epsilon", 1e-5),
        ("n_head", 2),
        ("tie_word_embeddings", False),
        ("scale_attn_by_inverse_layer_idx", True),
        ("scale_attn_weights", False),
    ],
    "bert": [
        ("hidden_act", "gelu_new"),
        ("layer_norm_eps", 1e-12),
        ("num_attention_heads", 2),
        ("type_vocab_size", 2),
        ("max_position_embeddings", 39),
        ("pad_token_id", 4),
        ("pad_token_id", None),
        ("is_decoder", True),
        ("add_cross_attention", True),
        ("position_embedding_type", "relative_key"),
    ],
}


def changed(name, folder, *changes):
    """A copy of a checkpoint with other values of keys; `None` removes a key."""
    shutil.copytree(published.FOLDER / name, folder)
    config = json.loads((folder / "config.json").read_text())
    for key, value in changes:
        *outer, inner = key.split(".")
        values = config[outer[0]] if outer else config
        values[inner] = value
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def cases():
    """In the quick run, each key in the first family that has it."""
    seen = set()
    for name, changes in WRONG.items():
        for key, value in changes:
            marks = pytest.mark.slow if key in seen else ()
            seen.add(key)
            yield pytest.param(name, key, value, marks=marks)


@pytest.mark.parametrize("name, key, value", cases())
def test_a_wrong_option_is_seen(name, key, value, tmp_path):
    case = expected(name)
    folder = changed(name, tmp_path / "changed", (key, value))
    try:
        model = load_pretrained(folder)
    except ValueError as error:
        assert "config.json" in str(error)
        return
    found = to_numpy(model(case["ids"]))
    if name in published.ENCODERS:
        found, right = found[case["mask"]], case["hidden"][case["mask"]]
    else:
        right = case["logits"]
    # The smallest change is that of GELU's approximation.
    assert np.abs(found - right).max() > 1e-4
