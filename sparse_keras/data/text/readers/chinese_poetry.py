"""Classical Chinese poetry: 344,185 poems, 79 MB, most of them in traditional characters.

A document is a poem: its title, its author and its lines. The collections, with the numbers of
their poems: `tang` (57,603) and `song` (254,225), all shi poems of the Tang and the Song dynasty;
`ci` (21,053) of the Song dynasty; `qu` (10,914) of the Yuan dynasty; `classics` (390): Shijing,
Chuci and Analects. They lie as JSON in the npm package `chinese-poetry`.
"""

import json
import re

from sparse_keras.data.text.readers.passes import corpus_of, digest_of
from sparse_keras.data.text.sources import CHINESE_POETRY as ARCHIVE

VERSION = 1
# The same poems stand in other folders once more, and those that are damaged in quantangshi/error.
_FILES = {
    "tang": r"quantangshi/poet\.tang\.\d+",
    "song": r"quantangshi/poet\.song\.\d+",
    "ci": r"songci/ci\.song\.\d+y?",
    "qu": r"yuanqu/yuanqu",
    "classics": r"(shijing/shijing|chuci/chuci|lunyu/lunyu)",
}
COLLECTIONS = tuple(_FILES)


def read(options):
    """Returns the poems as a `Corpus`; the source of a document is its collection.

    Args:
        options: Anything with `collections`, a tuple of `COLLECTIONS`; `None` for all.
    """
    collections = sorted(options.collections or COLLECTIONS)

    def passes(counts):
        del counts
        return poems(ARCHIVE, collections)

    digest = digest_of("chinese_poetry", VERSION, sha256=ARCHIVE.sha256, collections=collections)
    return corpus_of("chinese_poetry", passes, digest, held_out="documents", has_sources=True)


def poems(archive, collections):
    """Yields `(collection, text)` of each poem. The text of a poem without lines is empty.

    Args:
        archive: The `PackageFile`.
        collections: Names of `COLLECTIONS`.
    """
    names = {name: re.compile(rf"package/dist/{_FILES[name]}\.json") for name in collections}

    def collection_of(member):
        return next((name for name, file in names.items() if file.fullmatch(member)), None)

    for member, content in archive.iter_members(collection_of):
        for poem in json.loads(content):
            yield collection_of(member), text_of(poem)


def text_of(poem):
    """Returns a poem of the package as text: title, author and lines; "" if it has no lines."""
    lines = [line.strip() for line in poem.get("paragraphs") or poem.get("content") or ()]
    lines = [line for line in lines if line]
    if not lines:
        return ""
    # A ci has the name of its tune as a title.
    title = poem.get("title") or poem.get("rhythmic") or poem.get("chapter") or ""
    head = [part for part in (title.strip(), (poem.get("author") or "").strip()) if part]
    return "\n".join([*head, *lines]) + "\n"
