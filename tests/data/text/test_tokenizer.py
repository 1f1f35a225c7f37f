"""Tokenizers: texts to ids and back, with the library's own decoder as the oracle."""

import sys

import numpy as np
import pytest
import tokenizers

import sparse_keras
from sparse_keras.data.text.training_texts import limited

TEXTS = [
    "to be or not to be",
    "那西北 the 😀 emoji\n\tand tabs",
    "",
    "<|endoftext|> is written here",
    "\x00\x7f\xad é ÿ",
    "👨‍👩‍👧 a family of one grapheme",
]


@pytest.fixture(scope="module")
def tokenizer():
    return sparse_keras.data.Tokenizer.train(TEXTS * 5, 320)


@pytest.fixture(scope="module")
def sentence_piece():
    """A tokenizer as that of Llama 2: spaces as U+2581, and bytes for what has no token."""
    vocabulary = {f"<0x{byte:02X}>": byte for byte in range(256)}
    for token in ("<unk>", "</s>", "▁", "▁to", "t", "o", "b", "e", "▁be"):
        vocabulary[token] = len(vocabulary)
    merges = [("▁", "to"), ("t", "o"), ("b", "e"), ("▁", "be")]
    vocabulary |= {"to": len(vocabulary), "be": len(vocabulary) + 1}
    model = tokenizers.models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True)
    found = tokenizers.Tokenizer(model)
    found.normalizer = tokenizers.normalizers.Replace(" ", "▁")
    decoders = tokenizers.decoders
    found.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    found.add_special_tokens(["<unk>", "</s>"])
    return sparse_keras.data.Tokenizer(found.to_str())


@pytest.mark.parametrize("text", TEXTS)
def test_texts_come_back(tokenizer, sentence_piece, text):
    for one in (tokenizer, sentence_piece):
        ids = one.encode(text)
        assert one.decode(ids) == text
        assert one.end_id not in ids  # Also where the text quotes it.
        assert one.encode_batch([text, "to"])[0] == ids


def test_any_ids_are_decoded_as_by_the_library(tokenizer):
    reference = tokenizers.Tokenizer.from_str(tokenizer.content)
    rng = np.random.default_rng()
    for _ in range(50):
        ids = rng.integers(0, tokenizer.vocabulary_size, 12).tolist()
        ids.append(tokenizer.encode("a")[0])  # Then no character is cut off at the end.
        assert tokenizer.decode(ids) == reference.decode(ids), ids


def test_a_cut_character_is_left_out(tokenizer):
    ids = [token for byte in "é😀" for token in tokenizer.encode(byte)]
    assert tokenizer.decode(ids) == "é😀"
    assert len(ids) > 2
    assert "�" not in tokenizer.decode(ids[:-1])


def test_a_long_text(tokenizer):
    text = "".join(np.random.default_rng(0).choice(list("ab \n那😀"), 100_000))
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_files_and_serialization(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "tokenizer.json")
    loaded = sparse_keras.data.Tokenizer.load(tmp_path / "tokenizer.json")
    same = sparse_keras.data.Tokenizer.from_config(tokenizer.get_config())
    for other in (loaded, same):
        assert other.encode(TEXTS[1]) == tokenizer.encode(TEXTS[1])
        assert other.end_id == tokenizer.end_id
    library = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert library.encode("to be").ids == tokenizer.encode("to be")


def test_the_unknown_token():
    model = tokenizers.models.WordLevel({"[UNK]": 0, "[SEP]": 1, "to": 2}, unk_token="[UNK]")
    words = tokenizers.Tokenizer(model)
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = sparse_keras.data.Tokenizer(words.to_str())
    assert tokenizer.encode("to be") == [2, 0]
    assert tokenizer.unknown_id == 0
    with pytest.raises(ValueError, match="A language model needs a tokenizer of bytes"):
        tokenizer.decode([2])


@pytest.mark.parametrize("word", ["a", "b"])
def test_a_template_of_any_vocabulary(word):
    """Which has no unknown token, so that it may not encode a given text at all."""
    inner = tokenizers.Tokenizer(tokenizers.models.BPE({"[CLS]": 0, "[SEP]": 1, word: 2}, []))
    inner.add_special_tokens(["[CLS]", "[SEP]"])
    inner.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="$A $B", special_tokens=[("[CLS]", 0), ("[SEP]", 1)]
    )
    tokenizer = sparse_keras.data.Tokenizer(inner.to_str())
    assert (tokenizer.begin_ids, tokenizer.final_ids) == ((0,), (1,))


def test_errors(tokenizer, tmp_path):
    with pytest.raises(ValueError, match="position 1 of a text is half of a surrogate pair"):
        tokenizer.encode("a\ud800")
    with pytest.raises(ValueError, match="must be a string. Received: None"):
        tokenizer.encode_batch(["a", None])
    with pytest.raises(ValueError, match="at least 257"):
        sparse_keras.data.Tokenizer.train(TEXTS, 256)
    with pytest.raises(ValueError, match="no token '<end>'"):
        sparse_keras.data.Tokenizer(tokenizer.content, "<end>")
    file = tmp_path / "other.json"
    for content in ("not JSON", "{}", '{"model": 3}'):
        file.write_text(content)
        with pytest.raises(ValueError, match=r"other.json: Expected a tokenizer"):
            sparse_keras.data.Tokenizer.load(file)
    with pytest.raises(OSError, match="There is no file.*Did you mean 'all_minilm_l6_v2'"):
        sparse_keras.data.Tokenizer.load(tmp_path / "all_minilm_l6_v3")
    nothing = tokenizers.Tokenizer(tokenizers.models.BPE()).to_str()
    with pytest.raises(ValueError, match="`end_of_text`"):
        sparse_keras.data.Tokenizer(nothing)


def test_a_sample_of_many_texts_is_even():
    texts = [f"{n:04d}" for n in range(2000)]
    sample = list(limited(texts, limit=1000))
    assert sample == sorted(sample)
    assert 100 <= len(sample) <= 250
    assert 700 < np.mean([int(text) for text in sample]) < 1300
    assert list(limited(texts, limit=8000)) == texts
    assert list(limited(["x" * 50], limit=10)) == ["x" * 10]


@pytest.mark.parametrize(
    "load", [sparse_keras.data.load_corpus, sparse_keras.data.load_labelled_texts]
)
def test_without_the_library(load, monkeypatch):
    """Nothing is read or downloaded first."""
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ValueError, match=r"pip install 'sparse-keras\[text\]'"):
        load(None, batch_size=4, seed=0)
