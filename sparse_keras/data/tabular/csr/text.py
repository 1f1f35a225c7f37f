"""TextColumn: a column of texts, as weighted counts of their words."""

from dataclasses import asdict, dataclass, fields
from functools import cached_property

import numpy as np
import pandas as pd

from sparse_keras.data.csr import as_csr, is_matrix
from sparse_keras.data.tabular.columns import as_frame


@dataclass(frozen=True, repr=False)
class TextColumn:
    """A column of texts as TF-IDF: scikit-learn's `TfidfVectorizer`, stored as plain numbers.

    A word is two or more letters or digits, in lower case. A row has length 1, or is all zeros if
    it has no word that the training rows have.

    Args:
        name: The column.
        vocabulary: Tuple of the words, and of runs of words, of the training rows.
        idf: Tuple with the weight of each: how rare it is.
        sublinear_tf: Whether a count c becomes 1 + log(c).
        ngram_max: Most words of a run that counts as a word of its own.
    """

    name: str
    vocabulary: tuple
    idf: tuple
    sublinear_tf: bool = False
    ngram_max: int = 1

    @classmethod
    def fit(cls, texts, sublinear_tf=False, ngram_max=1, min_df=1, max_features=None):
        """Learns the words of the training rows.

        Args:
            texts: Series of texts, whose name is the column's.
            sublinear_tf, ngram_max: As above.
            min_df: Fewest rows that a word must be in.
            max_features: Most words, the most frequent ones; None for all.

        Raises:
            ValueError: If a row has no text, or no word is left.
        """
        vectorizer = _vectorizer(sublinear_tf, ngram_max, min_df=min_df, max_features=max_features)
        try:
            vectorizer.fit(_texts(texts))
        except ValueError as error:  # Such as: no terms remain.
            raise ValueError(
                f"Column {texts.name!r} has no words to learn from: {error}"
            ) from error
        words = vectorizer.get_feature_names_out().tolist()
        idf = vectorizer.idf_.astype("float32").tolist()
        return cls(texts.name, tuple(words), tuple(idf), sublinear_tf, ngram_max)

    @property
    def columns(self):
        return (self.name,)

    @property
    def width(self):
        return len(self.vocabulary)

    @cached_property
    def _fitted(self):
        vectorizer = _vectorizer(self.sublinear_tf, self.ngram_max, vocabulary=self.vocabulary)
        vectorizer.idf_ = np.asarray(self.idf, "float32")
        return vectorizer

    def encode(self, table):
        """Returns float32 CSR `[N, width]`.

        Args:
            table: A table with the column: a DataFrame, a dict of columns, one row's dict; or the
                texts alone, a list of strings; or a matrix that was encoded already.

        Raises:
            ValueError: If there is no such column, or a row has no text.
        """
        if is_matrix(table):
            return as_csr(table, self.width)
        if isinstance(table, str):
            raise ValueError(f"Expected several texts. Received one: {table[:40]!r}. Pass [text].")
        if not isinstance(table, (pd.DataFrame, dict)):
            table = {self.name: table}
        texts = as_frame(table, self.columns)[self.name]
        return as_csr(self._fitted.transform(_texts(texts)))

    def kinds(self):
        """The entry of `Features.kinds`: `(name, kind, detail)`."""
        return self.name, "text", f"{self.width:,} words"

    def to_dict(self):
        content = asdict(self)
        return {"type": "text", **content, "vocabulary": list(self.vocabulary)} | {
            "idf": list(self.idf)
        }

    @classmethod
    def from_dict(cls, content):
        known = {field.name: content[field.name] for field in fields(cls)}
        return cls(**known | {"vocabulary": tuple(known["vocabulary"]), "idf": tuple(known["idf"])})


def _vectorizer(sublinear_tf, ngram_max, **options):
    # Imported here: other models do not need it.
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        sublinear_tf=sublinear_tf, ngram_range=(1, ngram_max), dtype=np.float32, **options
    )


def _texts(series):
    """The texts as a list; numbers, as a file may hold them among texts, as they are written."""
    missing = series.isna().to_numpy()
    if missing.any():
        raise ValueError(
            f"Column {series.name!r} must hold a text in every row. Received none in row "
            f"{int(missing.argmax()) + 1} (the first row of data is 1), and "
            f"{int(missing.sum()) - 1} more."
        )
    return [value if isinstance(value, str) else str(value) for value in series]
