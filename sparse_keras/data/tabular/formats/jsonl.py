"""JSON lines: one object a line, `{"age": 39, "city": "Rome"}`; a key left out is missing."""

import itertools
import json

import pandas as pd

from sparse_keras.data.tabular.formats.base import TableFile, without_missing_strings


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
        with open(self.path, encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield self._row(line, number)

    def _row(self, line, number):
        try:
            row = json.loads(line)
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
        frame = pd.DataFrame(rows, columns=list(names))
        return self.named(without_missing_strings(frame), start)
