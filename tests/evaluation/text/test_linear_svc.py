"""The linear SVC on TF-IDF, and how it takes part in comparisons of texts."""

import numpy as np
import pytest

import sparse_keras
from sparse_keras.data import load_data
from sparse_keras.evaluation.standard_contenders import contenders_of
from sparse_keras.evaluation.text.linear_svc import LinearSVCOnTexts
from tests.data.text.few_texts import config_of, texts_of, write


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "texts.tsv", *texts_of(count=90))


def examples(count, seed, classes):
    texts, labels = texts_of(classes, count, seed)
    return texts, np.array([classes.index(label) for label in labels])


@pytest.mark.parametrize("classes", [("animals", "colours"), ("animals", "colours", "numbers")])
def test_probabilities(classes):
    train, validation = examples(60, 0, classes), examples(30, 1, classes)
    texts, y = examples(30, 2, classes)
    baseline = LinearSVCOnTexts().fit(train, validation, len(classes))
    probabilities = baseline.predict(texts)
    if len(classes) == 2:
        assert probabilities.shape == (30, 1)
        probabilities = np.concatenate([1 - probabilities, probabilities], axis=1)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert (probabilities.argmax(axis=1) == y).all()
    # All validation texts are right, so that the scale is as large as it may be.
    assert baseline.scale > 20
    assert LinearSVCOnTexts().fit(train, None, len(classes)).scale == 1.0


def test_a_scale_for_texts_whose_words_tell_little():
    classes = ("animals", "colours")
    texts, y = examples(200, 0, classes)
    noisy = np.where(np.random.default_rng(0).uniform(size=200) < 0.4, 1 - y, y)
    baseline = LinearSVCOnTexts().fit((texts, noisy), (texts, 1 - noisy), 2)
    assert baseline.scale < 0.2


def test_a_class_without_training_texts_has_probability_0():
    classes = ("animals", "colours", "numbers")
    texts, y = examples(60, 0, classes)
    there = [number for number in range(60) if y[number] != 1]
    train = [texts[number] for number in there], y[there]
    probabilities = LinearSVCOnTexts().fit(train, None, 3).predict(texts)
    assert (probabilities[:, 1] == 0).all()


def test_characters_of_a_script_without_spaces():
    train = ["这个酒店很好我喜欢住在这里", "房间很脏服务太差不会再来了"] * 10
    baseline = LinearSVCOnTexts().fit((train, np.array([1, 0] * 10)), None, 2)
    assert (baseline.predict(["我喜欢这个", "服务很差"])[:, 0] > 0.5).tolist() == [True, False]
    assert "很好" in baseline.model[0].vocabulary_
    words = LinearSVCOnTexts().fit((["good day", "bad day"] * 10, np.array([1, 0] * 10)), None, 2)
    assert "bad day" in words.model[0].vocabulary_


def test_who_takes_part(file, tmp_path):
    reasons = {
        contender.name: contender.why_not(config_of(file), None)
        for contender in contenders_of(config_of(file))
    }
    assert reasons["linear_svc"] is None
    assert reasons["equal_flops"] is None
    assert "hgb" not in reasons
    table = sparse_keras.load_config("tabular/sparse_mlp_adult")
    assert "linear_svc" not in {one.name for one in contenders_of(table)}
    corpus = sparse_keras.load_config("text/causal_lm_shakespeare")
    (svc,) = (one for one in contenders_of(corpus) if one.name == "linear_svc")
    assert svc.why_not(corpus, None) == "The linear SVC needs texts with labels."


@pytest.mark.slow
@pytest.mark.tensorflow
def test_a_comparison_of_texts(file, tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSE_KERAS_HOME", str(tmp_path))
    config = config_of(file, training="epochs: 3, class_weight: balanced")
    names = ["equal_flops", "linear_svc"]
    comparison = sparse_keras.compare(config, seeds=1, models=names).content
    models = comparison["models"]
    assert list(models) == ["moe", "equal_flops", "linear_svc"]
    assert models["linear_svc"]["metrics"]["accuracy"]["mean"] == 1.0
    costs = {name: models[name]["costs"]["flops"]["values"][0] for name in names[:1] + ["moe"]}
    assert costs["moe"] > 0
    assert abs(costs["equal_flops"] / costs["moe"] - 1) < 0.02
    assert comparison["data"]["split"]["fixed"] == []
    data = load_data(config)
    assert comparison["data"]["rows"] == {part: len(of) for part, of in data.texts.items()}
