"""How raw columns become the arrays a model takes.

`Features` holds everything learned from the training rows. It is stored with a run as JSON, so
that a saved model reads raw rows the way it was trained. `fitting.py` makes one, `encode` uses it.

Axis letters: N rows, C categorical columns.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse

from sparse_keras._internal.suggest import listing
from sparse_keras.data.tabular.columns import all_errors, as_frame
from sparse_keras.data.tabular.csr import (
    SparseColumns,
    SparseTable,
    TextColumn,
    as_csr,
    is_matrix,
)
from sparse_keras.data.tabular.features_as_json import (
    categorical_from_dict,
    column_to_dict,
    date_from_dict,
    date_to_dict,
    numeric_from_dict,
    target_from_dict,
    target_to_dict,
)
from sparse_keras.data.tabular.inputs import TableInputs
from sparse_keras.data.tabular.multi_target import MultiTarget
from sparse_keras.data.tabular.native import is_table
from sparse_keras.data.tabular.numeric_encoding import NumericEncoding
from sparse_keras.data.tabular.selection import Selection
from sparse_keras.data.tabular.stored_features import check_stored_features
from sparse_keras.data.tabular.targets import Target
from sparse_keras.data.tabular.weights import row_weights

# The values of a row that are encoded without pandas.
_SCALARS = (str, int, float, bool, np.generic, type(None))


@dataclass(frozen=True, repr=False)
class Features:
    """The columns of a data set and the statistics of its training rows.

    Args:
        target: A `Target`, or a `MultiTarget` for several.
        numeric: Tuple of `NumericColumn`.
        categorical: Tuple of `CategoricalColumn`.
        weight: The column that says what each row counts in losses and metrics, or None.
        sparse: The `SparseColumns` of a CSR matrix, which has no other columns. None for a table.
        selection: The `Selection` by which these columns were chosen among others, or None.
        dates: Tuple of `DateColumn`.
        texts: Tuple of `TextColumn`; two of the same name if one counts words and the other
            characters.

    Example:

    ```python
    data = sparse_keras.load_data(sparse_keras.load_config("tabular/sparse_mlp_adult"))
    data.features.encode({"age": 39, "workclass": "State-gov", ...})  # one raw row
    ```
    """

    target: Target | MultiTarget
    numeric: tuple = field(default=())
    categorical: tuple = field(default=())
    weight: str | None = None
    sparse: SparseColumns | None = None
    selection: Selection | None = None
    dates: tuple = field(default=())
    texts: tuple = field(default=())

    def __repr__(self):
        if self.sparse is not None:
            name, kind, detail = self.sparse.kinds()
            return f"{name} ({kind}, {detail}); {self._described_target()}"
        selected = f" ({self.selection})" if self.selection is not None else ""
        counts = {"numeric": len(self.numeric), "categorical": len(self.categorical)}
        further = {"date": len(self.dates), "text": len(self._text_names)}
        counts |= {kind: count for kind, count in further.items() if count}
        described = [f"{count} {kind}" for kind, count in counts.items()]
        return (
            f"{', '.join(described[:-1])} and {described[-1]} columns{selected}; "
            f"{self._described_target()}"
        )

    def _described_target(self):
        targets = self.target.targets
        described = ", ".join(f"{target.name} ({target.task})" for target in targets)
        weight = "" if self.weight is None else f"; weights {self.weight}"
        return f"target{'s' * (len(targets) > 1)} {described}{weight}"

    @property
    def columns(self):
        """Names of the raw columns that `encode` needs: numbers, dates, categories, texts."""
        columns = (*self.numeric, *self.dates, *self.categorical)
        return (*(column.name for column in columns), *self._text_names)

    @property
    def _text_names(self):
        return tuple(dict.fromkeys(column.name for column in self.texts))

    @cached_property
    def numbers(self):
        """What is encoded as numbers, `(name, NumericColumn)`: numeric columns, parts of dates."""
        return (
            *((column.name, column) for column in self.numeric),
            *((f"{date.name} ({part.name})", part) for date in self.dates for part in date.parts),
        )

    @property
    def numeric_sources(self):
        """What is behind each of the `numeric_dim` positions of the numeric encoding: the name of
        a raw column, or that of a date's part, such as "signup (month)"."""
        return (
            *(name for name, _ in self.numbers),
            *(name for name, column in self.numbers for _ in range(column.num_bins)),
            *(name for name, column in self.numbers if column.has_missing),
        )

    @property
    def numeric_kinds(self):
        """What each position of the numeric encoding is: a "value", a "bin" or "missing"."""
        columns = [column for _, column in self.numbers]
        return (
            *("value" for _ in columns),
            *("bin" for column in columns for _ in range(column.num_bins)),
            *("missing" for column in columns if column.has_missing),
        )

    @property
    def numeric_dim(self):
        """Width of the numeric encoding."""
        return len(self.numeric_sources)

    @property
    def sparse_dim(self):
        """Width of what is mostly zeros, 0 for none."""
        columns = self.texts if self.sparse is None else (self.sparse,)
        return sum(column.width for column in columns)

    @property
    def only_sparse(self):
        """Whether a CSR matrix is all that is encoded."""
        return bool(self.sparse_dim) and not self.numbers and not self.categorical

    @property
    def cardinalities(self):
        """Number of codes of each categorical column."""
        return tuple(column.cardinality for column in self.categorical)

    def inputs(self) -> TableInputs:
        """Returns what a model has to know of the columns."""
        sources = self.numeric_sources
        numbers = {name: number for number, name in enumerate(dict.fromkeys(sources))}
        return TableInputs(
            numeric_dim=self.numeric_dim,
            cardinalities=self.cardinalities,
            numeric_groups=tuple(numbers[name] for name in sources),
            numeric_kinds=self.numeric_kinds,
            sparse_dim=self.sparse_dim,
        )

    def kinds(self, frame=None):
        """Describes how each column is used.

        Args:
            frame: The DataFrame of the training rows, for the share of missing values. Without
                it, only whether numbers were missing is known.

        Returns:
            A list of `(name, kind, detail)`, the inputs first. `kind` is "numeric", "date",
            "categorical", "text", "sparse", "left out" (a column that was not selected), "target"
            or "weight"; `detail` is such as "32 bins; missing 3.1 %" or "12 categories; score
            0.31".
        """
        shown = []
        scores = {} if self.selection is None else self.selection.scores
        for column in (*self.numeric, *self.dates, *self.categorical, *self.texts):
            details = [column.detail]
            if frame is None:
                details += ["some missing"] if getattr(column, "has_missing", False) else []
            elif missing := column.missing(frame[column.name]).mean():
                details.append(f"missing {missing:.1%}")
            if column.name in scores:
                details.append(f"score {scores[column.name]:.3g}")
            shown.append((column.name, column.kind, "; ".join(filter(None, details))))
        if self.sparse is not None:
            shown.append(self.sparse.kinds())
        if self.selection is not None:
            shown += self.selection.kinds()
        for target in self.target.targets:
            classes = f": {listing(target.classes, limit=4)}" if target.classes else ""
            written = "" if target.number_format is None else f"; written as {target.number_format}"
            shown.append((target.name, "target", f"{target.task}{classes}{written}"))
        return shown if self.weight is None else [*shown, (self.weight, "weight", "")]

    def encode(self, table):
        """Encodes raw columns for a model.

        The numeric array holds three blocks: every column standardised; the piecewise-linear
        encoding of every column's bins; one indicator (1 = missing) for each column that had
        missing values in training. A missing value is 0 in the first two. Values beyond those
        seen in training count as the outermost bin; standardised, they are clipped to +-100,
        infinite ones included.

        Args:
            table: A DataFrame, a dict of columns, or a dict of scalars (one row). Columns that
                are not needed are ignored. For the columns of a CSR matrix, a matrix of
                `scipy.sparse` or a `SparseTable`; if a text is the only column, also the texts
                alone, or their matrix.

        Returns:
            A dict: "numeric", float32 `[N, numeric_dim]`, never NaN; "categorical", int32
            `[N, C]`, 0 missing, 1 unseen in training, from 2 the vocabulary; "sparse", float32
            CSR, of texts one after the other. A key is left out when there is no such column.

        Raises:
            ValueError: If columns are missing, or a numeric one holds something else.

        Reference:
            [Gorishniy et al., 2022, On Embeddings for Numerical Features in Tabular Deep
            Learning](https://arxiv.org/abs/2203.05556), equation 1.
        """
        if self.sparse is not None:
            return {"sparse": self.sparse.encode(table)}
        if self.columns == self._text_names and len(self.columns) == 1:
            if is_matrix(table):
                return {"sparse": as_csr(table, self.sparse_dim)}
            table = self._table_of_texts(table)
        if isinstance(table, SparseTable) or is_matrix(table):
            raise ValueError(
                "Expected a table with named columns, as in training. Received a sparse matrix of "
                f"shape {(table.matrix if isinstance(table, SparseTable) else table).shape}. A "
                "model learns to take matrices from a data.SparseTable."
            )
        row = self._of_row(table)
        frame = as_frame(table, self.columns) if row is None else None
        values, codes = row or self._of_frame(frame)
        encoded = {}
        if values:
            encoded["numeric"] = self._numeric_encoding(np.stack(values, axis=1))
        if codes:
            encoded["categorical"] = np.stack(codes, axis=1).astype("int32", copy=False)
        if self.texts:
            blocks = [column.encode(frame[column.name]) for column in self.texts]
            encoded["sparse"] = as_csr(scipy.sparse.hstack(blocks, format="csr"))
        return encoded

    @cached_property
    def _numeric_encoding(self):
        return NumericEncoding([column for _, column in self.numbers])

    def _table_of_texts(self, table):
        if isinstance(table, str):
            raise ValueError(f"Expected several texts. Received one: {table[:40]!r}. Pass [text].")
        named = is_table(table) or isinstance(table, (dict, SparseTable))
        return table if named else {self.columns[0]: table}

    def _of_frame(self, frame):
        """The numbers and the codes of the columns of a DataFrame."""
        codes = [column.encode(frame[column.name]) for column in self.categorical]
        return self.values(frame), codes

    def values(self, frame):
        """Returns the raw numbers behind `numbers`, a list of float64 `[N]`, NaN where missing.

        Args:
            frame: A DataFrame with the columns of numbers and dates.

        Raises:
            ValueError: If columns hold something else, all of which are listed.
        """
        values, errors = [], []
        for column in (*self.numeric, *self.dates):
            try:
                found = column.values(frame[column.name])
            except ValueError as error:
                errors.append(str(error))
            else:
                values += found if column.kind == "date" else [found]
        if errors:
            raise ValueError(all_errors(errors))
        return values

    def _of_row(self, row):
        """What `_of_frame` returns, for one row and without pandas, which would take longer.

        None if the table is something else, or a value is not a number; `_of_frame` then raises the
        error with the row.
        """
        if not isinstance(row, dict) or self.dates or self.texts:
            return None
        if not all(isinstance(row.get(name, ()), _SCALARS) for name in self.columns):
            return None
        try:
            values = [np.array([column.value(row[column.name])]) for column in self.numeric]
        except ValueError:
            return None
        return values, [np.array([column.code(row[column.name])]) for column in self.categorical]

    def encode_target(self, values):
        """Encodes raw target values for `fit`: see `Target.encode` and `MultiTarget.encode`."""
        if isinstance(values, SparseTable):
            values = values.targets
        return self.target.encode(values)

    def sample_weight(self, table, targets=None):
        """What each row counts for each target, as `fit` and `evaluate` take it.

        Args:
            table: A table with the columns of the target and, if there is one, that of the weights.
            targets: A table with the columns of the target, if `table` does not have them.

        Returns:
            For one target, float32 `[N]`, or None where all rows count alike. For several, a dict
            of such arrays: the row's weight, or 0 where the label is missing.

        Raises:
            ValueError: If a weight is missing, negative or infinite, or all are 0.
        """
        if isinstance(table, SparseTable):
            table = table.targets
        weights = None if self.weight is None else row_weights(table, self.weight)
        if not isinstance(self.target, MultiTarget):
            return weights
        one = np.float32(1) if weights is None else weights
        present = self.target.present(table if targets is None else targets)
        return {name: there * one for name, there in present.items()}

    def to_dict(self):
        """Returns a dict that survives JSON; `from_dict` gives back an equal `Features`."""
        content = {} if self.weight is None else {"weight": self.weight}
        content |= {
            "target": target_to_dict(self.target),
            "numeric": [column_to_dict(column) for column in self.numeric],
            "categorical": [column_to_dict(column) for column in self.categorical],
        }
        # Left out if there is none: the encodings of older models stay as they were.
        if self.selection is not None:
            content["selection"] = self.selection.to_dict()
        if self.dates:
            content["dates"] = [date_to_dict(column) for column in self.dates]
        if self.texts:
            content["texts"] = [column.to_dict() for column in self.texts]
        return content if self.sparse is None else content | {"sparse": self.sparse.to_dict()}

    @classmethod
    def from_dict(cls, content):
        """Makes a `Features` from what `to_dict` returned.

        Raises:
            ValueError: If it is something else.
        """
        check_stored_features(content)
        sparse, texts = content.get("sparse"), content.get("texts", [])
        if sparse and sparse["type"] == "text":  # As models of one text were stored.
            sparse, texts = None, [sparse]
        return cls(
            target=target_from_dict(content["target"]),
            numeric=tuple(numeric_from_dict(column) for column in content["numeric"]),
            categorical=tuple(categorical_from_dict(column) for column in content["categorical"]),
            weight=content.get("weight"),
            sparse=sparse and SparseColumns.from_dict(sparse),
            selection=Selection.from_dict(content["selection"]) if "selection" in content else None,
            dates=tuple(date_from_dict(column) for column in content.get("dates", [])),
            texts=tuple(TextColumn.from_dict(column) for column in texts),
        )
