"""Labelled texts of your own: a file with a column of texts and one of labels, or folders."""

import os
from collections import Counter
from pathlib import Path

from sparse_keras._internal.suggest import listing
from sparse_keras.data.encodings import decoded
from sparse_keras.data.reading import check_exists
from sparse_keras.data.text.corpus import LabelledTexts
from sparse_keras.data.text.labels import classes_of, count_shared
from sparse_keras.data.text.matching import matching_files
from sparse_keras.data.text.readers.passes import sentences
from sparse_keras.data.text.rows import TABLE_SUFFIXES, is_table, iter_rows


def read(options):
    """Returns the texts as `LabelledTexts`.

    Args:
        options: Anything with `path`, `test_path`, `validation_path`, `text`, `label`, `separator`
            and `encoding`.

    Raises:
        ValueError: If a path names neither a file of a known format nor a folder with a folder for
            each class, if a file is damaged, lacks a column or is not in its encoding, if there are
            fewer than two classes, or if two differ in case alone.
    """
    counts = Counter()
    train, test, validation = (
        None if path is None else read_part(path, options, counts, (key, "data.text", "data.label"))
        for key, path in (
            ("data.path", options.path),
            ("data.test_path", options.test_path),
            ("data.validation_path", options.validation_path),
        )
    )
    others = {"Test": test, "Validation": validation}
    others = {name: part for name, part in others.items() if part}
    for name, (texts, labels) in others.items():
        count_shared(train[0], texts, counts, name)
        if unknown := sorted(set(labels) - set(train[1])):
            what = f"{name} texts of classes that no training text has ({listing(unknown)})"
            counts[what] += sum(label in unknown for label in labels)
    classes = classes_of(str(options.path), train[1], *(labels for _, labels in others.values()))
    return LabelledTexts(
        name=Path(options.path).name,
        target=options.label,
        train=train,
        test=test,
        classes=classes,
        validation=validation,
        notes=sentences(counts),
    )


def read_part(path, options, counts, keys):
    """Returns the texts of a file or folder, and their labels.

    Args:
        path: The file or folder.
        options: Anything with `text`, `label`, `separator` and `encoding`.
        counts: A `Counter` of notes, to which is added what is left out or changed.
        keys: What names the path, and the columns of texts and of labels, for messages.

    Raises:
        ValueError: As of `read`; or if no text has a label.
    """
    if os.path.isdir(path):
        rows = _folders(path, options, counts)
    else:
        rows = _file(path, options, dict(zip(keys[1:], (options.text, options.label), strict=True)))
    texts, labels = [], []
    for text, label in rows:
        stripped = label.strip() if label else ""
        if not text or not text.strip():
            counts["Texts without text, left out"] += 1
        elif not stripped:
            counts["Texts without label, left out"] += 1
        else:
            counts["Labels with spaces around them, which were removed"] += stripped != label
            texts.append(text)
            labels.append(stripped)
    if not texts:
        raise ValueError(f"{keys[0]}: {path} holds no text that has a label.")
    return texts, labels


def _file(path, options, columns):
    check_exists(path)
    if not is_table(path):
        raise ValueError(
            f"{path}: expected a file that ends in {', '.join(TABLE_SUFFIXES)}, or a folder with a "
            "folder of texts for each class."
        )
    yield from iter_rows(path, columns, options.encoding, separator=options.separator)


def _folders(path, options, counts):
    """Yields the text and the class of each file in the folders of a folder."""
    files, hidden = matching_files(path)
    counts["Hidden files, left out"] += hidden
    outside = 0
    for file in files:
        parts = file.relative_to(path).parts
        if len(parts) == 1:
            outside += 1
            continue
        if is_table(file):
            raise ValueError(
                f"{file}: expected plain text, as {path} is a folder. To read a table, name the "
                "file itself."
            )
        yield "".join(decoded(file, options.encoding)), parts[0]
    counts["Files outside the folders of the classes, left out"] += outside
