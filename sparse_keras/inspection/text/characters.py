"""Tokens as people read them: a token may be white space, or a part of a character."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sparse_keras._internal.printable import printable

if TYPE_CHECKING:
    from sparse_keras.data import Tokenizer

_MARKS = str.maketrans({" ": "␣", "\n": "↵", "\t": "⇥"})
# How Python decodes a byte that is not UTF-8 with the error handler "surrogateescape".
_LONE_BYTE = re.compile("[\udc80-\udcff]")


def shown(token: int, tokenizer: Tokenizer) -> str:
    """Returns a token with marks for white space, such as "␣the"; bytes that are no whole character
    as "<E5>"."""
    content = tokenizer.readable_bytes[token]
    if not content:
        return _special(token, tokenizer)
    return _readable(content.decode("utf-8", "surrogateescape")).translate(_MARKS)


def characters(tokens: Sequence[int], tokenizer: Tokenizer) -> Iterator[tuple[int, int, str]]:
    """Groups tokens so that each group is a text of whole characters.

    Most groups are one token. Tokens that share the bytes of a character are in one group.

    Args:
        tokens: Token ids.
        tokenizer: The `Tokenizer`.

    Yields:
        `(start, stop, text)`: the text of `tokens[start:stop]`, with its white space. Bytes that
        are no character are written as "<E5>".
    """
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    start, text = 0, ""
    for place, token in enumerate(tokens):
        content = tokenizer.readable_bytes[token]
        if not content:
            if place > start:
                yield start, place, _readable(text + decoder.decode(b"", final=True))
            decoder.reset()
            yield place, place + 1, _special(token, tokenizer)
            start, text = place + 1, ""
            continue
        text += decoder.decode(content)
        if not decoder.getstate()[0]:  # No byte waits for the rest of its character.
            yield start, place + 1, _readable(text)
            start, text = place + 1, ""
    if start < len(tokens):
        yield start, len(tokens), _readable(text + decoder.decode(b"", final=True))


def _special(token, tokenizer):
    return tokenizer.token_of(token) or f"<token {token}>"


def _readable(text):
    text = _LONE_BYTE.sub(lambda match: f"<{ord(match[0]) - 0xDC00:02X}>", text)
    return printable(text)
