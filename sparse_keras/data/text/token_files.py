"""Token files: a corpus as token ids on disk, in one file for each part, which is memory-mapped.

They are made once and kept in the cache, under a name that stands for all that they depend on: the
documents, the split and the tokenizer.
"""

from __future__ import annotations

import array
import contextlib
import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from sparse_keras._internal.atomic import new_folder
from sparse_keras.data.download.fetch import cache_folder
from sparse_keras.data.text.corpus import Corpus
from sparse_keras.data.text.splits import PARTS, TextSplit
from sparse_keras.data.text.tokenizer import Tokenizer

_FORMAT = 1
_CHUNK = 1000  # documents that are encoded together
_SOURCE_DTYPE = "uint32"


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
        sources: Dict from each part to the `DocumentSources` of its documents; empty if the corpus
            has one source.
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
        names = about.get("sources", [])
        self.sources = {
            part: DocumentSources(
                names, np.memmap(_sources_file(folder, part), _SOURCE_DTYPE, mode="r")
            )
            for part in (self.documents if names else ())
        }


class DocumentSources(Sequence[str]):
    """Where each document of a part is from: a sequence of names, stored as numbers.

    Args:
        names: The names of all sources.
        numbers: Integer array `[D]`, the index in `names` of each document.
    """

    def __init__(self, names: Sequence[str], numbers: np.ndarray) -> None:
        self.names, self.numbers = tuple(names), numbers

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> DocumentSources: ...

    def __getitem__(self, index):
        if isinstance(index, slice):
            return DocumentSources(self.names, self.numbers[index])
        return self.names[self.numbers[index]]


def _sources_file(folder, part):
    return folder / f"{part}_sources.bin"


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
    if corpus.sources is not None:
        identity.append("sources")  # Tokens in older caches are stored without them.
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
    numbers = {part: array.array("Q") for part in PARTS}
    with contextlib.ExitStack() as exits:
        files = {part: exits.enter_context(open(folder / f"{part}.bin", "wb")) for part in PARTS}
        for number, part, ids in _encoded(split.numbered(corpus.documents()), tokenizer):
            tokens = np.array([tokenizer.end_id, *ids], dtype)
            files[part].write(tokens.tobytes())
            digest.update(part.encode())
            digest.update(tokens)
            documents[part] += 1
            numbers[part].append(number)
            unknown += int((tokens == tokenizer.unknown_id).sum()) if tokenizer.unknown_id else 0
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
        "sources": _write_sources(folder, corpus, numbers),
    }
    (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")


def _write_sources(folder, corpus, numbers):
    """Writes the source of each document of each part, and returns the names of all sources.

    Args:
        folder: The folder.
        corpus: The `Corpus`.
        numbers: Dict from each part to the numbers of its documents in the corpus.
    """
    if corpus.sources is None:
        return []
    names: dict[str, int] = {}
    of_document = np.array(
        [names.setdefault(source, len(names)) for source in corpus.sources()], _SOURCE_DTYPE
    )
    last = max(number for some in numbers.values() for number in some)
    if last != len(of_document) - 1:
        raise ValueError(
            f"The corpus {corpus.name!r} has {last + 1:,} documents. Expected a source for each, "
            f"from its `sources`. Received: {len(of_document):,}."
        )
    for part, some in numbers.items():
        of_document[np.asarray(some, "int64")].tofile(_sources_file(folder, part))
    return list(names)


def _encoded(
    texts: Iterable[tuple[int, str, str]], tokenizer
) -> Iterator[tuple[int, str, list[int]]]:
    """Yields `(number, part, token ids)` of each text; many are encoded at once."""
    texts = iter(texts)
    while some := list(itertools.islice(texts, _CHUNK)):
        numbers, parts, documents = zip(*some, strict=True)
        yield from zip(numbers, parts, tokenizer.encode_batch(documents), strict=True)


def _check_parts(corpus, split, documents):
    wanted = {"train": 1.0, "validation": split.validation, "test": split.test}
    for part, fraction in wanted.items():
        if fraction and not documents[part]:
            held_out = "data.validation_fraction, data.test_fraction or data.held_out"
            raise ValueError(
                f"The corpus {corpus.name!r} has {sum(documents.values())} texts, of which none is "
                f"left for {'training' if part == 'train' else part}. Change {held_out}."
            )
