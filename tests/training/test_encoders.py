"""A config that trains a published encoder as a classifier of texts, dense or upcycled."""

import json
import os
import shutil

import keras
import numpy as np
import pytest
import tokenizers

import sparse_keras
from sparse_keras.data import Tokenizer
from sparse_keras.evaluation.standard_contenders import contenders_of
from sparse_keras.inspection.text.characters import characters
from sparse_keras.layers import FeedForward, MixtureOfExperts
from sparse_keras.models import TextEncoder
from sparse_keras.tuning import roles_of
from tests.support import published

CONFIG = """
version: 1
data: {type: labelled_texts, path: texts.tsv, tokenizer: bert, max_length: 12}
model:
  type: text_classifier
  checkpoint: bert
  dropout: 0.1
  head_dropout: 0.1
  upcycle:
    {num_experts: 4, layers: [-1], split: 2, router: {type: top_k, balance_loss: 0.01}}
optimizer: {type: adamw, learning_rate: 0.01}
training: {epochs: null, steps: 4, batch_size: 4, checkpoint_every: {steps: 1}}
"""
SPECIAL = ("[CLS]", "[SEP]", "[UNK]", "[PAD]")  # The id of padding is 3, as in the checkpoint.
WORDS = ["good", "bad", "very", "##ly", "it", "is", "!", *"abcdefgh"]


def write_tokenizer(path):
    """A WordPiece tokenizer with the template of BERT."""
    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = tokenizers.normalizers.BertNormalizer()
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    made.decoder = tokenizers.decoders.WordPiece()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 1)]
    )
    made.add_special_tokens(list(SPECIAL))
    made.save(str(path))


def write_texts(path, classes=("no", "yes")):
    rows = [f"it is {('bad', 'goodly')[n % 2]} {'very ' * (n % 5)}!" for n in range(60)]
    lines = [f"{text}\t{classes[n % 2]}" for n, text in enumerate(rows)]
    path.write_text("\n".join(["text\tlabel", *lines]) + "\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoders")
    shutil.copytree(published.FOLDER / "bert", folder / "bert")
    write_tokenizer(folder / "bert" / "tokenizer.json")
    write_texts(folder / "texts.tsv")
    write_texts(folder / "others.tsv", ("ham", "spam"))
    (folder / "sparse.yaml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSE_KERAS_HOME", str(folder / "home"))
        patch.chdir(folder)
        yield folder


pytestmark = pytest.mark.usefixtures("eager_module")


def config_of(*overrides):
    return sparse_keras.load_config("sparse.yaml", list(overrides))


def build(*overrides):
    return sparse_keras.build_model(config_of(*overrides))


class Kill(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == 3:
            raise RuntimeError("killed")


@pytest.fixture(scope="module")
def run(folder, eager_module):
    return sparse_keras.train(config_of(), output=folder / "runs", verbose=0)


def encoder_of(model):
    return next(one for one in model._flatten_layers() if isinstance(one, TextEncoder))


INPUTS = {
    "token_ids": np.array([[0, 4, 7, 1, 3], [0, 6, 1, 3, 3]]),
    "mask": np.array([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]], "bool"),
}


def outputs(model):
    return keras.ops.convert_to_numpy(model(INPUTS, training=False))


def test_tokens_are_those_of_the_checkpoint(folder):
    data = sparse_keras.load_data(config_of())
    assert data.preprocessor.begin_ids == [0] and data.preprocessor.final_ids == [1]
    encoder = sparse_keras.load_pretrained("bert")
    texts = ["It is goodly!", ""]
    found = data.preprocessor.encode(texts)
    ids = encoder.tokenize(texts)
    assert ids.tolist() == [[0, 8, 9, 4, 7, 10, 1], [0, 1, 3, 3, 3, 3, 3]]
    assert found["mask"].sum(axis=1).tolist() == [7, 2]
    np.testing.assert_array_equal(found["token_ids"][found["mask"]], ids[ids != 3])
    assert data.inputs.length == 14 and data.inputs.added == 2
    assert encoder.tokenize("it is bad", max_length=4).tolist() == [[0, 8, 9, 1]]
    for length, words in ((2, "more than 2"), (41, "at most 40, the context")):
        with pytest.raises(ValueError, match=words):
            encoder.tokenize("it", max_length=length)
    shown = "".join(text for *_, text in characters(ids[0].tolist(), encoder.tokenizer))
    assert shown == "[CLS] it is goodly ![SEP]"
    encoder.tokenizer = None
    with pytest.raises(ValueError, match="needs a `tokenizer`"):
        encoder.tokenize("it")


def test_it_starts_as_the_encoder(folder):
    dense = build("model.upcycle=null")
    sparse = build()
    first, second = (block.feed_forward for block in encoder_of(sparse).blocks)
    assert isinstance(first, FeedForward) and isinstance(second, MixtureOfExperts)
    assert (second.experts.num_experts, second.experts.hidden_dim, second.k) == (4, 10, 2)
    encoder = sparse_keras.load_pretrained("bert")
    hidden = keras.ops.convert_to_numpy(encoder(INPUTS))
    mask = INPUTS["mask"][..., None]
    means = (hidden * mask).sum(axis=1) / mask.sum(axis=1)
    for model in (dense, sparse):
        inner = keras.Model(model.inputs, model.get_layer("head_dropout").output)
        found = keras.ops.convert_to_numpy(inner(list(map(INPUTS.get, ("mask", "token_ids")))))
        np.testing.assert_allclose(found, means, atol=1e-5)
        assert encoder_of(model).dropout == 0.1 and model.get_layer("head_dropout").rate == 0.1
        assert encoder_of(model).tokenizer is None


def test_it_resumes_and_is_loaded(folder, run, tmp_path):
    config = config_of()
    data = sparse_keras.load_data(config)
    with pytest.raises(RuntimeError, match="killed"):
        sparse_keras.train(config, data, output=tmp_path / "part", callbacks=[Kill()], verbose=0)
    (part,) = (tmp_path / "part" / "sparse").iterdir()
    resumed = sparse_keras.train(config, data, resume=part, verbose=0)
    loaded = sparse_keras.load_model(run.path)
    for model in (resumed.model, loaded):
        for one, other in zip(run.model.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    assert loaded.predict(["it is very bad"], verbose=0).shape == (1, 1)
    # The pooler takes no part.
    before = sparse_keras.load_pretrained("bert").pooler.get_weights()
    assert encoder_of(loaded).pooler_frozen
    for one, other in zip(before, encoder_of(loaded).pooler.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    # What was trained leaves as a published encoder, if it is dense.
    dense = build("model.upcycle=null")
    dense.train_on_batch(*data.train[0])
    encoder = encoder_of(dense)
    assert sparse_keras.save_pretrained(encoder, tmp_path / "tuned") == "bert"
    again = sparse_keras.load_pretrained(tmp_path / "tuned")
    np.testing.assert_array_equal(outputs(again), outputs(encoder))


def test_the_pooler(folder):
    model = build("model.pooling=pooler", "model.upcycle=null")
    assert not encoder_of(model).pooler_frozen
    encoder = sparse_keras.load_pretrained("bert")
    inner = keras.Model(model.inputs, model.get_layer("head_dropout").output)
    found = inner(list(map(INPUTS.get, ("mask", "token_ids"))))
    np.testing.assert_allclose(found, encoder(INPUTS, pooled=True), atol=1e-6)
    weights = {id(one) for one in model.trainable_weights}
    assert all(id(one) in weights for one in encoder_of(model).pooler.weights)


@pytest.mark.parametrize(
    "override, trained",
    [
        ("training.train_only=[head, experts, router]", {"head", "experts", "router"}),
        (
            "training.freeze=[embeddings, attention, feed_forward, normalization]",
            {"head", "experts", "router"},
        ),
        (
            "training.lora={rank: 2, roles: [attention, experts]}",
            {"attention", "experts"},
        ),
    ],
)
def test_parts_of_it_train(folder, tmp_path, override, trained):
    config = config_of(override, "training.steps=2")
    model = sparse_keras.train(config, output=tmp_path, verbose=0).model
    found = {
        role
        for role, parts in roles_of(model.core).items()
        if any(variable.trainable for part in parts for variable in part.layer.trainable_variables)
    }
    assert found == trained


@pytest.mark.parametrize(
    "override, words",
    [
        ("model.checkpoint=null", "model.upcycle: needs checkpoint"),
        ("model.depth=3", "depth.*has no effect: the checkpoint says it"),
        ("model.word_dropout=0.1", "word_dropout.*has no effect: the checkpoint says it"),
        ("data.tokenizer=null", "model.checkpoint.*needs data.tokenizer"),
        (
            "model={checkpoint: null, upcycle: null, pooling: pooler, hidden_dim: 8}",
            "'pooler' needs checkpoint",
        ),
    ],
)
def test_mistakes_in_a_config(folder, override, words):
    with pytest.raises(ValueError, match=words):
        config_of(override)


def test_what_cannot_be_trained(folder):
    for name in ("llama", "bert"):
        if not (folder / f"other_{name}").exists():
            shutil.copytree(published.FOLDER / name, folder / f"other_{name}")
    config = json.loads((folder / "other_bert" / "config.json").read_text())
    for override, words in (
        ("data.max_length=39", "is 40 tokens. Received: texts of 41 tokens.*at most 38"),
        ("model.checkpoint=other_llama", "must be an encoder.*choose model.type causal_lm"),
        ("model.upcycle.layers=[2]", "model.upcycle, of .*2 dense feed-forward layers"),
        ("model.checkpoint=nothing", "no file or folder"),
    ):
        with pytest.raises(ValueError, match=words):
            build(override)
    (folder / "other_bert" / "config.json").write_text(json.dumps(config | {"vocab_size": 9}))
    with pytest.raises(ValueError, match="other_bert"):
        build("model.checkpoint=other_bert")
    (folder / "corpus.txt").write_text("it is good !\n" * 100)
    corpus = "{type: text_files, path: corpus.txt, tokenizer: bert, context_length: 8}"
    (folder / "causal.yaml").write_text(
        f"version: 1\ndata: {corpus}\nmodel: {{type: causal_lm, checkpoint: bert}}\n"
    )
    from sparse_keras.data import TextInputs
    from sparse_keras.models.text.checkpoints import load_for_training

    with pytest.raises(ValueError, match="is an encoder: choose model.type text_classifier"):
        load_for_training("bert", TextInputs(10, 8))


def test_a_trained_classifier_is_a_checkpoint(folder, run):
    (folder / "plain.yaml").write_text(
        f"extends: sparse.yaml\ndata: {{tokenizer: {run.path}}}\nmodel: {{checkpoint: {run.path}, "
        "upcycle: null, dropout: 0.0, head_dropout: 0.0}\n"
    )

    def build(*overrides):
        return sparse_keras.build_model(sparse_keras.load_config("plain.yaml", list(overrides)))

    model = build()
    np.testing.assert_array_equal(outputs(model), outputs(run.model.core))
    assert encoder_of(model).pooler_frozen
    for overrides, words in (
        (("model.dropout=0.1",), "model.dropout has no effect: the trained model"),
        (("model.head_dropout=0.1",), "model.head_dropout has no effect"),
        (("model.pooling=max",), "model.pooling has no effect"),
        (("data.path=others.tsv",), "predicts 'no', 'yes'. Received: .*'ham', 'spam'"),
        (("data.max_length=13",), "up to 12 tokens. Set data.max_length to at most 12"),
    ):
        with pytest.raises(ValueError, match=words):
            build(*overrides)
    # One that was dense is made sparse.
    fine = build("model.upcycle={num_experts: 2, layers: [block_0]}")
    np.testing.assert_allclose(outputs(fine), outputs(run.model.core), atol=1e-5)


def test_a_keras_file_of_an_encoder_is_a_checkpoint(folder):
    encoder = sparse_keras.load_pretrained("bert")
    encoder.save(folder / "encoder.keras")
    assert Tokenizer.load(folder / "encoder.keras").begin_ids == (0,)
    model = build(
        *("model.checkpoint=encoder.keras", "data.tokenizer=encoder.keras", "model.pooling=max"),
        *("model.upcycle=null", "model.dropout=0.0"),
    )
    np.testing.assert_array_equal(outputs(encoder_of(model)), outputs(encoder))


def test_its_dense_twin_is_the_checkpoint(folder):
    config = config_of()
    twin = sparse_keras.dense_twin(config)
    assert twin.model.kwargs() == {
        "checkpoint": str(folder / "bert"),
        "pooling": "mean",
        "dropout": 0.1,
        "head_dropout": 0.1,
    }
    moe, before, *_ = contenders_of(config)
    assert before.name == "before_upcycling"
    assert before.make(config, None, None).model == twin.model


def test_names_of_published_checkpoints(folder):
    name = "all_minilm_l6_v2"
    config = config_of(f"model.checkpoint={name}", f"data.tokenizer={name}")
    assert config.model.checkpoint == config.data.tokenizer == name
    assert not any("checkpoint" in key or "tokenizer" in key for key in config.files())
    assert config.missing_files() == {}
    assert f"checkpoint: {name}" in config.to_yaml(folder)
    os.mkdir(folder / name)  # What is there is what is meant.
    try:
        assert config_of(f"model.checkpoint={name}").model.checkpoint == str(folder / name)
    finally:
        os.rmdir(folder / name)
