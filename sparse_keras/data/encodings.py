"""The encoding of a file of text: its byte order mark, bytes that are not text, what they may be.

An encoding is never guessed silently: a file is UTF-8 unless a byte order mark or the config says
otherwise. For a file that is not, the same words are shown in several encodings, among which a
person sees the right one. (charset-normalizer takes words of French and German for Czech, and a
column of prices in euros for Cyrillic.)
"""

import codecs
import io
import re
import unicodedata
from typing import NamedTuple

from sparse_keras.data.reading import errors_naming, open_bytes

UTF8 = "utf-8"
# By what a file starts with; longer marks first.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Western Europe first, where most files that are not UTF-8 come from. latin-1 decodes anything.
_CANDIDATES = ("cp1252", "cp1250", "cp1251", "mac_roman", "cp932", "gb18030", "latin-1")
_MOST_READINGS, _MOST_WORDS, _LONGEST = 4, 3, 30
_BLOCK = 2**20  # bytes
_WORD = re.compile(r"""[^\s,;|"']*[^\x00-\x7f][^\s,;|"']*""")


class Reading(NamedTuple):
    """How a file reads in an encoding.

    Args:
        encoding: The encoding, in which all of the file can be decoded.
        words: The first words that are not ASCII.
    """

    encoding: str
    words: tuple

    def __str__(self):
        return f"{self.encoding} {', '.join(map(repr, self.words))}"


def encoding_of(path, encoding=UTF8):
    """Returns the encoding of a file: that of its byte order mark, or else the one given."""
    with errors_naming(path, "is damaged"), open_bytes(path) as file:
        return encoding_of_bytes(file.read(4), encoding)


def encoding_of_bytes(start, encoding=UTF8):
    """Returns the encoding of bytes that start with these, as `encoding_of` that of a file."""
    return next((name for mark, name in _MARKS if start.startswith(mark)), encoding)


def is_decodable(path, encoding):
    """Whether all of a file can be decoded."""
    try:
        for _ in _decoded(path, encoding):
            pass
    except _UndecodableError:
        return False
    return True


def readings(path):
    """Returns the `Reading`s of a file that is not UTF-8: at most four, the likeliest first.

    Encodings in which the first words are the same, or hold control characters, are left out.
    """
    found = []
    for encoding in _CANDIDATES:
        if len(found) < _MOST_READINGS and (words := _words(path, encoding)):
            odd = any(unicodedata.category(c)[0] == "C" for word in words for c in word)
            if not odd and words not in [one.words for one in found]:
                found.append(Reading(encoding, words))
    return found or [Reading("latin-1", _words(path, "latin-1") or ())]


def decoded(path, encoding=UTF8, errors=None):
    """Yields the text of a file in parts, without its byte order mark; line breaks become "\\n".

    Args:
        path: The file; it may be compressed.
        encoding: Its encoding, where it has no byte order mark.
        errors: What to do with bytes that are not in the encoding: "strict" or "replace", as the
            config says; or None, "strict", where no config can say it.

    Raises:
        ValueError: If a byte is not in the encoding, and `errors` is not "replace".
    """
    encoding = encoding_of(path, encoding)
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    try:
        for part in _decoded(path, encoding, errors or "strict"):
            yield newlines.decode(part)
        yield newlines.decode("", final=True)
    except _UndecodableError:
        problem = undecodable(path, encoding)
        if errors is not None:
            problem += (
                " Or set data.errors to replace: the character U+FFFD then stands for such bytes."
            )
        raise ValueError(problem) from None


def undecodable(path, encoding):
    """Returns a sentence about the first byte of a file that is not in its encoding, and advice.

    Args:
        path: The file.
        encoding: Its encoding, as the config says.
    """
    what = "UTF-8" if encoding in (UTF8, "utf-8-sig") else encoding
    advice = (
        "Set data.encoding (--encoding on the command line) to the encoding in which these words "
        f"read right: {'; '.join(map(str, readings(path)))}."
    )
    try:
        for _ in _decoded(path, encoding):
            pass
    except _UndecodableError as error:
        return (
            f"{path}, line {error.line}: the byte 0x{error.byte:02x} at position "
            f"{error.position:,} of the file (the first is 0) is not {what}. {advice}"
        )
    return f"{path} is not {what}. {advice}"


class _UndecodableError(Exception):
    def __init__(self, line, position, byte):
        super().__init__()
        self.line, self.position, self.byte = line, position, byte


def _decoded(path, encoding, errors="strict"):
    """Yields the text of a file in parts."""
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    line, before = 1, 0
    with errors_naming(path, "is damaged"), open_bytes(path) as file:
        while True:
            block = file.read(_BLOCK)
            waiting = len(decoder.getstate()[0])  # The start of a character that goes on.
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                good = error.object[: error.start].decode(encoding, "replace")
                position = before - waiting + error.start
                wrong = _UndecodableError(
                    line + good.count("\n"), position, error.object[error.start]
                )
                break
            except UnicodeError:  # UTF-16 without its mark.
                wrong = _UndecodableError(line, before, (block or b"\0")[0])
                break
            yield text
            if not block:
                return
            line, before = line + text.count("\n"), before + len(block)
    raise wrong


def _words(path, encoding):
    """The first words of a file that are not ASCII; None if it cannot be decoded."""
    words = {}
    try:
        for text in _decoded(path, encoding):
            for match in _WORD.finditer(text):
                if len(words) == _MOST_WORDS:
                    break
                words[match[0][:_LONGEST]] = None
    except _UndecodableError:
        return None
    return tuple(words)
