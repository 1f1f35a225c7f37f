"""Texts in files of your own: plain text, or a column of a CSV, JSON lines or Parquet file."""

import hashlib

from sparse_keras._internal.memory import check_memory
from sparse_keras.data.encodings import decoded
from sparse_keras.data.reading import errors_naming, suffix_of
from sparse_keras.data.text.matching import matching_files
from sparse_keras.data.text.readers.passes import WITHOUT_TEXT, corpus_of, digest_of
from sparse_keras.data.text.rows import is_table, iter_lines, iter_rows

VERSION = 1
_REPLACED = "\ufffd"


def read(options, key="data.column"):
    """Returns the documents as a `Corpus`. Each pass over them reads the files once.

    Args:
        options: Anything with `path`, `documents`, `column`, `separator`, `encoding` and `errors`.
        key: What names the column, for messages.

    Raises:
        ValueError: If `path` names no file, if `column` does not fit the files, or, while the
            documents are read, if a file is damaged or not in its encoding.
    """
    files, hidden = matching_files(options.path)
    _check_column(options.column, files, key)
    digest = digest_of(
        "text_files",
        VERSION,
        # A file is read by its suffix.
        files=[(_sha256(file), suffix_of(file)) for file in files],
        documents=options.documents,
        column=options.column,
        separator=options.separator,
        encoding=options.encoding,
        errors=options.errors,
    )

    def passes(counts):
        counts["Hidden files, left out"] += hidden
        for file in files:
            for text in _documents(file, options, counts, key):
                if options.errors == "replace":
                    counts["Characters U+FFFD, for bytes that are no text"] += text.count(_REPLACED)
                yield None, text

    return corpus_of("text_files", passes, digest)


def _documents(file, options, counts, key):
    encoding, errors = options.encoding, options.errors
    if is_table(file):
        columns = {key: options.column}
        for (text,) in iter_rows(file, columns, encoding, errors, options.separator):
            if text is None:
                counts["Rows without text, left out"] += 1
            else:
                yield text
    elif options.documents == "file":
        advice = "Set data.documents to paragraph or line."
        check_memory(f"{file} is one document, which takes", 2 * file.stat().st_size, advice)
        yield "".join(decoded(file, encoding, errors))
    elif options.documents == "line":
        yield from iter_lines(file, encoding, errors)
    else:
        num_paragraphs = 0
        for text in _paragraphs(iter_lines(file, encoding, errors)):
            num_paragraphs += 1
            yield text
        counts[WITHOUT_TEXT] += num_paragraphs == 0


def _paragraphs(lines):
    """Yields the lines between blank lines, as one text each."""
    paragraph = []
    for line in lines:
        if line.strip():
            paragraph.append(line)
        elif paragraph:
            yield "\n".join(paragraph)
            paragraph = []
    if paragraph:
        yield "\n".join(paragraph)


def _check_column(column, files, key):
    table = next(filter(is_table, files), None)
    if table and column is None:
        raise ValueError(f"{key}: name the column of {table} that holds the texts, such as text.")
    if column is not None and not table:
        raise ValueError(
            f"{key} is {column!r}, but no file has columns: {files[0]} is read as plain text. "
            f"Leave {key} out, or name files that end in .csv, .tsv, .jsonl or .parquet."
        )


def _sha256(path):
    with errors_naming(path, "cannot be read"), open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
