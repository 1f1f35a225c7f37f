"""The bytes that each token of a vocabulary stands for.

Decoding by bytes, instead of by characters, is what lets a text be streamed: the bytes of one
character may be spread over several tokens.
"""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tokenizers

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_SPACE = "▁"  # SentencePiece writes a space as U+2581.


def bytes_of_tokens(tokenizer: tokenizers.Tokenizer, size: int) -> list[bytes]:
    """Returns the bytes of each token, by id; none for special tokens and ids without a token.

    Args:
        tokenizer: A tokenizer whose decoder is byte-level (GPT-2, Llama 3) or of SentencePiece
            (Llama 2, Gemma).
        size: Number of ids.

    Raises:
        ValueError: If its decoder is neither.
    """
    decoders = _decoders(json.loads(tokenizer.to_str()).get("decoder"))
    if "ByteLevel" in decoders:
        as_bytes = _byte_level
    elif decoders & {"ByteFallback", "Metaspace"} or "Replace" in decoders:
        as_bytes = _sentence_piece
    else:
        raise ValueError(
            "A language model needs a tokenizer of bytes, as those of GPT-2, Llama, Qwen or "
            f"DeepSeek are. Received one that decodes by {', '.join(sorted(decoders)) or 'words'}."
        )
    return _bytes_by_id(tokenizer, size, as_bytes)


def bytes_of_pieces(tokenizer: tokenizers.Tokenizer, size: int) -> list[bytes] | None:
    """Returns the bytes by which to show each token of a WordPiece tokenizer: none for special
    tokens, else those of the piece, after a space if a word begins with it.

    They are not those of the text, whose spaces, case and accents are lost. `None` for a tokenizer
    of another kind.
    """
    decoder = json.loads(tokenizer.to_str()).get("decoder") or {}
    if decoder.get("type") != "WordPiece":
        return None
    inner = decoder.get("prefix") or "##"

    def as_bytes(token):
        return (
            token.removeprefix(inner).encode() if token.startswith(inner) else f" {token}".encode()
        )

    return _bytes_by_id(tokenizer, size, as_bytes)


def _bytes_by_id(tokenizer, size, as_bytes):
    added = tokenizer.get_added_tokens_decoder()
    special = {number for number, token in added.items() if token.special}
    found = [b""] * size
    for token, number in tokenizer.get_vocab(with_added_tokens=True).items():
        if number in special:
            continue
        # An added token is written as it is.
        found[number] = token.encode() if number in added else as_bytes(token)
    return found


def _decoders(section):
    """The types of a decoder and of those inside it."""
    if section is None:
        return set()
    inner = section.get("decoders", [])
    return {section["type"]}.union(*map(_decoders, inner)) - {"Sequence"}


def _byte_level(token):
    table = _bytes_of_characters()
    # A character that stands for no byte stands for itself.
    return b"".join(table.get(character) or character.encode() for character in token)


def _sentence_piece(token):
    byte = _BYTE.fullmatch(token)
    return bytes([int(byte[1], 16)]) if byte else token.replace(_SPACE, " ").encode()


@functools.cache
def _bytes_of_characters():
    """The byte that each character of a byte-level vocabulary stands for.

    Printable bytes of Latin-1 are written as themselves, all others as the characters from U+0100
    on, in their order.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): bytes([byte]) for byte in printable}
    return table | {chr(0x100 + n): bytes([byte]) for n, byte in enumerate(others)}
