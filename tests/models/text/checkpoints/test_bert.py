"""BERT: the hidden states of transformers with padded batches, and the same files again."""

import json
import shutil

import keras
import numpy as np
import pytest

import sparse_keras
from sparse_keras import load_pretrained, save_pretrained
from sparse_keras.data import Tokenizer
from sparse_keras.models import TextEncoder, text_encoder
from sparse_keras.models.text.checkpoints import load
from tests.models.text.checkpoints.test_families import check_same_tensors, expected
from tests.models.text.checkpoints.test_layouts import rewritten, tensors
from tests.models.text.checkpoints.test_options import changed
from tests.support import published
from tests.support.gradients import to_numpy

FOLDER = published.FOLDER / "bert"
KEY = load.POSITIONS


def check_outputs(model, case):
    mask = case["mask"]
    for inputs, name in (
        (case["ids"], ""),
        ({"token_ids": case["ids"], "token_type_ids": case["types"]}, "typed_"),
    ):
        hidden = to_numpy(model(inputs))
        theirs = case[f"{name}hidden"]
        np.testing.assert_allclose(hidden[mask], theirs[mask], rtol=1e-5, atol=1e-5)
        if model.pooler is not None:
            vectors = to_numpy(model(inputs, pooled=True))
            np.testing.assert_allclose(vectors, case[f"{name}pooled"], rtol=1e-5, atol=1e-5)


def test_hidden_states_are_those_of_transformers(tmp_path):
    model, case = load_pretrained(FOLDER), expected("bert")
    assert isinstance(model, TextEncoder) and model.padding_id == 3
    assert np.abs(case["hidden"]).mean() > 0.2 and np.abs(case["pooled"]).mean() > 0.2
    assert np.abs(case["hidden"] - case["typed_hidden"]).max() > 0.1
    check_outputs(model, case)

    assert save_pretrained(model, tmp_path / "again") == "bert"
    check_same_tensors(FOLDER, tmp_path / "again")
    theirs = json.loads((FOLDER / "config.json").read_text())
    again = json.loads((tmp_path / "again" / "config.json").read_text())
    del theirs["transformers_version"]
    assert {key: again.get(key) for key in theirs} == theirs


def test_a_mask_beside_the_padding():
    """What a mask leaves out is as if it were not there, wherever it is."""
    model, case = load_pretrained(FOLDER), expected("bert")
    ids, shown = case["ids"][:1], np.arange(18)[None] < 7
    short = to_numpy(model(ids[:, :7]))
    whole = to_numpy(model({"token_ids": ids, "mask": shown}))
    np.testing.assert_allclose(whole[:, :7], short, atol=1e-5)
    moved = np.concatenate([ids[:, 7:9], ids[:, :7]], axis=1)
    left = {"token_ids": moved, "mask": np.arange(9)[None] >= 2}
    np.testing.assert_allclose(to_numpy(model(left))[:, 2:], short, atol=1e-5)


def test_the_mean_over_the_tokens_of_a_text():
    encoder, case = load_pretrained(FOLDER), expected("bert")
    embedder = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            encoder,
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.UnitNormalization(),
        ]
    )
    mask = case["mask"][..., None]
    means = (case["hidden"] * mask).sum(axis=1) / mask.sum(axis=1)
    means /= np.linalg.norm(means, axis=-1, keepdims=True)
    np.testing.assert_allclose(embedder.predict(case["ids"], verbose=0), means, atol=1e-5)


def test_the_buffer_of_positions_comes_back(tmp_path):
    positions = np.arange(40)[None]
    theirs = rewritten("bert", tmp_path / "theirs", tensors("bert") | {KEY: positions})
    model = load_pretrained(theirs)
    check_outputs(model, expected("bert"))
    save_pretrained(model, tmp_path / "ours")
    check_same_tensors(theirs, tmp_path / "ours")
    for wrong in (positions[:, ::-1], positions[:, :30]):
        shutil.rmtree(theirs)
        rewritten("bert", theirs, tensors("bert") | {KEY: np.ascontiguousarray(wrong)})
        with pytest.raises(ValueError, match="'embeddings.position_ids'.*is not 0, 1, 2"):
            load_pretrained(theirs)


def test_files_with_a_head(tmp_path):
    """The keys have a prefix; those of the head are named, and left out."""
    heads = {
        "cls.predictions.bias": np.zeros(53, "float32"),
        "cls.predictions.transform.dense.weight": np.zeros((16, 16), "float32"),
    }
    given = {f"bert.{key}": value for key, value in tensors("bert").items()}
    folder = rewritten("bert", tmp_path / "head", given | heads)
    with pytest.warns(UserWarning, match=r"hold 'cls\.predictions\.bias', 'cls\..*: a head on"):
        model = load_pretrained(folder)
    check_outputs(model, expected("bert"))
    save_pretrained(model, tmp_path / "encoder")
    check_same_tensors(FOLDER, tmp_path / "encoder")

    shutil.rmtree(folder)
    rewritten("bert", folder, given | heads | {"bert.crystal.weight": np.zeros(3, "float32")})
    with pytest.raises(ValueError, match=r"The files hold 'crystal\.weight', which"):
        load_pretrained(folder)


def test_without_a_pooler(tmp_path):
    given = {key: value for key, value in tensors("bert").items() if "pooler" not in key}
    model = load_pretrained(rewritten("bert", tmp_path / "none", given))
    check_outputs(model, expected("bert"))
    with pytest.raises(ValueError, match="has no pooler"):
        model(expected("bert")["ids"], pooled=True)
    save_pretrained(model, tmp_path / "again")
    check_same_tensors(tmp_path / "none", tmp_path / "again")
    half = {key: value for key, value in tensors("bert").items() if key != "pooler.dense.bias"}
    with pytest.raises(ValueError, match=r"do not hold 'pooler\.dense\.bias'"):
        load_pretrained(rewritten("bert", tmp_path / "half", half))


def test_the_names_of_the_first_files(tmp_path):
    def first(key):
        for ours, theirs in (("weight", "gamma"), ("bias", "beta")):
            key = key.replace(f"LayerNorm.{ours}", f"LayerNorm.{theirs}")
        return key

    given = {first(key): value for key, value in tensors("bert").items()}
    assert "embeddings.LayerNorm.gamma" in given
    check_outputs(load_pretrained(rewritten("bert", tmp_path / "old", given)), expected("bert"))


@pytest.mark.parametrize(
    "key, value, words",
    [
        ("pad_token_id", 53, "pad_token_id=53, which is no id"),
        ("pad_token_id", "0", "pad_token_id='0'"),
        ("hidden_act", "silly", "hidden_act='silly'; only 'gelu'"),
        ("rope_theta", 10.0, "rope_theta.*does not know"),
        ("num_attention_heads", 17, "more heads than the 16 units"),
        ("hidden_size", 20, r"'embeddings\.word_embeddings\.weight'.*\(53, 16\).*\(53, 20\)"),
    ],
)
def test_wrong_configs(key, value, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        load_pretrained(changed("bert", tmp_path / "changed", (key, value)))


def test_keras_files_hold_the_checkpoint_and_the_tokenizer(tmp_path):
    model, case = load_pretrained(FOLDER), expected("bert")
    model.tokenizer = Tokenizer.train(["to be"], 260)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    check_outputs(again, case)
    assert again.tokenizer.get_config() == model.tokenizer.get_config()
    again.tokenizer = None
    save_pretrained(again, tmp_path / "again")
    check_same_tensors(FOLDER, tmp_path / "again")


def test_upcycled_it_computes_the_same():
    dense, case = load_pretrained(FOLDER), expected("bert")
    for options in (
        {"num_experts": 4},
        {"num_experts": 8, "split": 2, "layers": [-1], "router": {"type": "top_k", "k": 2}},
    ):
        sparse = sparse_keras.upcycle(dense, **options, seed=1)
        assert isinstance(sparse.blocks[1].feed_forward, sparse_keras.layers.MixtureOfExperts)
        check_outputs(sparse, case)
    assert sparse.blocks[1].feed_forward.experts.hidden_dim == 10
    with pytest.raises(ValueError, match="MLPExperts"):
        save_pretrained(sparse, "nowhere")


def test_encoders_of_our_own(tmp_path):
    """One with the options of BERT is written as BERT, any other is not."""
    bert = {"vocabulary_size": 31, "depth": 2, "width": 16, "num_heads": 4, "hidden_dim": 12}
    bert |= {"activation": "gelu", "gated": False, "use_bias": True, "norm": "layer"}
    bert |= {"norm_placement": "post", "rotary": False, "learned_positions": True}
    bert |= {"context_length": 20, "token_types": 2, "embedding_norm": True}
    model = text_encoder(**bert)
    ids = np.random.default_rng(0).integers(0, 31, (2, 9))
    assert save_pretrained(model, tmp_path / "bert") == "bert"
    again = load_pretrained(tmp_path / "bert")
    np.testing.assert_allclose(to_numpy(again(ids)), to_numpy(model(ids)), atol=1e-6)
    for change, words in (
        ({"norm_placement": "pre"}, "norm_placement: 'pre' in the model, 'post' there"),
        ({"embedding_norm": False}, "embedding_norm: False in the model, True there"),
        ({"token_types": None}, "type_vocab_size"),
        ({"use_bias": False}, "use_bias: False in the model"),
    ):
        with pytest.raises(ValueError, match=words):
            save_pretrained(text_encoder(**bert | change), tmp_path / "other")
    with pytest.raises(ValueError, match="The family 'llama' .*a decoder: no in the model, yes"):
        save_pretrained(model, tmp_path / "llama", family="llama")


def test_transformers_itself(tmp_path):
    """What is checked in is what transformers computes, and it loads what we write."""
    pytest.importorskip("transformers", minversion="5")
    torch = pytest.importorskip("torch")

    case = expected("bert")
    save_pretrained(load_pretrained(FOLDER), tmp_path / "ours")
    for folder in (FOLDER, tmp_path / "ours"):
        model, problems = published.auto_class("bert").from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True
        )
        assert not any(problems.values()), problems
        found = published.expected_of_encoder(model.eval())
        for name, value in found.items():
            np.testing.assert_allclose(value, case[name], rtol=1e-5, atol=1e-5)
