"""What verbs do with files of texts: those that a classifier predicts, and those of an evaluation.

The columns of such files are texts as they are, read by the readers of the data of texts, unlike
those of tables (`tabular`).
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sparse_keras._internal.csv_characters import why_no_encoding, why_no_separator
from sparse_keras._internal.suggest import listing
from sparse_keras.cli.file_format import OF_EXCEL, refuse_file_format
from sparse_keras.schema import Config

if TYPE_CHECKING:
    from pathlib import Path

    import keras

    from sparse_keras.data import Batches, Preprocessor, TextPreprocessor
    from sparse_keras.models import PreprocessedModel, TextGenerator

_CHUNK = 1024  # texts that are predicted together


def classifies_texts(model: keras.Model) -> bool:
    """Returns whether a model predicts labels of texts."""
    from sparse_keras.data import TextPreprocessor

    return isinstance(getattr(model, "preprocessor", None), TextPreprocessor)


def continues_texts(model: keras.Model) -> bool:
    """Returns whether a model is a language model."""
    return hasattr(model, "encode_prompts")


def add_text_column(parser: argparse.ArgumentParser) -> None:
    """Adds `--text-column`, which names the texts of a file."""
    parser.add_argument(
        "--text-column",
        metavar="COLUMN",
        help="the column that holds the texts, for models of texts (default: that of the run's "
        "data)",
    )


def refuse_text_arguments(
    args: argparse.Namespace, reason: str = "this model reads tables"
) -> None:
    """Raises a `ValueError` if an argument for texts would have no effect."""
    if args.text_column is not None:
        raise ValueError(f"--text-column has no effect: {reason}.")


def predict_texts(args: argparse.Namespace, config: Config, model: PreprocessedModel) -> int:
    """Writes the predictions of the texts of a file. Returns their number."""
    import pandas as pd

    from sparse_keras.data.text.counted_tokens import CountedTokens
    from sparse_keras.data.writing import TableWriter

    number, empty, tokens = 0, 0, CountedTokens(model.preprocessor)
    with TableWriter(args.output, overwrite=args.overwrite) as writer:
        for rows in _chunks(_rows(args, config, model.preprocessor)):
            texts = [text or "" for text, *_ in rows]
            empty += sum(not text.strip() for text in texts)
            inputs = model.preprocessor.inputs_of(tokens.rows(texts))
            predictions = model.predict_frame(inputs, verbose=0)
            _refuse_clash(args.keep, predictions)
            # The type of a column must not depend on the part of the file.
            copied = pd.DataFrame(
                [others for _, *others in rows],
                columns=args.keep,
                index=predictions.index,
                dtype="string",
            )
            writer.write(copied.join(predictions))
            number += len(rows)
    if not number:
        where = "standard input" if args.input == "-" else args.input
        raise ValueError(f"{where} holds no text.")
    notes = tokens.notes()
    if empty:
        notes.append(
            f"{empty:,} of {number:,} texts are empty: their prediction is that of no text"
        )
    for note in notes:
        print(note, file=sys.stderr)
    return number


def _refuse_clash(keep, predictions):
    if clashes := [name for name in keep if name in predictions]:
        raise ValueError(f"--keep {clashes[0]}: the predictions also have a column of that name.")


def _rows(
    args: argparse.Namespace, config: Config, preprocessor: TextPreprocessor
) -> Iterator[list[str | None]]:
    """Yields each text with the values to copy."""
    from sparse_keras.data.reading import suffix_of
    from sparse_keras.data.text.rows import is_table, iter_lines, iter_rows

    path = args.input
    options = _options(args, path, config, preprocessor, [path])
    if is_table(path):
        repeated = [name for name, times in Counter(args.keep).items() if times > 1]
        if repeated:
            raise ValueError(f"--keep {repeated[0]} is given twice.")
        copied = {f"--keep {name}": name for name in args.keep}
        columns = {"--text-column": options.text, **copied}
        return iter_rows(
            path, columns, options.encoding, separator=options.separator, copied=copied
        )
    if path != "-" and suffix_of(path) != ".txt":
        raise ValueError(
            f"{path}: texts are read from .csv, .tsv, .jsonl and .parquet files, from .txt files "
            "with one in each line, and from the lines of standard input, which is -."
        )
    if args.keep:
        raise ValueError(f"--keep has no effect: {path} has no columns.")
    lines = _standard_input(options.encoding) if path == "-" else iter_lines(path, options.encoding)
    return ([line] for line in lines)


def _standard_input(encoding):
    from sparse_keras.data.encodings import encoding_of_bytes

    content = sys.stdin.buffer.read()
    encoding = encoding_of_bytes(content[:4], encoding)
    try:
        text = content.decode(encoding)
    except UnicodeError as error:
        raise ValueError(
            f"standard input is not text in {encoding}: {error}. Name its encoding by --encoding."
        ) from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def _chunks(rows):
    while some := list(itertools.islice(rows, _CHUNK)):
        yield some


def batches_of_texts(
    args: argparse.Namespace, path: str, config: Config, model: keras.Model
) -> Batches:
    """Reads the texts of a file or folder, for `evaluate`.

    Returns:
        `TextBatches` for a classifier, whose texts need labels; `TokenBatches` for a language
        model.
    """
    batches, notes = (_labelled_batches if classifies_texts(model) else _token_batches)(
        args, path, config, model
    )
    for note in notes:
        print(note, file=sys.stderr)
    return batches


def _labelled_batches(args, path, config, model):
    from sparse_keras.data import TextBatches
    from sparse_keras.data.text.counted_tokens import CountedTokens
    from sparse_keras.data.text.label_codes import encode_labels
    from sparse_keras.data.text.readers.labelled_texts import read_part
    from sparse_keras.data.text.readers.passes import sentences

    preprocessor, counts = model.preprocessor, Counter[str]()
    options = _options(args, path, config, preprocessor, [path])
    texts, labels = read_part(
        path, options, counts, ("--data", "--text-column", "the target of the model")
    )
    known = set(preprocessor.task.classes)
    if unknown := sorted(set(labels) - known):
        raise ValueError(
            f"{path}: the model knows the classes {listing(preprocessor.task.classes)}. Received: "
            f"{listing(unknown)}, the labels of {sum(label not in known for label in labels):,} of "
            f"{len(labels):,} texts."
        )
    tokens = CountedTokens(preprocessor)
    rows = tokens.rows(texts)
    notes = [*sentences(counts), *tokens.notes()]
    rows, labels = zip(
        *sorted(zip(rows, labels, strict=True), key=lambda row: -len(row[0])), strict=True
    )
    batches = TextBatches(
        rows,
        encode_labels(labels, preprocessor.task),
        batch_size=config.training.batch_size,
        longest=preprocessor.longest,
    )
    return batches, notes


def _token_batches(args, path, config, model: TextGenerator):
    import numpy as np

    from sparse_keras.data import TokenBatches
    from sparse_keras.data.text.matching import matching_files
    from sparse_keras.data.text.readers import text_files

    preprocessor = model.preprocessor
    files, _ = matching_files(path)
    corpus = text_files.read(_options(args, path, config, preprocessor, files), key="--text-column")
    parts, number = [], 0
    for documents in _chunks(iter(corpus.documents())):
        for ids in preprocessor.tokenizer.encode_batch(documents):
            parts.append(np.array([preprocessor.tokenizer.end_id, *ids], "int32"))
        number += len(documents)
    if not parts:
        raise ValueError(f"{path} holds no text.")
    batches = TokenBatches(
        np.concatenate(parts),
        preprocessor.context_length,
        preprocessor.tokenizer.end_id,
        separate=getattr(config.data, "separate_documents", True),
        batch_size=config.training.batch_size,
    )
    return batches, corpus.notes()


def _options(
    args: argparse.Namespace,
    path: str,
    config: Config,
    preprocessor: Preprocessor,
    files: Sequence[str | Path],
) -> Any:
    """The options of the readers: the arguments, or what the run's own data have.

    Args:
        args: The arguments.
        path: The file or folder, or a pattern.
        config: The config of the run.
        preprocessor: That of the model.
        files: The files that `path` names, whose suffixes say in which format they are.

    Raises:
        ValueError: If an argument has no effect, or stands for no character or encoding.
    """
    from sparse_keras.data.reading import suffix_of
    from sparse_keras.data.text.rows import has_separator, is_table

    refuse_file_format(args, "it is for files of tables with numbers", ("decimal", *OF_EXCEL))
    has_columns = any(map(is_table, files))
    if not has_columns:
        refuse_text_arguments(args, f"{path} has no columns")
    if not any(map(has_separator, files)):
        reason = f"{path} is no .csv or .tsv file" if has_columns else f"{path} has no columns"
        refuse_file_format(args, reason, ("separator",))
    if {suffix_of(file) for file in files} == {".parquet"}:
        refuse_file_format(args, "a Parquet file knows its encoding", ("encoding",))
    for name, why_not in (("separator", why_no_separator), ("encoding", why_no_encoding)):
        value = getattr(args, name)
        if value is not None and (reason := why_not(value)):
            raise ValueError(f"--{name}: {reason}")

    def given(name, default):
        value = getattr(args, name)
        return getattr(config.data, name, default) if value is None else value

    separator = given("separator", None)
    if args.separator is None and suffix_of(path) == ".tsv":
        # That of the run may be the one of its .csv files.
        own = getattr(config.data, "path", "")
        separator = separator if suffix_of(own) == ".tsv" else None
    column = args.text_column or getattr(preprocessor, "column", None)
    if column is None and has_columns:
        column = getattr(config.data, "column", None)
    return SimpleNamespace(
        path=path,
        text=column,
        label=getattr(getattr(preprocessor, "task", None), "name", None),
        column=column,
        documents=getattr(config.data, "documents", "file"),
        separator=separator,
        encoding=given("encoding", "utf-8"),
        errors=getattr(config.data, "errors", "strict"),
    )
