"""Each family: the logits and texts of transformers, and the same files again.

The checkpoints and what transformers computes of them are checked in; see `support/published.py`.
"""

import json
import shutil
import tracemalloc

import numpy as np
import pytest

from sparse_keras import load_pretrained, save_pretrained
from sparse_keras.models import causal_lm
from sparse_keras.models.text.checkpoints.families import FAMILIES
from sparse_keras.models.text.checkpoints.safetensors_files import INDEX, tensors_of
from tests.support import published
from tests.support.gradients import to_numpy
from tests.support.quick import slow_but_for

# Attention with and without latents, routers of both kinds, and no experts.
QUICK_TEXTS = ("mixtral", "deepseek_v3", "gpt2")

DECODERS = [name for name in FAMILIES if name not in published.ENCODERS]


def expected(name):
    return np.load(published.FOLDER / name / "expected.npz")


def check_same_tensors(first, second):
    first, second = tensors_of(first), tensors_of(second)
    assert set(first) == set(second)
    for key, tensor in first.items():
        assert (tensor.dtype, tensor.shape) == (second[key].dtype, second[key].shape)
        assert tensor.read().tobytes() == second[key].read().tobytes(), key


def test_every_family_has_a_checkpoint():
    assert set(published.CASES) == set(FAMILIES)
    assert {path.name for path in published.FOLDER.iterdir()} == set(FAMILIES)


@pytest.mark.parametrize("name", slow_but_for(QUICK_TEXTS, DECODERS))
def test_texts_are_those_of_transformers(name):
    model, case = load_pretrained(published.FOLDER / name), expected(name)
    prompts = case["ids"][:, : published.PROMPT].tolist()
    found = model.generate(prompts, max_new_tokens=case["texts"].shape[1])
    np.testing.assert_array_equal(found, case["texts"])


@pytest.mark.parametrize("name", DECODERS)
def test_logits_and_files_are_those_of_transformers(name, tmp_path):
    model, case = load_pretrained(published.FOLDER / name), expected(name)
    assert np.abs(case["logits"]).mean() > 0.2
    np.testing.assert_allclose(to_numpy(model(case["ids"])), case["logits"], rtol=1e-5, atol=1e-5)
    assert save_pretrained(model, tmp_path / "again") == name
    check_same_tensors(published.FOLDER / name, tmp_path / "again")
    theirs = json.loads((published.FOLDER / name / "config.json").read_text())
    again = json.loads((tmp_path / "again" / "config.json").read_text())
    assert FAMILIES[name].read(again, "") == FAMILIES[name].read(theirs, "")
    for key in ("eos_token_id", "bos_token_id", "pad_token_id", "dtype", "architectures"):
        assert again[key] == theirs[key]


def test_shards(tmp_path):
    """The same tensors in several files, as few as fit, and an index."""
    model = load_pretrained(published.FOLDER / "mixtral")
    save_pretrained(model, tmp_path, max_shard_size=8000)
    files = sorted(path.name for path in tmp_path.glob("*.safetensors"))
    assert len(files) > 2 and files[0] == f"model-00001-of-{len(files):05}.safetensors"
    index = json.loads((tmp_path / INDEX).read_text())
    tensors = tensors_of(published.FOLDER / "mixtral")
    assert index["metadata"]["total_size"] == sum(tensor.size for tensor in tensors.values())
    assert set(index["weight_map"]) == set(tensors)
    assert all((tmp_path / name).stat().st_size < 11_000 for name in files)
    check_same_tensors(published.FOLDER / "mixtral", tmp_path)
    again = load_pretrained(tmp_path)
    for first, second in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(to_numpy(first), to_numpy(second))


def test_a_single_file_and_another_dtype(tmp_path):
    path = published.FOLDER / "qwen3_moe" / "model.safetensors"
    model = load_pretrained(path, dtype="bfloat16")
    assert model.token_embedding.embeddings.dtype == "bfloat16"
    # Routers compute in float32.
    assert model.blocks[1].feed_forward.router.kernel.dtype == "float32"
    save_pretrained(model, tmp_path / "same")
    check_same_tensors(path, tmp_path / "same")
    save_pretrained(model, tmp_path / "wider", dtype="float32")
    wider = tensors_of(tmp_path / "wider")
    assert {tensor.dtype.name for tensor in wider.values()} == {"float32"}


def test_what_is_saved_by_keras_is_saved_as_published(tmp_path):
    """A `.keras` file holds what the checkpoint says beside weights and options."""
    import keras

    model = load_pretrained(published.FOLDER / "gpt_oss")
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.checkpoint == model.checkpoint
    save_pretrained(again, tmp_path / "again")
    check_same_tensors(published.FOLDER / "gpt_oss", tmp_path / "again")


def test_initializers_are_the_usual_ones():
    """Although the weights of a model that is loaded are first zeros."""
    model = load_pretrained(published.FOLDER / "deepseek_v3")
    assert "Zeros" not in json.dumps(
        [
            value
            for layer in model._flatten_layers()
            for key, value in layer.get_config().items()
            if key in ("kernel_initializer", "embeddings_initializer")
        ]
    )


@pytest.mark.parametrize("name", DECODERS)
def test_transformers_itself(name, tmp_path):
    """What is checked in is what transformers computes, and it loads what we write."""
    pytest.importorskip("transformers", minversion="5")
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForCausalLM

    case = expected(name)
    save_pretrained(load_pretrained(published.FOLDER / name), tmp_path / "ours")
    shutil.copytree(published.FOLDER / name, tmp_path / "theirs")
    for folder in ("theirs", "ours"):
        model, problems = AutoModelForCausalLM.from_pretrained(
            tmp_path / folder,
            **published.implementation(name),
            dtype=torch.float32,
            output_loading_info=True,
        )
        assert not any(problems.values()), problems
        found = published.expected(model.eval())
        np.testing.assert_array_equal(found["ids"], case["ids"])
        np.testing.assert_allclose(found["logits"], case["logits"], rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(found["texts"], case["texts"])


def test_memory(tmp_path):
    """NumPy holds no more than the weights, which the backend takes over, and one tensor."""
    experts = {"type": "glu", "num_experts": 16, "hidden_dim": 128}
    options = {"width": 64, "depth": 6, "num_heads": 4, "vocabulary_size": 2000}
    save_pretrained(causal_lm(experts=experts, **options), tmp_path)
    tracemalloc.start()
    try:
        model = load_pretrained(tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    sizes = [4 * np.prod(weight.shape) for weight in model.weights]
    # Layers and plans, objects of Python, are less than 3 MB.
    assert peak < sum(sizes) + max(sizes) + 3e6 < 1.5 * sum(sizes)
