"""Models of our own leave as the family whose options they have."""

import json

import numpy as np
import pytest

from sparse_keras import load_pretrained, merge_lora, save_pretrained
from sparse_keras.data import LanguagePreprocessor, Tokenizer
from sparse_keras.models import TextGenerator, causal_lm
from sparse_keras.models.text.checkpoints.safetensors_files import INDEX, tensors_of
from tests.layers.transformer.attention_reference import randomize
from tests.support import published
from tests.support.gradients import to_numpy
from tests.support.quick import slow_but_for

GLU = {"experts": {"type": "glu", "num_experts": 4, "hidden_dim": 6}}
K2 = {"router": {"type": "top_k", "k": 2}}
LATENT = {"type": "latent", "kv_lora_rank": 6, "qk_nope_head_dim": 4, "qk_rope_head_dim": 4}
LATENT |= {"v_head_dim": 4}
OSS = {"limit": 7.0, "alpha": 1.702, "up_offset": 1.0, "use_bias": True}
BIASES = {"qkv_bias": True, "output_bias": True}
# The options of a model, and the family it leaves as.
CASES = {
    "dense": ({"hidden_dim": 12}, "llama"),
    "dense, biases": ({"hidden_dim": 12, "use_bias": True, "tie_embeddings": False}, "llama"),
    "normalized queries": ({"hidden_dim": 12, "attention": {"qk_norm": "head"}}, "qwen3"),
    "two windows": (
        {"hidden_dim": 12, "attention": {"qk_norm": "head", "sliding_window": [3, None]}},
        "qwen3",
    ),
    "mixture": (GLU | K2, "mixtral"),
    "window": (GLU | K2 | {"attention": {"sliding_window": 3}}, "mixtral"),
    "not normalized": (
        GLU | {"router": {"type": "top_k", "k": 1, "normalize": False}},
        "qwen2_moe",
    ),
    "some dense": (GLU | K2 | {"dense_layers": [0, 2], "hidden_dim": 12, "depth": 3}, "qwen2_moe"),
    "shared, gated": (GLU | K2 | {"shared_expert": {"hidden_dim": 5, "gated": True}}, "qwen2_moe"),
    "mixture, normalized queries": (
        GLU | K2 | {"attention": {"qk_norm": "head"}, "every": 2, "hidden_dim": 12},
        "qwen3_moe",
    ),
    "all heads normalized": (GLU | K2 | {"attention": {"qk_norm": "all"}}, "olmoe"),
    "multipliers": (GLU | K2 | {"residual_multiplier": 0.5, "logits_scaling": 3.0}, "granitemoe"),
    "multipliers, shared": (
        GLU | K2 | {"embedding_multiplier": 2.0, "shared_expert": {"hidden_dim": 5}},
        "granitemoeshared",
    ),
    "gpt_oss": (
        {"experts": GLU["experts"] | OSS, "router": {"type": "gpt_oss", "k": 2}}
        | {"attention": BIASES | {"sinks": True, "sliding_window": [4, None]}},
        "gpt_oss",
    ),
    "latent, softmax": (
        GLU
        | {"router": {"type": "top_k", "k": 2, "normalize": False, "scale": 3.0}}
        | {"attention": LATENT, "rotary": {"interleaved": True}, "num_kv_heads": None}
        | {"shared_expert": {"hidden_dim": 12}, "dense_layers": 1, "hidden_dim": 12},
        "deepseek_v2",
    ),
    "latent, sigmoid": (
        {"experts": GLU["experts"] | {"num_experts": 8}}
        | {"router": {"type": "deepseek_v3", "k": 2, "num_groups": 4, "groups_kept": 2}}
        | {"attention": LATENT | {"q_lora_rank": 5}, "num_kv_heads": None, "head_dim": None}
        | {"shared_expert": {"hidden_dim": 6}},
        "deepseek_v3",
    ),
    "gpt2": (
        {"hidden_dim": 12, "use_bias": True, "gated": False, "activation": "gelu_tanh"}
        | {"norm": "layer", "rotary": False, "learned_positions": True, "context_length": 20}
        | {"num_kv_heads": None},
        "gpt2",
    ),
}


def make(options):
    heads = {"num_heads": 4, "num_kv_heads": 2}
    options = {"vocabulary_size": 31, "depth": 2, "width": 16} | heads | options
    model = causal_lm(**options)
    randomize(model)
    return model


# One of each family.
QUICK = {family: name for name, (_, family) in CASES.items()}.values()


@pytest.mark.parametrize("name", slow_but_for(QUICK, CASES))
def test_the_family_that_fits(name, tmp_path):
    options, family = CASES[name]
    model = make(options)
    assert save_pretrained(model, tmp_path / "model") == family
    again = load_pretrained(tmp_path / "model")
    ids = np.random.default_rng(0).integers(0, 31, (2, 9))
    logits = to_numpy(model(ids))
    np.testing.assert_allclose(to_numpy(again(ids)), logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_transformers_loads_it(name, tmp_path):
    pytest.importorskip("transformers", minversion="5")
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForCausalLM

    model = make(CASES[name][0])
    family = save_pretrained(model, tmp_path / "model")
    ids = np.random.default_rng(0).integers(0, 31, (2, 9))
    theirs, problems = AutoModelForCausalLM.from_pretrained(
        tmp_path / "model", **published.implementation(family), output_loading_info=True
    )
    assert not any(problems.values()), problems
    with torch.no_grad():
        found = theirs.eval()(torch.from_numpy(ids)).logits.numpy()
    np.testing.assert_allclose(found, to_numpy(model(ids)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "options, words",
    [
        (
            {"hidden_dim": 12, "norm": "layer"},
            ["The nearest is 'llama'", "norm: 'layer' in the model, 'rms' there"],
        ),
        (
            {"hidden_dim": 12, "norm_placement": "post"},
            ["The nearest is 'llama'", "norm_placement: 'post' in the model, 'pre' there"],
        ),
        ({"hidden_dim": 12, "gated": False}, ["gated: False in the model"]),
        (GLU | {"router": {"type": "top_k", "k": 1}}, ["k=1, normalize=None", "Block 0"]),
        (GLU | {"router": {"type": "threshold"}}, ["ThresholdRouter, not TopKRouter"]),
        (GLU | {"router": {"type": "expert_choice"}}, ["ExpertChoiceRouter"]),
        (GLU | K2 | {"eval_capacity_factor": 2.0}, ["eval_capacity_factor=2.0"]),
        (
            {"experts": {"type": "mlp", "num_experts": 4, "hidden_dim": 6}} | K2,
            ["MLPExperts, not GLUExperts"],
        ),
        (
            GLU | K2 | {"shared_expert": {"hidden_dim": 5}, "attention": {"qk_norm": "all"}},
            ["The nearest is 'olmoe'", "shared_dim: 5 in the model, None there"],
        ),
        ({"hidden_dim": 12, "activation": "mish"}, ["'mish'"]),
        (  # With all its biases, gpt-oss is near, but for a limit that it cannot be without.
            {"experts": GLU["experts"] | {"use_bias": True}}
            | K2
            | {"attention": {"qkv_bias": True, "output_bias": True}},
            ["expert_bias: True in the model, False there"],
        ),
    ],
)
def test_the_option_that_no_family_has_is_named(options, words, tmp_path):
    model = make(options)
    with pytest.raises(ValueError) as caught:
        save_pretrained(model, tmp_path / "model")
    for word in words:
        assert word in str(caught.value)
    assert not (tmp_path / "model").exists()


def test_a_family_by_name(tmp_path):
    model = make(GLU | K2)
    assert save_pretrained(model, tmp_path / "granite", family="granitemoe") == "granitemoe"
    with pytest.raises(ValueError, match="The family 'qwen3_moe' does not .*qk_norm: None in"):
        save_pretrained(model, tmp_path / "qwen", family="qwen3_moe")
    with pytest.raises(ValueError, match="The family 'llama' does not .*experts: yes"):
        save_pretrained(model, tmp_path / "llama", family="llama")
    with pytest.raises(ValueError, match=r"no family 'mixtrall'\. Did you mean 'mixtral'"):
        save_pretrained(model, tmp_path / "m", family="mixtrall")
    with pytest.raises(ValueError, match="holds a model already: 'model.safetensors'"):
        save_pretrained(model, tmp_path / "granite")
    with pytest.raises(ValueError, match="`dtype` must be one of"):
        save_pretrained(model, tmp_path / "d", dtype="int8")
    for size in ("5GB", 0, None):
        with pytest.raises(ValueError, match="`max_shard_size` must be a positive integer"):
            save_pretrained(model, tmp_path / "shards", max_shard_size=size)
    assert not (tmp_path / "shards").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="/file' is a file"):
        save_pretrained(model, tmp_path / "file")
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / INDEX).write_text("{}")
    with pytest.raises(ValueError, match="holds a model already"):
        save_pretrained(model, tmp_path / "index")
    with pytest.raises(ValueError, match="Expected a language model.*Sequential"):
        import keras

        save_pretrained(keras.Sequential(), tmp_path / "s")


def test_another_family_keeps_the_ids_of_special_tokens(tmp_path):
    model = load_pretrained(published.FOLDER / "gpt_oss")
    model.checkpoint = model.checkpoint | {
        "config": model.checkpoint["config"] | {"model_type": "else", "eos_token_id": 7}
    }
    assert save_pretrained(model, tmp_path) == "gpt_oss"
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["eos_token_id"], config["bos_token_id"]) == (7, None)
    assert config["dtype"] == "bfloat16"


def test_quantized_weights_are_refused(tmp_path):
    model = make({"hidden_dim": 12})
    model.blocks[0].feed_forward.up.quantize("int8")
    with pytest.raises(ValueError, match="those of 'up' are quantized"):
        save_pretrained(model, tmp_path / "model")


def test_a_merged_lora(tmp_path):
    model = make({"hidden_dim": 12})
    layer = model.blocks[0].attention.query
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(np.ones(layer.lora_kernel_b.shape))
    merged = to_numpy(layer.kernel).T
    merge_lora(model)
    save_pretrained(model, tmp_path)
    saved = tensors_of(tmp_path)["model.layers.0.self_attn.q_proj.weight"].read()
    np.testing.assert_allclose(saved, merged, rtol=1e-6)


def test_the_tokenizer_goes_along(tmp_path):
    tokenizer = Tokenizer.train(["to be or not to be"] * 10, 270)
    core = make({"hidden_dim": 12, "vocabulary_size": 270, "context_length": 30})
    model = TextGenerator(core, LanguagePreprocessor(tokenizer, 30))
    save_pretrained(model, tmp_path / "model")
    again = load_pretrained(tmp_path / "model")
    assert isinstance(again, TextGenerator)
    assert again.preprocessor.tokenizer.end_of_text == tokenizer.end_of_text
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["eos_token_id"] == tokenizer.end_id == config["bos_token_id"]
    ids = tokenizer.encode("to be")
    logits = again.predict(np.array([ids]), verbose=0)
    np.testing.assert_allclose(logits, to_numpy(core(np.array([ids]))), rtol=1e-5, atol=1e-5)
    text = again.generate("to be", max_new_tokens=4)
    assert isinstance(text, str)
    assert isinstance(load_pretrained(tmp_path / "model", tokenizer=False), type(core))
