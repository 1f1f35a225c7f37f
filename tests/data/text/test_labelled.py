"""Texts with labels, from a file to a model that predicts texts."""

import dataclasses
import re

import keras
import numpy as np
import pandas as pd
import pytest

import sparse_keras
from sparse_keras.data import LabelledTexts, Tokenizer, load_data
from sparse_keras.data.text.labelled_split import split_texts
from sparse_keras.tasks import Binary, Multiclass
from sparse_keras.training.train import Interrupted
from tests.data.text.few_texts import config_of, texts_of, write


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "texts.tsv", *texts_of())


def test_parts_are_drawn_by_class(file):
    data = load_data(config_of(file, ", validation_fraction: 0.25"))
    assert {part: len(texts) for part, texts in data.texts.items()} == {
        "train": 36,
        "validation": 12,
        "test": 12,
    }
    for labels in data.labels.values():
        assert len(set(pd.Series(labels).value_counts())) == 1
    assert data.task == Multiclass("label", ("animals", "colours", "numbers"))
    assert data.split.fixed == ()
    assert "test and validation texts drawn at random by class, seed 0" in repr(data)
    other = load_data(config_of(file, ", validation_fraction: 0.25, split_seed: 1"))
    assert data.digest() != other.digest()
    assert data.digest() == load_data(config_of(file, ", validation_fraction: 0.25")).digest()


def test_batches_labels_and_raw_texts_are_in_one_order(file):
    data = load_data(config_of(file))
    lengths = [len(row) for row in data.test.rows]
    assert lengths == sorted(lengths, reverse=True)
    x, y, _ = data.test.arrays()
    rows, _ = data.preprocessor.token_rows(data.raw_test)
    assert x["token_ids"][x["mask"]].tolist() == sum(rows, [])
    assert [data.task.classes[code] for code in y] == data.labels["test"]


def test_given_parts_are_used_and_not_drawn(file, tmp_path):
    write(tmp_path / "more.tsv", *texts_of(count=9, seed=5))
    data = load_data(config_of(file, ", test_path: more.tsv, validation_fraction: 0"))
    assert sorted(data.raw_test) == sorted(texts_of(count=9, seed=5)[0])
    assert data.validation is None
    assert data.split.fixed == ("train", "test")
    assert "test texts of the data set;" in repr(data)


def test_the_tokenizer_learns_from_training_texts_only(tmp_path):
    texts, labels = texts_of()
    write(tmp_path / "texts.tsv", texts, labels)
    write(tmp_path / "test.tsv", [f"{text} {'zyx' * 9}" for text in texts], labels)
    data = load_data(config_of(tmp_path / "texts.tsv", ", test_path: test.tsv"))
    assert all(b"zyx" not in token for token in data.tokenizer.token_bytes)


def test_two_classes_are_a_binary_task(tmp_path):
    file = write(tmp_path / "texts.tsv", *texts_of(("animals", "numbers")))
    data = load_data(config_of(file))
    assert data.task == Binary("label", ("animals", "numbers"))
    assert data.train.labels.dtype == "float32"
    assert set(data.train.labels) == {0.0, 1.0}


def test_what_is_cut_or_unknown_is_said(tmp_path, file):
    import tokenizers
    import tokenizers.models
    import tokenizers.pre_tokenizers

    words = {"[UNK]": 0, "[SEP]": 1, "cat": 2, "dog": 3, "red": 4, "one": 5}
    given = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    given.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    given.save(str(tmp_path / "words.json"))
    data = load_data(config_of(file, tokens="tokenizer: words.json, max_length: 5"))
    words_of = {part: [text.split() for text in texts] for part, texts in data.texts.items()}
    cut = sum(len(text) > 5 for text in words_of["train"])
    unknown = sum(word not in words for text in words_of["train"] for word in text[:5])
    assert f"{cut} of {len(words_of['train'])} train texts cut after 5 tokens" in data.notes
    assert f"{unknown} tokens of the train texts are unknown to the tokenizer" in data.notes
    assert data.inputs.length == 6
    assert max(map(len, data.train.rows)) == 6


def test_without_test_texts(file):
    """As a plug-in may have them, whose section has no `test_fraction`."""
    config = config_of(file)
    train = texts_of(count=12)
    found = LabelledTexts("few", "kind", train, None, ("animals", "colours", "numbers"))
    parts, split = split_texts(found, 0.0, 0.0, 0)
    assert list(parts) == ["train"]
    assert (split.fixed, str(split)) == (("train",), "all texts for training")
    data = dataclasses.replace(load_data(config), texts={"train": train[0]}, test=None)
    assert list(data.raw_test) == []


def test_a_part_without_texts_is_an_error(tmp_path):
    file = write(tmp_path / "texts.tsv", ["a", "b", "c", "d"], ["x", "y", "x", "y"])
    with pytest.raises(ValueError, match=re.escape("data.validation_fraction: 0.05 of 3 texts")):
        load_data(config_of(file))


@pytest.fixture
def preprocessor():
    return sparse_keras.data.TextPreprocessor(
        Tokenizer.train(["good bad"], 300),
        max_length=8,
        task=Binary("opinion", ("bad", "good")),
        column="review",
    )


def test_texts_of_any_form(preprocessor):
    expected = preprocessor.encode(["good", "bad"])
    frame = pd.DataFrame({"review": ["good", "bad"], "other": [1, 2]})
    for texts in (
        ("good", "bad"),
        np.array(["good", "bad"]),
        pd.Series(["good", "bad"], index=[7, 8]),
        frame,
        frame[["review"]].rename(columns={"review": "text"}),
        {"review": ["good", "bad"]},
    ):
        assert preprocessor.is_raw(texts)
        for name, array in preprocessor.encode(texts).items():
            np.testing.assert_array_equal(array, expected[name])
    assert not preprocessor.is_raw(expected)
    assert preprocessor.encode("good")["token_ids"].shape == (1, 10)


def test_an_empty_text_is_one_token(preprocessor):
    encoded = preprocessor.encode(["", "good"])
    assert encoded["mask"][0].sum() == 1
    assert encoded["token_ids"][0, 0] == preprocessor.tokenizer.end_id


def test_a_long_text_is_cut_with_a_warning(preprocessor):
    with pytest.warns(UserWarning, match="1 of 2 texts are longer than 8 tokens"):
        encoded = preprocessor.encode(["bad " * 25_000, "good"])
    assert encoded["mask"].sum(axis=1).tolist() == [
        9,
        1 + len(preprocessor.tokenizer.encode("good")),
    ]


@pytest.mark.parametrize(
    "texts, message",
    [
        (["good", None], "Texts must be strings. Received: None, NoneType, at index 1"),
        (pd.Series(["good", np.nan]), "Received: nan, float, at index 1"),
        (None, "Expected texts: a string or a list of strings. Received: None."),
        ([[1, 2]], "Texts must be strings."),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), "the column 'review', which has the texts"),
    ],
)
def test_what_is_no_text_is_an_error(preprocessor, texts, message):
    assert preprocessor.is_raw(texts)
    with pytest.raises(ValueError, match=re.escape(message)):
        preprocessor.encode(texts)


def test_labels(preprocessor):
    _, y, weight = preprocessor.encode_examples(["a", "b"], ["good", "bad"], np.ones(2))
    assert y.tolist() == [1.0, 0.0]
    assert weight.tolist() == [1.0, 1.0]
    frame = pd.DataFrame({"review": ["a"], "opinion": ["good"]})
    assert preprocessor.encode_examples(frame)[1].tolist() == [1.0]
    for labels, message in (
        (["good", "goood"], "Received: 'goood' at index 1. Did you mean 'good'?"),
        (["good"], "2 texts and 1 labels"),
        (None, "Expected `y`, the class of each text"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            preprocessor.encode_examples(["a", "b"], labels)
    with pytest.raises(ValueError, match="Expected texts, or a dict"):
        preprocessor.check_encoded(np.zeros((2, 3)))


@pytest.mark.slow
@pytest.mark.tensorflow
def test_train_save_and_predict(file, tmp_path):
    config = config_of(file, ", validation_fraction: 0.2", training="epochs: 12")
    run = sparse_keras.train(config, output=tmp_path / "runs", verbose=0)
    assert run.metrics["accuracy"] > 0.9
    model = sparse_keras.load_model(run.path)
    assert model.predict_target(["cat cow", "three"]).tolist() == ["animals", "numbers"]
    frame = model.predict_frame("yellow green")
    assert frame["prediction"].tolist() == ["colours"]
    assert list(frame) == [
        "prediction",
        *(f"probability_{name}" for name in ("animals", "colours", "numbers")),
    ]
    texts, labels = texts_of(count=12, seed=3, longest=2)
    logs = model.evaluate(texts, labels, return_dict=True, verbose=0)
    assert logs["accuracy"] == np.mean(model.predict_target(texts) == labels)
    together = model.predict(texts, verbose=0)
    for number in (0, 5):
        alone = model.predict(texts[number], verbose=0)[0]
        np.testing.assert_allclose(alone, together[number], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_a_resumed_training_ends_with_the_same_weights(file, tmp_path):
    config = config_of(file, training="epochs: 2, checkpoint_every: {steps: 2}")
    whole = sparse_keras.train(config, output=tmp_path / "whole", verbose=0)

    class Break(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations == 3:
                raise KeyboardInterrupt

    with pytest.raises(Interrupted) as interrupted:
        sparse_keras.train(config, output=tmp_path / "parts", callbacks=[Break()], verbose=0)
    resumed = sparse_keras.train(config, resume=interrupted.value.folder, verbose=0)
    for one, other in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
