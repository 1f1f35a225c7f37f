"""What the sections of texts in files of your own share."""

import os
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from sparse_keras._internal.csv_characters import why_no_encoding, why_no_separator
from sparse_keras.schema.core.section import Text

# Files that have columns, as their names say, and those of them whose cells have a separator.
TABLES = frozenset([".csv", ".tsv", ".jsonl", ".parquet"])
DELIMITED = frozenset([".csv", ".tsv"])
_COMPRESSED = (".gz", ".bz2", ".xz")


def _checked_by(why_not):
    def check(value):
        if value is not None and (reason := why_not(value)):
            raise PydanticCustomError("characters", "{reason}", {"reason": reason})
        return value

    return AfterValidator(check)


Encoding = Annotated[Text, _checked_by(why_no_encoding)]
Separator = Annotated[Text | None, _checked_by(why_no_separator)]


def suffix_of(path: str) -> str:
    """The suffix that tells the format of a file, such as ".csv" for texts.CSV.gz."""
    root, suffix = os.path.splitext(path)
    if suffix.lower() in _COMPRESSED:
        suffix = os.path.splitext(root)[1]
    return suffix.lower()
