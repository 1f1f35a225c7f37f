"""Token files: a corpus as token ids on disk, in one file for each part, which is memory-mapped.

They are made once and kept in the cache, under a name that stands for all that they depend on: the
documents, the split and the tokenizer.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from sparse_keras._internal.atomic import new_folder
from sparse_keras.data.download.fetch import cache_folder
from sparse_keras.data.text.corpus import Corpus
from sparse_keras.data.text.splits import PARTS, TextSplit
from sparse_keras.data.text.tokenizer import Tokenizer

_FORMAT = 1
_CHUNK = 1000  # documents that are encoded together


class TokenFiles:
    """The tokens of a corpus.

    Each document is its token ids after the id that separates documents, so that a model learns to
    begin a text after that id, and to end it with it.

    Args:
        folder: The folder of the files.

    Attributes:
        tokenizer: The `Tokenizer`.
        parts: Dict from each part that has texts, of `PARTS`, to its token ids: a memory-mapped
            array.
        documents: Dict from each part to the number of its documents.
        digest: SHA-256 of all token ids, and of the tokenizer.
        notes: What was left out or converted, as sentences.
    """

    def __init__(self, folder: Path) -> None:
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        self.tokenizer = Tokenizer.load(folder / "tokenizer.json", about["end_of_text"])
        self.documents = about["documents"]
        self.digest = about["digest"]
        self.notes = about["notes"]
        self.parts = {
            part: np.memmap(folder / f"{part}.bin", dtype=about["dtype"], mode="r")
            for part in self.documents
        }


def token_files(
    corpus: Corpus, split: TextSplit, tokenizer: str | None, vocabulary_size: int
) -> TokenFiles:
    """Returns the tokens of a corpus, from the cache or made now.

    Args:
        corpus: The documents.
        split: Which part each belongs to.
        tokenizer: The file of a tokenizer. `None`: one is trained on the training texts.
        vocabulary_size: Maximum number of tokens of one that is trained.

    Raises:
        ValueError: If no text is left for training, or the tokenizer cannot be used.
    """
    given = None if tokenizer is None else Tokenizer.load(tokenizer)
    identity = [_FORMAT, corpus.digest, repr(split)]
    identity += [vocabulary_size] if given is None else [given.content, given.end_of_text]
    name = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]
    folder = cache_folder() / "tokens" / f"{corpus.name}_{name}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Another process may make the same folder first: it is as good.
        with contextlib.suppress(FileExistsError), new_folder(folder) as partial:
            _write(partial, corpus, split, given, vocabulary_size)
    return TokenFiles(folder)


def _write(folder, corpus, split, tokenizer, vocabulary_size):
    if tokenizer is None:
        texts = (text for part, text in split(corpus.documents()) if part == "train")
        tokenizer = Tokenizer.train(texts, vocabulary_size)
    tokenizer.save(folder / "tokenizer.json")
    dtype = np.dtype("uint16" if tokenizer.vocabulary_size <= 2**16 else "uint32")
    documents, unknown = Counter[str](), 0
    digest = hashlib.sha256(tokenizer.content.encode())
    with contextlib.ExitStack() as exits:
        files = {part: exits.enter_context(open(folder / f"{part}.bin", "wb")) for part in PARTS}
        for part, ids in _encoded(split(corpus.documents()), tokenizer):
            array = np.array([tokenizer.end_id, *ids], dtype)
            files[part].write(array.tobytes())
            digest.update(part.encode())
            digest.update(array)
            documents[part] += 1
            unknown += int((array == tokenizer.unknown_id).sum()) if tokenizer.unknown_id else 0
    _check_parts(corpus, split, documents)
    notes = list(corpus.notes())
    if unknown:
        notes.append(f"{unknown:,} characters have no token, and became the unknown one")
    about = {
        "end_of_text": tokenizer.end_of_text,
        "dtype": dtype.name,
        "documents": {part: documents[part] for part in PARTS if documents[part]},
        "digest": digest.hexdigest(),
        "notes": notes,
    }
    (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")


def _encoded(texts: Iterable[tuple[str, str]], tokenizer) -> Iterator[tuple[str, list[int]]]:
    """Yields `(part, token ids)` of each text; many are encoded at once."""
    texts = iter(texts)
    while some := list(itertools.islice(texts, _CHUNK)):
        parts, documents = zip(*some, strict=True)
        yield from zip(parts, tokenizer.encode_batch(documents), strict=True)


def _check_parts(corpus, split, documents):
    wanted = {"train": 1.0, "validation": split.validation, "test": split.test}
    for part, fraction in wanted.items():
        if fraction and not documents[part]:
            held_out = "data.validation_fraction, data.test_fraction or data.held_out"
            raise ValueError(
                f"The corpus {corpus.name!r} has {sum(documents.values())} texts, of which none is "
                f"left for {'training' if part == 'train' else part}. Change {held_out}."
            )
