"""The files that a path names: one file, all files of a folder, or those that a pattern matches."""

import glob
import os
from pathlib import Path

from sparse_keras.data.reading import check_exists

# Files that hold texts in a form that is not read here, and what to do with them.
_CONVERT = {
    ".xlsx": "save it as CSV",
    ".xls": "save it as CSV",
    ".docx": "save it as plain text",
    ".doc": "save it as plain text",
    ".pdf": "convert it to plain text, for example with pdftotext",
    ".zip": "unpack it, and name the folder",
    ".tar": "unpack it, and name the folder",
    ".tgz": "unpack it, and name the folder",
    ".7z": "unpack it, and name the folder",
}


def matching_files(path):
    """Returns the files that a path names, sorted, and the number of hidden files left out.

    Args:
        path: A file; a folder, of which all files count, at any depth, but those whose name or
            folder begins with a dot; or a pattern, in which * stands for any characters and **
            for any folders. A file or folder of that very name comes before a pattern.

    Returns:
        `(files, hidden)`: a list of `Path`s, and a number.

    Raises:
        ValueError: If there is no such file, or if a file is of a format that is not read.
    """
    hidden = 0
    if os.path.isdir(path):
        files = [Path(folder, name) for folder, _, names in os.walk(path) for name in names]
        shown = [file for file in files if not _is_hidden(file.relative_to(path))]
        hidden = len(files) - len(shown)
        files = shown
        if not files:
            raise ValueError(
                f"The folder {path} holds no files{' but hidden ones' * bool(hidden)}."
            )
    elif not os.path.isfile(path) and glob.has_magic(str(path)):
        files = [Path(file) for file in glob.glob(str(path), recursive=True)]
        files = [file for file in files if file.is_file()]
        if not files:
            raise ValueError(
                f"No file matches {path}. In a pattern, * stands for any characters within a name, "
                "and ** for any folders."
            )
    else:
        check_exists(path)
        files = [Path(path)]
    for file in files:
        _refuse_other_formats(file)
    return sorted(files), hidden


def _is_hidden(path):
    return any(part.startswith(".") for part in path.parts)


def _refuse_other_formats(file):
    if advice := _CONVERT.get(file.suffix.lower()):
        raise ValueError(
            f"{file}: expected plain text, .csv, .tsv, .jsonl or .parquet. Please {advice}."
        )
