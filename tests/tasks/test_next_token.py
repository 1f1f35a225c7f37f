"""The task of a language model, and its metrics beside NumPy's."""

import keras
import numpy as np
import pytest
from scipy.special import log_softmax

from sparse_keras.tasks import BitsPerByte, NextToken, Perplexity
from sparse_keras.tasks.scores import metrics_of_task

SIZES = [0, 1, 1, 2, 4]
VOCABULARY = len(SIZES)


def examples(rng, ignored=3):
    labels = rng.integers(0, VOCABULARY, (4, 6))
    labels.flat[rng.choice(24, ignored, replace=False)] = -100
    return labels, rng.normal(size=(4, 6, VOCABULARY)).astype("float32")


def test_metrics_beside_numpy():
    rng = np.random.default_rng()
    metrics = [Perplexity(ignore_class=-100), BitsPerByte(SIZES, ignore_class=-100)]
    nats = weights = num_bytes = 0.0
    for _ in range(3):
        labels, logits = examples(rng)
        weight = rng.random((4, 6)).astype("float32")
        for metric in metrics:
            metric.update_state(labels, logits, sample_weight=weight)
        counted = labels >= 0
        losses = -log_softmax(logits.astype("float64"), -1)[
            np.nonzero(counted) + (labels[counted],)
        ]
        nats += (losses * weight[counted]).sum()
        weights += weight[counted].sum()
        num_bytes += (np.array(SIZES)[labels[counted]] * weight[counted]).sum()
    assert float(metrics[0].result()) == pytest.approx(np.exp(nats / weights), rel=1e-5)
    assert float(metrics[1].result()) == pytest.approx(nats / np.log(2) / num_bytes, rel=1e-5)
    same = BitsPerByte.from_config(metrics[1].get_config())
    assert float(same.result()) == 0.0
    metrics[1].reset_state()
    assert float(metrics[1].result()) == 0.0


def test_what_a_model_is_compiled_with():
    rng = np.random.default_rng()
    task = NextToken(vocabulary_size=VOCABULARY, token_bytes=SIZES)
    labels, logits = examples(rng)
    arguments = task.compile_arguments()
    loss = float(arguments["loss"](labels, logits))
    perplexity, bits = arguments["metrics"]
    perplexity.update_state(labels, logits)
    assert float(perplexity.result()) == pytest.approx(np.exp(loss), rel=1e-5)
    assert bits.token_bytes == SIZES
    assert task.directions() == {"loss": "min", "perplexity": "min", "bits_per_byte": "min"}
    assert list(metrics_of_task(task)) == ["loss", "perplexity", "bits_per_byte"]
    same = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(task))
    assert same == task
    without = NextToken(vocabulary_size=VOCABULARY)
    assert [metric.name for metric in without.metrics()] == ["perplexity"]
    np.testing.assert_array_equal(task.decode(logits), logits.argmax(-1))


def test_errors():
    task = NextToken(vocabulary_size=VOCABULARY)
    with pytest.raises(ValueError, match="number for each of the 5 tokens. Received: 2 numbers"):
        NextToken(vocabulary_size=VOCABULARY, token_bytes=[1, 2])
    with pytest.raises(ValueError, match="Choose model.type causal_lm"):
        task.head(None)
    with pytest.raises(ValueError, match="no table"):
        task.to_frame(None)
    with pytest.raises(ValueError, match="label_smoothing does not fit"):
        task.make_loss("cross_entropy", {"label_smoothing": 0.1}, "sum_over_batch_size")
