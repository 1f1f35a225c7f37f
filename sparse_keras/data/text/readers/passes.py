"""What all readers of corpora share: passes over documents, their digest, and what is left out."""

import hashlib
import json
from collections import Counter

from sparse_keras.data.text.corpus import Corpus

WITHOUT_TEXT = "Documents without text, left out"


def corpus_of(name, passes, digest, held_out=None, has_sources=False):
    """Returns a `Corpus` whose documents without text are left out, and counted in its notes.

    Args:
        name: Name of the data set, for people.
        passes: Function that begins a pass: of a `Counter`, to which it adds what it leaves out or
            converts under the words of the note; it returns an iterator over `(source, text)`.
        digest: The corpus's digest.
        held_out: The corpus's `held_out`.
        has_sources: Whether the documents have several sources, and not `None`.
    """
    last = Counter()

    def documents():
        counts = Counter()
        try:
            for _, text in _with_text(passes(counts), counts):
                yield text
        finally:
            last.clear()
            last.update(counts)

    def sources():
        for source, _ in _with_text(passes(Counter()), Counter()):
            yield source

    return Corpus(
        name=name,
        documents=documents,
        digest=digest,
        held_out=held_out,
        notes=lambda: sentences(last),
        sources=sources if has_sources else None,
    )


def _with_text(pieces, counts):
    for source, text in pieces:
        if text.strip():
            yield source, text
        else:
            counts[WITHOUT_TEXT] += 1


def sentences(counts):
    """Returns sentences such as "Documents without text, left out: 3." of a `Counter`."""
    return tuple(f"{what}: {count:,}." for what, count in counts.items() if count)


def digest_of(reader, version, **settings):
    """Returns the SHA-256 of what documents depend on.

    Args:
        reader: Name of the reader.
        version: Of the reader: changes when it makes other documents of the same files.
        settings: The SHA-256 of the files, and how they are read. Values that JSON knows.
    """
    content = json.dumps([reader, version, settings], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
