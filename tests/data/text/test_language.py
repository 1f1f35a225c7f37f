"""A corpus on its way to a language model: parts, token files, and what is shown."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import sparse_keras
from sparse_keras._internal import builders
from sparse_keras.data.text import token_files
from sparse_keras.data.text.corpus import Corpus
from sparse_keras.data.text.splits import TextSplit

TEXTS = [f"document {n}: {'to be or not to be ' * (n % 3 + 1)}那西北 {n * n}" for n in range(150)]
DEFAULTS = {
    "type": "fake_corpus",
    "tokenizer": None,
    "vocabulary_size": 300,
    "validation_fraction": 0.2,
    "test_fraction": 0.2,
    "held_out": None,
    "split_seed": 0,
    "context_length": 16,
    "separate_documents": True,
}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSE_KERAS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def load(texts=TEXTS, digest="1", held_out=None, **options):
    corpus = Corpus("fake", lambda: iter(texts), digest, held_out, lambda: ["2 left out"])
    builders.add("data", "fake_corpus", lambda section: corpus)
    return sparse_keras.data.load_corpus(
        SimpleNamespace(**{**DEFAULTS, **options}), batch_size=4, seed=0
    )


def documents(data, part):
    return list(sparse_keras.data.text.language.Documents(data.files.parts[part], data.tokenizer))


def test_each_document_is_in_one_part_as_it_was():
    data = load()
    assert isinstance(data, sparse_keras.data.Dataset)
    parts = [text for part in data.files.parts for text in documents(data, part)]
    assert sorted(parts) == sorted(TEXTS)
    assert data.raw_test[-1] == documents(data, "test")[-1]
    assert data.raw_test[:2] == documents(data, "test")[:2]
    assert 10 < len(data.raw_test) < 60


def test_the_tokenizer_is_trained_on_training_texts_alone():
    rare = ["qqqqzzzz " * 30 if n % 2 else text for n, text in enumerate(TEXTS)]
    data = load(rare)
    train = documents(data, "train")
    expected = sparse_keras.data.Tokenizer.train(train, 300)
    assert data.tokenizer.content == expected.content


def test_endings():
    data = load(TEXTS[:3], held_out="endings")
    for part in data.files.parts:
        assert data.files.documents[part] == 3
    joined = [
        "".join(texts)
        for texts in zip(*(documents(data, p) for p in data.files.parts), strict=True)
    ]
    assert joined == TEXTS[:3]
    lines = TextSplit("endings", 0.2, 0.2, 0)(["a\n" * 100])
    assert [(part, len(text), text[0]) for part, text in lines] == [
        ("train", 120, "a"),
        ("validation", 40, "a"),
        ("test", 40, "a"),
    ]
    assert load(TEXTS[:99]).split.by == "endings"
    assert load(TEXTS[:100], digest="2").split.by == "documents"


def test_tokens_are_made_once(monkeypatch):
    data = load()
    calls = []
    monkeypatch.setattr(token_files, "_write", lambda *args: calls.append(args))
    again = load()
    assert not calls
    assert again.digest() == data.digest()
    np.testing.assert_array_equal(again.train[0][1], data.train[0][1])
    for change in ({"digest": "2"}, {"split_seed": 1}, {"vocabulary_size": 299}):
        with pytest.raises(FileNotFoundError):  # Nothing was written for it.
            load(**change)
    assert len(calls) == 3


def test_the_digest_says_what_training_depends_on():
    digests = {
        load(**change).digest()
        for change in (
            {},
            {"split_seed": 1},
            {"vocabulary_size": 299},
            {"context_length": 15},
            {"separate_documents": False},
        )
    }
    assert len(digests) == 5


def test_a_given_tokenizer(tmp_path):
    file = tmp_path / "tokenizer.json"
    sparse_keras.data.Tokenizer.train(["other texts"] * 3, 280).save(file)
    data = load(tokenizer=str(file))
    assert data.tokenizer.content == file.read_text()
    assert sorted(documents(data, "test")) == sorted(data.raw_test)


def test_what_is_shown():
    shown = repr(load())
    assert "2 left out" in shown
    assert "20% for validation and 20% for testing (whole documents)" in shown
    assert "rows of 16 tokens" in shown
    with pytest.raises(ValueError, match="'fake' has 1 texts, of which none is left for training"):
        load(TEXTS[:1], digest="2", held_out="documents", split_seed=2)
    with pytest.raises(ValueError, match="left for validation. Change data.validation_fraction"):
        load(TEXTS[:1], digest="2", held_out="documents", split_seed=0)


def test_no_half_written_tokens_are_left(home):
    def broken():
        yield from TEXTS
        raise OSError("the disk is gone")

    corpus = Corpus("fake", broken, "3", "documents")
    builders.add("data", "fake_corpus", lambda section: corpus)
    with pytest.raises(OSError, match="the disk is gone"):
        sparse_keras.data.load_corpus(SimpleNamespace(**DEFAULTS), batch_size=4, seed=0)
    assert not list((home / "tokens").iterdir())


def test_texts_for_a_model():
    data = load()
    preprocessor = data.preprocessor
    end = data.tokenizer.end_id
    inputs, labels, weight = preprocessor.encode_examples(["to be", "", "to"])
    assert weight is None
    ids = data.tokenizer.encode("to be")
    assert inputs["token_ids"][0].tolist() == [end, *ids]
    assert labels[0].tolist() == [*ids, end]
    np.testing.assert_array_equal(inputs["mask"].sum(1), [1 + len(ids), 1, 1 + len(ids[:1])])
    assert (labels == -100).sum() == (~inputs["mask"]).sum()
    assert labels[1, 0] == end
    assert preprocessor.is_raw("to")
    assert preprocessor.is_raw(np.array(["to"]))
    assert not preprocessor.is_raw(inputs)
    assert not preprocessor.is_raw(np.ones((2, 3), "int32"))
    with pytest.raises(ValueError, match="up to 16 tokens.*index 1"):
        preprocessor.encode(["a", "那" * 40])
    with pytest.raises(ValueError, match="must be strings. Received: nan, float, at index 1"):
        preprocessor.encode(["a", np.nan])
    config = json.loads(json.dumps(preprocessor.get_config()))
    same = sparse_keras.data.LanguagePreprocessor.from_config(config)
    np.testing.assert_array_equal(same.encode("to be")["token_ids"], [[end, *ids]])


SOURCES = ["verse" if n % 3 else "code" for n in range(150)]


@pytest.mark.parametrize("held_out", ["documents", "endings"])
def test_each_document_has_its_source(held_out):
    corpus = Corpus("fake", lambda: iter(TEXTS), "1", held_out, sources=lambda: iter(SOURCES))
    builders.add("data", "fake_corpus", lambda section: corpus)
    data = sparse_keras.data.load_corpus(SimpleNamespace(**DEFAULTS), batch_size=4, seed=0)
    source_of = dict(zip(TEXTS, SOURCES, strict=True))
    for part in ("train", "validation", "test"):
        batches = getattr(data, part)
        assert len(batches.sources) == data.files.documents[part]
        if held_out == "endings":
            assert list(batches.sources) == SOURCES
        else:
            assert list(batches.sources) == [source_of[text] for text in documents(data, part)]
    assert list(data.test.sources[2:4]) == list(data.test.sources)[2:4]
    assert data.digest() == load(held_out=held_out).digest()  # What is trained on is the same.


def test_a_corpus_of_one_source_has_none(home):
    assert load().test.sources is None
    assert not list(home.rglob("*_sources.bin"))
    # Of the same documents, tokens with sources are other files.
    corpus = Corpus("fake", lambda: iter(TEXTS), "1", sources=lambda: iter(SOURCES))
    builders.add("data", "fake_corpus", lambda section: corpus)
    assert sparse_keras.data.load_corpus(SimpleNamespace(**DEFAULTS), 4, 0).test.sources
    assert len(list((home / "tokens").iterdir())) == 2


def test_a_source_is_missing():
    corpus = Corpus("fake", lambda: iter(TEXTS), "1", sources=lambda: iter(SOURCES[1:]))
    builders.add("data", "fake_corpus", lambda section: corpus)
    message = "'fake' has 150 documents. Expected a source for each.*Received: 149"
    with pytest.raises(ValueError, match=message):
        sparse_keras.data.load_corpus(SimpleNamespace(**DEFAULTS), 4, 0)
