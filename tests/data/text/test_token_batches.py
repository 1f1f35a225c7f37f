"""Rows of tokens: each token is a label once, and documents are told apart."""

import numpy as np
import pytest

from sparse_keras.data.batches import PartialPasses
from sparse_keras.data.text.token_batches import TokenBatches
from sparse_keras.tasks.next_token import IGNORED

END = 0


@pytest.fixture
def rng():
    return np.random.default_rng()


def stream(rng, documents):
    return np.concatenate(
        [[END, *rng.integers(1, 50, rng.integers(0, 9))] for _ in range(documents)]
    )


@pytest.mark.parametrize("length", [1, 3, 8, 1000])
def test_every_token_is_a_label_once(rng, length):
    tokens = stream(rng, 20).astype("uint16")
    for shuffle in (False, True):
        batches = TokenBatches(tokens, length, END, batch_size=4, shuffle=shuffle)
        for batches.epoch in range(3):
            labels = np.concatenate([batches[index][1].ravel() for index in range(len(batches))])
            counted = labels[labels != IGNORED]
            np.testing.assert_array_equal(np.sort(counted), np.sort(tokens))


def test_labels_are_the_next_tokens_and_segments_begin_at_the_end_id(rng):
    tokens = stream(rng, 30)
    batches = TokenBatches(tokens, 10, END, batch_size=3, shuffle=True, seed=1)
    for index in range(len(batches)):
        x, y = batches[index]
        ids, segments = x["token_ids"], x["segment_ids"]
        counted = y[:, :-1] != IGNORED
        np.testing.assert_array_equal(ids[:, 1:][counted], y[:, :-1][counted])
        np.testing.assert_array_equal(np.diff(segments, axis=1), ids[:, 1:] == END)
        assert ids.dtype == segments.dtype == y.dtype == "int32"


def test_rows_are_a_function_of_seed_and_epoch(rng):
    tokens = stream(rng, 40)

    def rows(seed, epoch):
        batches = TokenBatches(tokens, 7, END, shuffle=True, seed=seed)
        batches.epoch = epoch
        return batches[0][1]

    np.testing.assert_array_equal(rows(1, 2), rows(1, 2))
    assert (rows(1, 2) != rows(1, 3)).any()
    assert (rows(1, 2) != rows(2, 2)).any()


def test_documents_that_see_each_other(rng):
    tokens = stream(rng, 10)
    x, _ = TokenBatches(tokens, 5, END, separate=False)[0]
    np.testing.assert_array_equal(x[0], tokens[:5])


def test_epochs_of_some_steps_go_on_where_the_last_ended(rng):
    tokens = stream(rng, 60)
    whole = TokenBatches(tokens, 6, END, batch_size=4, shuffle=True)
    parts = PartialPasses(TokenBatches(tokens, 6, END, batch_size=4, shuffle=True), 3)
    expected = []
    for whole.epoch in range(2):
        expected += [whole[index][1] for index in range(len(whole))]
    found = []
    for parts.epoch in range(len(expected) // 3):
        found += [parts[index][1] for index in range(len(parts))]
    assert len(found) > len(whole)  # The second pass has begun.
    for one, other in zip(found, expected, strict=False):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("length", [3, 8, 1000])
def test_rows_in_order_name_the_place_of_each_token(rng, length):
    tokens = stream(rng, 20)
    batches = TokenBatches(tokens, length, END, shuffle=True)
    x, y, places = batches.rows_in_order(range(batches.num_examples))
    np.testing.assert_array_equal(x["token_ids"], tokens[places])
    counted = y != IGNORED
    np.testing.assert_array_equal(places[counted], np.arange(len(tokens)))
    np.testing.assert_array_equal(y[counted], np.roll(tokens, -1))
    last, *_ = batches.rows_in_order([batches.num_examples - 1])
    np.testing.assert_array_equal(last["segment_ids"], x["segment_ids"][-1:])
