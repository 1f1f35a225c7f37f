"""The attention layers equal those of Hugging Face's transformers, where that and torch are here.

Every weight of theirs is random, biases, norms and sinks included, and copied into a layer of ours.
"""

import importlib

import numpy as np
import pytest

from sparse_keras.layers import GroupedQueryAttention, LatentAttention, RotaryEmbedding
from sparse_keras.layers.transformer.rotary_frequencies import OPTIONS, inverse_frequencies
from tests.layers.transformer.attention_cases import generate
from tests.support.gradients import to_numpy

BATCH, LENGTH, WIDTH = 2, 13, 24
# Heads are wider than WIDTH / heads, and share keys.
HEADS = {"num_heads": 4, "num_kv_heads": 2, "head_dim": 8}
# LENGTH is beyond the original context.
LLAMA3 = {"rope_type": "llama3", "factor": 4.0, "original_max_position_embeddings": 8}
LLAMA3 |= {"low_freq_factor": 0.1, "high_freq_factor": 1.2, "theta": 500.0}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8}
YARN |= {"beta_fast": 0.5, "beta_slow": 0.15, "theta": 20.0}
BOTH_MSCALES = YARN | {"mscale": 0.7, "mscale_all_dim": 1.3}
MLA = {"num_heads": 3, "kv_lora_rank": 6, "qk_nope_head_dim": 6, "qk_rope_head_dim": 8}
MLA |= {"v_head_dim": 7, "rotary": {"interleaved": True}}

# Name of a case: the folder and the prefix of the classes in transformers, our options, and the
# values of transformers' configuration that do not follow from these.
CASES = {
    "llama": ("llama", "Llama", HEADS | {"rotary": {"theta": 50.0}}, {}),
    "llama3": ("llama", "Llama", HEADS | {"rotary": LLAMA3}, {}),
    "llama with biases": (
        *("llama", "Llama"),
        HEADS | {"rotary": {}, "qkv_bias": True, "output_bias": True},
        {"attention_bias": True},
    ),
    "qwen3": (
        *("qwen3", "Qwen3"),
        HEADS | {"rotary": {}, "qk_norm": "head", "norm_epsilon": 0.05},
        {},
    ),
    "olmoe": (
        *("olmoe", "Olmoe"),
        # It has no other width of heads.
        {"num_heads": 4, "num_kv_heads": 2, "head_dim": WIDTH // 4, "rotary": {}}
        | {"qk_norm": "all", "norm_epsilon": 0.05, "clip_qkv": 0.7},
        {"clip_qkv": 0.7},
    ),
    "gpt_oss": (
        *("gpt_oss", "GptOss"),
        HEADS
        | {"qkv_bias": True, "output_bias": True, "sinks": True, "sliding_window": 5}
        | {"rotary": YARN | {"truncate": False}},
        {"layer_types": ["sliding_attention", "full_attention"]},
    ),
    "mixtral": ("mixtral", "Mixtral", HEADS | {"rotary": {}, "sliding_window": 4}, {}),
    "granite": (
        *("granite", "Granite"),
        HEADS | {"rotary": {}, "scale": 0.9},
        {"attention_multiplier": 0.9},
    ),
    "deepseek_v2": ("deepseek_v2", "DeepseekV2", MLA, {}),
    "deepseek_v2, latent queries, yarn": (
        *("deepseek_v2", "DeepseekV2"),
        MLA | {"q_lora_rank": 4, "rotary": BOTH_MSCALES | {"interleaved": True}},
        {},
    ),
    "deepseek_v3": ("deepseek_v3", "DeepseekV3", MLA | {"q_lora_rank": 4}, {}),
    "deepseek_v3, yarn": (
        *("deepseek_v3", "DeepseekV3"),
        MLA | {"rotary": BOTH_MSCALES | {"interleaved": True}},
        {},
    ),
    "deepseek_v3, mscale_all_dim alone": (
        *("deepseek_v3", "DeepseekV3"),
        MLA | {"rotary": YARN | {"mscale_all_dim": 1.3, "interleaved": True}},
        {},
    ),
    "deepseek_v3, not interleaved": (
        *("deepseek_v3", "DeepseekV3"),
        MLA | {"rotary": {}},
        {"rope_interleave": False},
    ),
    "gpt2": ("gpt2", "GPT2", {"num_heads": 4, "qkv_bias": True, "output_bias": True}, {}),
}
# What a case would not equal: one option set wrong.
WRONG = [
    ("llama", {"rotary": {}}),
    ("llama", {"rotary": {"theta": 50.0, "interleaved": True}}),
    ("llama", {"rotary": {"theta": 50.0, "partial_rotary_factor": 0.5}}),
    ("llama", {"rotary": {"theta": 50.0, "rope_type": "linear", "factor": 2.0}}),
    ("llama", {"rotary": None}),
    ("llama", {"causal": False}),
    ("llama3", {"rotary": {"theta": 500.0}}),
    ("llama3", {"rotary": LLAMA3 | {"factor": 2.0}}),
    ("llama3", {"rotary": LLAMA3 | {"original_max_position_embeddings": 16}}),
    ("llama3", {"rotary": LLAMA3 | {"low_freq_factor": 0.2}}),
    ("llama3", {"rotary": LLAMA3 | {"high_freq_factor": 4.0}}),
    ("llama with biases", {"qkv_bias": False}),
    ("llama with biases", {"output_bias": False}),
    ("qwen3", {"qk_norm": None}),
    ("qwen3", {"norm_epsilon": 1e-6}),
    ("olmoe", {"qk_norm": None}),
    ("olmoe", {"norm_epsilon": 1e-6}),
    ("olmoe", {"clip_qkv": None}),
    ("olmoe", {"clip_qkv": 0.8}),
    ("gpt_oss", {"sinks": False}),
    ("gpt_oss", {"sliding_window": None}),
    ("gpt_oss", {"sliding_window": 6}),
    ("gpt_oss", {"rotary": YARN | {"truncate": True}}),
    ("gpt_oss", {"rotary": YARN | {"truncate": False, "beta_fast": 1.0}}),
    ("gpt_oss", {"rotary": YARN | {"truncate": False, "beta_slow": 0.05}}),
    ("gpt_oss", {"rotary": YARN | {"truncate": False, "attention_factor": 1.0}}),
    ("mixtral", {"sliding_window": None}),
    ("mixtral", {"sliding_window": 5}),
    ("granite", {"scale": None}),
    ("deepseek_v2", {"rotary": {}}),
    ("deepseek_v2", {"norm_epsilon": 0.05}),
    ("deepseek_v2", {"scale": 1.0}),
    ("deepseek_v2, latent queries, yarn", {"rotary": YARN | {"interleaved": True}}),
    (
        "deepseek_v2, latent queries, yarn",
        {"rotary": YARN | {"interleaved": True, "mscale_all_dim": 1.3}},
    ),
    ("deepseek_v3, yarn", {"rotary": YARN | {"interleaved": True}}),
    ("deepseek_v3, yarn", {"rotary": YARN | {"interleaved": True, "mscale_all_dim": 1.3}}),
    ("deepseek_v3, mscale_all_dim alone", {"rotary": YARN | {"interleaved": True}}),
    ("deepseek_v3, not interleaved", {"rotary": {"interleaved": True}}),
    ("gpt2", {"qkv_bias": False}),
    ("gpt2", {"scale": 1.0}),
]
# Our names of what transformers calls otherwise, in modules and in configurations.
SUBLAYERS = {
    "q_proj": "query",
    "k_proj": "key",
    "v_proj": "value",
    "q_norm": "query_norm",
    "k_norm": "key_norm",
    "q_a_proj": "query_down",
    "q_a_layernorm": "query_norm",
    "q_b_proj": "query_up",
    "kv_a_proj_with_mqa": "latent_down",
    "kv_a_layernorm": "latent_norm",
    "kv_b_proj": "key_value_up",
    "o_proj": "output",
    "c_proj": "output",
}
SETTINGS = {
    "num_heads": "num_attention_heads",
    "num_kv_heads": "num_key_value_heads",
    **{name: name for name in ("head_dim", "sliding_window", "kv_lora_rank", "q_lora_rank")},
    **{name: name for name in ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")},
}


@pytest.fixture(autouse=True)
def libraries():
    pytest.importorskip("transformers", minversion="5")
    pytest.importorskip("torch")


def configuration(prefix, options, settings):
    """Transformers' configuration of a model with our options."""
    import transformers

    rotary = dict(options.get("rotary") or {})
    rope = {"rope_type": "default", "rope_theta": rotary.pop("theta", 10000.0)} | rotary
    rope.pop("interleaved", None)
    values = {theirs: options[ours] for ours, theirs in SETTINGS.items() if ours in options}
    if "kv_lora_rank" in options:
        values |= {"num_key_value_heads": options["num_heads"], "q_lora_rank": None} | values
    if "norm_epsilon" in options:
        values["rms_norm_eps"] = options["norm_epsilon"]
    return getattr(transformers, f"{prefix}Config")(
        hidden_size=WIDTH,
        rope_parameters=rope,
        max_position_embeddings=32,
        num_hidden_layers=2,
        attn_implementation="eager",
        **values | settings,
    )


def their_layer(folder, prefix, options, settings):
    """Their module of random weights, and a function from inputs to its outputs."""
    import torch

    theirs = importlib.import_module(f"transformers.models.{folder}.modeling_{folder}")
    config = configuration(prefix, options, settings)
    module = getattr(theirs, f"{prefix}Attention")(config, layer_idx=0).eval().float()
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            mean = 1.0 if "norm" in name else 0.0
            value = rng.normal(mean, 0.4, size=tuple(weight.shape))
            weight.copy_(torch.from_numpy(value))

    rotary = getattr(theirs, f"{prefix}RotaryEmbedding", None)

    def call(x):
        x = torch.from_numpy(x)
        positions = torch.arange(LENGTH)[None]
        given = {"attention_mask": causal_mask(config, x, positions)}
        if rotary is not None:
            given["position_embeddings"] = rotary(config)(x, position_ids=positions)
        with torch.no_grad():
            return module(x, **given)[0].numpy()

    return module, call


def causal_mask(config, x, positions):
    """The mask that the models of transformers make for a layer."""
    from transformers import masking_utils

    windowed = getattr(config, "sliding_window", None) is not None
    make = getattr(
        masking_utils, "create_sliding_window_causal_mask" if windowed else "create_causal_mask"
    )
    given = {"attention_mask": None, "past_key_values": None, "position_ids": positions}
    return make(config=config, inputs_embeds=x, **given)


def weights_for_ours(module):
    """The weights of their module by the paths of ours, such as `"query/kernel"`."""
    found = {}
    for name, weight in module.named_parameters():
        value = weight.detach().numpy()
        theirs, _, kind = name.rpartition(".")
        ours = SUBLAYERS.get(theirs)
        if name == "sinks":
            found[name] = value
        elif theirs == "c_attn":  # GPT-2's queries, keys and values in one; kernels are like ours.
            kind = "kernel" if kind == "weight" else "bias"
            for ours, part in zip(("query", "key", "value"), np.split(value, 3, -1), strict=True):
                found[f"{ours}/{kind}"] = part
        elif kind == "bias":
            found[f"{ours}/bias"] = value
        elif "norm" in theirs:
            found[f"{ours}/scale"] = value
        else:
            found[f"{ours}/kernel"] = value if theirs == "c_proj" else value.T
    return found


def our_layer(options, weights):
    """A layer of ours with those of the weights that it has."""
    rotary = options.get("rotary")
    options = options | {"rotary": None if rotary is None else RotaryEmbedding(**rotary)}
    kind = LatentAttention if "kv_lora_rank" in options else GroupedQueryAttention
    layer = kind(**options)
    layer.build((None, None, WIDTH))
    for variable in layer.variables:
        variable.assign(weights[path_of(variable)])
    return layer


def path_of(variable):
    return variable.path.split("/", 1)[-1]


def inputs():
    return np.random.default_rng(1).normal(size=(BATCH, LENGTH, WIDTH)).astype("float32")


@pytest.mark.parametrize("case", CASES)
def test_outputs_are_equal(case):
    options, x = CASES[case][2], inputs()
    module, call = their_layer(*CASES[case])
    weights = weights_for_ours(module)
    layer = our_layer(options, weights)
    assert {path_of(variable) for variable in layer.variables} == set(weights)
    expected = call(x)
    assert np.abs(expected).mean() > 0.1
    np.testing.assert_allclose(to_numpy(layer(x)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("case, change", WRONG, ids=str)
def test_a_wrong_option_is_seen(case, change):
    """The comparison above would fail: each option of ours matters to what they compute."""
    options, x = CASES[case][2], inputs()
    module, call = their_layer(*CASES[case])
    layer = our_layer(options | change, weights_for_ours(module))
    assert np.abs(to_numpy(layer(x)) - call(x)).max() > 1e-3


@pytest.mark.parametrize("case", ["gpt_oss", "mixtral", "deepseek_v3, yarn"])
def test_generation_is_equal(case):
    """Token by token from our cache: what they compute of the whole sequence."""
    options, x = CASES[case][2], inputs()
    module, call = their_layer(*CASES[case])
    layer = our_layer(options, weights_for_ours(module))
    found = generate(layer, x, (1,) * LENGTH)
    np.testing.assert_allclose(found, call(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("options", [LLAMA3, YARN], ids=["llama3", "yarn"])
def test_the_cases_keep_divide_and_interpolate_frequencies(options):
    """Or else they would not see all options of a scaling."""
    options = {**OPTIONS[options["rope_type"]], **options}
    rope_type, theta = options.pop("rope_type"), options.pop("theta")
    scaled = inverse_frequencies(rope_type, theta, HEADS["head_dim"], options)
    ratio = inverse_frequencies("default", theta, HEADS["head_dim"], {}) / scaled
    factor = options["factor"]
    assert np.isclose(ratio, 1).any() and np.isclose(ratio, factor).any()
    assert ((ratio > 1.1) & (ratio < factor - 0.1)).any()
