"""JSON lines: one object a line, `{"age": 39, "city": "Rome"}`; a key left out is missing."""

import itertools
import json

import pandas as pd

from sparse_keras.data.tabular.formats.base import TableFile, without_missing_strings
from sparse_keras.data.tabular.reading import damage_told, not_utf8, open_bytes


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
        with damage_told(self.path, "is damaged"):
            file = open_bytes(self.path)
        with file:
            for number in itertools.count(1):
                with damage_told(self.path, "is damaged"):
                    line = file.readline()
                if not line:
                    return
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError:
                    raise ValueError(not_utf8(self.path)) from None
                if text.strip():
                    yield self._row(text, number)

    def _row(self, line, number):
        try:
            row = json.loads(line, object_pairs_hook=_distinct)
            if "\\u" in line:  # Half of a pair of surrogates is JSON, and no text.
                "".join(
                    text for pair in row.items() for text in pair if isinstance(text, str)
                ).encode()
        except RecursionError:
            raise ValueError(
                f"{self.path}, line {number} is nested too deep for a table."
            ) from None
        except ValueError as error:
            raise ValueError(f"{self.path}, line {number} is not JSON: {error}.") from None
        if not isinstance(row, dict):
            raise ValueError(
                f"{self.path}, line {number}: expected an object such as "
                f'{{"age": 39}}. Received: {line.strip()[:40]}.'
            )
        for name, value in row.items():
            if isinstance(value, (dict, list)):
                raise ValueError(
                    f"{self.path}, line {number}: expected a number, text, true, false or null "
                    f"for {name!r}. Received: {json.dumps(value)[:40]}."
                )
        return row

    def _frame(self, rows, names, start):
        for row in rows:
            names.update(dict.fromkeys(row))
        with damage_told(self.path, "cannot be read as a table"):
            frame = pd.DataFrame(rows, columns=list(names))
        return self.named(without_missing_strings(frame), start)


def _distinct(pairs):
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands twice")
    return row
