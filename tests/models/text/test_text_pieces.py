"""Text from tokens that arrive piece by piece, up to a stop string."""

import numpy as np
import pytest

from sparse_keras.data import Tokenizer
from sparse_keras.models.text.text_pieces import TextPieces


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train([], 257)  # A token for each byte.


def parts_of(tokens, size):
    return [tokens[start : start + size] for start in range(0, len(tokens), size)]


def streamed(tokenizer, text, stop, size):
    """The pieces of a text whose tokens arrive `size` at a time, and whether it was stopped."""
    pieces = TextPieces(tokenizer, stop)
    found = [pieces.add(part) for part in parts_of(tokenizer.encode(text), size)]
    return [*found, pieces.rest()], pieces.ended


def until_stop(text, stop):
    """Looks for stop strings after each character."""
    for end in range(1, len(text) + 1):
        complete = [string for string in stop if text[:end].endswith(string)]
        if complete:
            return text[: end - max(map(len, complete))]
    return text


@pytest.mark.parametrize("seed", range(4))
def test_random_texts(tokenizer, seed):
    """However many tokens arrive at once: up to the stop string that is complete first."""
    rng, stopped = np.random.default_rng(seed), 0
    for _ in range(100):
        text = "".join(rng.choice(list("ab字🙂"), size=rng.integers(0, 14)))
        lengths = rng.integers(1, 5, size=rng.integers(0, 4))
        stop = ["".join(rng.choice(list("ab字🙂"), size=length)) for length in lengths]
        expected = until_stop(text, stop)
        for size in (1, 2, 3, 7, 100):
            pieces, ended = streamed(tokenizer, text, stop, size)
            assert "".join(pieces) == expected, (text, stop, size)
            assert ended == (expected != text)
        stopped += expected != text
    assert 20 < stopped < 100


def test_what_is_held_back(tokenizer):
    pieces, ended = streamed(tokenizer, "one END two ENDED", ["ENDED"], 1)
    assert not any("E" in piece for piece in pieces[:7])
    assert pieces[7] == "END " and "".join(pieces) == "one END two " and ended
    # A beginning of a stop string at the end of the text is a part of it.
    pieces, ended = streamed(tokenizer, "one END", ["ENDED"], 1)
    assert pieces[-1] == "END" and not ended


def test_characters_are_whole(tokenizer):
    pieces, _ = streamed(tokenizer, "é字🙂", [], 1)
    assert pieces == ["", "é", "", "", "字", "", "", "", "🙂", ""]


def test_bytes_that_are_no_text(tokenizer):
    smile, pieces = tokenizer.encode("🙂"), TextPieces(tokenizer, [])
    # Invalid once the next character begins; left out while it may become valid.
    assert pieces.add([*smile[:2], *tokenizer.encode("a")]) == "\ufffda"
    assert pieces.add(smile[:3]) == "" and pieces.rest() == ""


def test_a_special_token_is_no_text(tokenizer):
    assert TextPieces(tokenizer, []).add([tokenizer.end_id, *tokenizer.encode("a")]) == "a"
