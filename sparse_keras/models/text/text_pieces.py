"""TextPieces: from the tokens of one text, as they arrive, to pieces of text that are final."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence

from sparse_keras.data import Tokenizer


class TextPieces:
    """The text of tokens that arrive some at a time, up to the first stop string.

    A text ends before the stop string that is complete first; before the longest of those that are
    complete at one character. So it does not depend on how many tokens arrive at once. The end of
    what has arrived is held back as long as it may be the beginning of a stop string, or is a part
    of the bytes of a character.

    Args:
        tokenizer: The `Tokenizer`.
        stop: The stop strings.

    Attributes:
        ended: Whether there was a stop string.
    """

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str]) -> None:
        self._tokenizer, self._stop = tokenizer, stop
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self.ended = False

    def add(self, tokens: Iterable[int]) -> str:
        """Adds tokens. Returns what is known of the text by now and was not before."""
        if self.ended:
            return ""
        new = b"".join(self._tokenizer.bytes_of(token) for token in tokens)
        text = self._held + self._decoder.decode(new)
        places = [(text.find(stop), stop) for stop in self._stop]
        found = [(start + len(stop), start) for start, stop in places if start >= 0]
        if found:
            self.ended, self._held = True, ""
            return text[: min(found)[1]]
        end = min([len(text), *(_may_begin(text, stop) for stop in self._stop)])
        self._held = text[end:]
        return text[:end]

    def rest(self) -> str:
        """Returns what was held back, once there are no more tokens. The bytes of a character that
        is not complete are left out."""
        held, self._held = self._held, ""
        return held


def _may_begin(text, stop):
    """The first index from which on a text may be the beginning of a stop string that goes on."""
    start = text.find(stop[0], max(len(text) - len(stop) + 1, 0))
    while start >= 0:
        if stop.startswith(text[start:]):
            return start
        start = text.find(stop[0], start + 1)
    return len(text)
