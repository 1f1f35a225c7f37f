"""JSON lines: one object a line, `{"age": 39, "city": "Rome"}`; a key left out is missing."""

import itertools
import json

import pandas as pd

from sparse_keras.data.reading import errors_naming, not_utf8, open_bytes
from sparse_keras.data.tabular.formats.base import TableFile
from sparse_keras.data.tabular.missing import with_missing


class JSONLinesFile(TableFile):
    """A file of JSON lines."""

    def read(self):
        return self._frame(list(self._rows()), {}, 0)

    def raw_chunks(self, num_rows):
        """Chunks have the columns seen so far, in the order in which they appeared."""
        rows = self._rows()
        names = {}
        start = 0
        while chunk := list(itertools.islice(rows, num_rows)):
            yield self._frame(chunk, names, start)
            start += len(chunk)

    def _rows(self):
        for number, line in enumerate(self._lines(), 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                raise ValueError(not_utf8(self.path)) from None
            if text.strip():
                try:
                    yield _row(text)
                except RecursionError:
                    raise ValueError(
                        f"{self.path}, line {number} is nested too deep for a table."
                    ) from None
                except ValueError as error:
                    raise ValueError(f"{self.path}, line {number}{error}") from None

    def _lines(self):
        with errors_naming(self.path, "is damaged"), open_bytes(self.path) as file:
            yield from file

    def _frame(self, rows, names, start):
        for row in rows:
            names.update(dict.fromkeys(row))
        with errors_naming(self.path, "cannot be read as a table"):
            frame = pd.DataFrame(rows, columns=list(names))
        return self.named(with_missing(frame, self.missing), start)


def _row(line):
    """The dict of a line. What is wrong with it follows the number of the line."""
    try:
        row = json.loads(line, object_pairs_hook=_distinct)
    except ValueError as error:
        raise ValueError(f" is not JSON: {error}.") from None
    if not isinstance(row, dict):
        raise ValueError(
            f': expected an object such as {{"age": 39}}. Received: {line.strip()[:40]}.'
        )
    for name, value in row.items():
        if isinstance(value, (dict, list)):
            raise ValueError(
                f": expected a number, text, true, false or null for {name!r}. Received: "
                f"{json.dumps(value)[:40]}."
            )
    if "\\u" in line:  # Half of a pair of surrogates is JSON, and no text.
        texts = (text for pair in row.items() for text in pair if isinstance(text, str))
        try:
            "".join(texts).encode()
        except UnicodeEncodeError as error:
            raise ValueError(f" holds what is no text: {error}.") from None
    return row


def _distinct(pairs):
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands twice")
    return row
