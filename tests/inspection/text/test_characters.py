"""Tokens as people read them."""

from sparse_keras.data import Tokenizer
from sparse_keras.inspection.text.characters import characters, shown

BYTES = Tokenizer.train([], 257)


def groups(tokens, tokenizer=BYTES):
    return list(characters(tokens, tokenizer))


def test_tokens_that_share_a_character_are_one_group():
    tokens = BYTES.encode("a存🙂\n")
    assert groups(tokens) == [(0, 1, "a"), (1, 4, "存"), (4, 8, "🙂"), (8, 9, "\n")]


def test_parts_of_characters_are_written_as_bytes():
    tokens = BYTES.encode("存")
    assert groups(tokens[1:]) == [(0, 1, "<AD>"), (1, 2, "<98>")]
    assert groups(tokens[:2]) == [(0, 2, "<E5><AD>")]
    end = [BYTES.end_id]
    assert groups([*tokens[:1], *end, *tokens]) == [
        (0, 1, "<E5>"),
        (1, 2, "<|endoftext|>"),
        (2, 5, "存"),
    ]
    assert [shown(token, BYTES) for token in tokens] == ["<E5>", "<AD>", "<98>"]


def test_each_token_is_in_one_group():
    text = "to be\r\n\x1b存在 🙂 e\u0301"
    tokens = [BYTES.end_id, *BYTES.encode(text)]
    found = groups(tokens)
    assert [start for start, *_ in found] == [0, *(stop for _, stop, _ in found[:-1])]
    assert found[-1][1] == len(tokens)


def test_white_space_has_marks():
    assert [shown(token, BYTES) for token in BYTES.encode(" \n\ta")] == ["␣", "↵", "⇥", "a"]
    assert "\x1b" not in shown(BYTES.encode("\x1b")[0], BYTES)
