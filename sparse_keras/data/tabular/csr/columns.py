"""SparseColumns: the columns of a sparse matrix, as a model knows them."""

from dataclasses import dataclass

from sparse_keras.data.csr import as_csr
from sparse_keras.data.tabular.csr.table import SparseTable


@dataclass(frozen=True)
class SparseColumns:
    """Columns of a matrix that is mostly zeros, which go into a network as they are.

    Standardising would fill the zeros, so that nothing is learned from them.

    Args:
        width: Number of columns.
        names: Their names, or None.
        density: Part of the training rows' entries that is not zero, for people.
    """

    width: int
    names: tuple | None = None
    density: float | None = None

    columns = ()  # There are no named columns.

    @classmethod
    def fit(cls, table):
        """Learns them from the `SparseTable` of the training rows."""
        rows, width = table.matrix.shape
        return cls(width, table.names, table.matrix.nnz / (rows * width))

    def encode(self, table):
        """Returns float32 CSR `[N, width]`.

        Args:
            table: A sparse matrix of SciPy's, or a `SparseTable`.

        Raises:
            ValueError: If it is neither, or has other columns.
        """
        if isinstance(table, SparseTable):
            if None not in (self.names, table.names) and self.names != table.names:
                pairs = zip(self.names, table.names, strict=False)
                pair = next((pair for pair in pairs if pair[0] != pair[1]), None)
                hint = f" The first that differs: {pair[0]!r} and {pair[1]!r}." if pair else ""
                raise ValueError(f"Expected the columns of the training, in their order.{hint}")
            table = table.matrix
        return as_csr(table, self.width)

    def kinds(self):
        """The entry of `Features.kinds`: `(name, kind, detail)`."""
        detail = "" if self.density is None else f"{self.density:.2%} not zero"
        return f"{self.width:,} columns", "sparse", detail

    def to_dict(self):
        names = None if self.names is None else list(self.names)
        return {"type": "matrix", "width": self.width, "names": names, "density": self.density}

    @classmethod
    def from_dict(cls, content):
        names = content["names"]
        return cls(content["width"], None if names is None else tuple(names), content["density"])
