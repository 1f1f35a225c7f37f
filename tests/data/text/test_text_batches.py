"""Batches of texts: every text once, similar lengths together, and the same ones after a break."""

import numpy as np
import pytest

from sparse_keras.data import TextBatches
from sparse_keras.data.batches import arrays_of, num_examples, targets_of_batches
from sparse_keras.data.text.text_batches import padded_length


def batches(lengths, shuffle=True, batch_size=4, **options):
    rows = [[number + 1] * length for number, length in enumerate(lengths)]
    labels = np.arange(len(rows), dtype="int32")
    return TextBatches(
        rows, labels, batch_size=batch_size, longest=max(lengths), shuffle=shuffle, **options
    )


def labels_in(one):
    return np.concatenate([one[index][1] for index in range(len(one))]).tolist()


def test_padded_lengths_are_few_and_close():
    lengths = [padded_length(length, 999) for length in range(1, 100)]
    assert sorted(set(lengths)) == [16, 24, 32, 48, 64, 96, 128]
    assert all(size >= length for length, size in enumerate(lengths, start=1))
    assert padded_length(70, 81) == 82
    assert padded_length(70, 80) == 80


@pytest.mark.parametrize("shuffle", [True, False])
def test_every_text_comes_once_with_its_tokens_and_label(shuffle):
    lengths = np.random.default_rng(0).integers(1, 90, 30).tolist()
    one = batches(lengths, shuffle)
    assert len(one) == 8
    seen = []
    for index in range(len(one)):
        x, y = one[index]
        assert x["token_ids"].dtype == "int32"
        assert x["mask"].dtype == bool
        np.testing.assert_array_equal(x["mask"].sum(axis=1), [lengths[label] for label in y])
        np.testing.assert_array_equal(x["token_ids"], np.where(x["mask"], y[:, None] + 1, 0))
        seen += y.tolist()
    assert sorted(seen) == list(range(30))
    if not shuffle:
        assert seen == list(range(30))


def test_no_two_batches_in_a_row_have_the_same_length():
    """Keras, on TensorFlow, infers from two batches which axes may change their size."""
    for longest in (16, 17, 32, 33, 90, 129):
        one = batches([longest, *[15, longest - 1, longest] * 20])
        for one.epoch in range(3):
            sizes = [one[index][0]["mask"].shape[1] for index in range(len(one))]
            assert all(a != b for a, b in zip(sizes, sizes[1:], strict=False))


def test_similar_lengths_come_together():
    lengths = np.random.default_rng(0).integers(1, 200, 400).tolist()
    one = batches(lengths, batch_size=10)
    masks = [one[index][0]["mask"] for index in range(len(one))]
    assert sum(mask.sum() for mask in masks) > 0.7 * sum(mask.size for mask in masks)


def test_batches_depend_on_seed_and_epoch_alone():
    lengths = np.random.default_rng(0).integers(1, 90, 30).tolist()
    first, second = batches(lengths, seed=1), batches(lengths, seed=1)
    orders = []
    for epoch in range(3):
        first.epoch = epoch
        orders.append(labels_in(first))
    assert len(set(map(tuple, orders))) == 3
    second.epoch = 2
    np.testing.assert_array_equal(second[5][1], first[5][1])
    assert labels_in(second) == orders[2]
    assert labels_in(batches(lengths, seed=2)) != orders[0]


def test_all_examples_at_once():
    one = batches([3, 1, 2], shuffle=False, batch_size=2)
    x, y, weight = arrays_of(one)
    assert x["mask"].sum(axis=1).tolist() == [3, 1, 2]
    assert y.tolist() == [0, 1, 2]
    assert weight is None
    assert num_examples(one) == 3
    assert targets_of_batches(one)[0].tolist() == [0, 1, 2]
