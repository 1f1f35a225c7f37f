"""TextColumn: a column of texts, as weighted counts of their words or characters."""

from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property

import numpy as np
import pandas as pd
import scipy.sparse

from sparse_keras.data.csr import as_csr
from sparse_keras.data.tabular.missing import ALWAYS_MISSING, words_of


@dataclass(frozen=True, repr=False)
class TextColumn:
    """A column of texts as TF-IDF: scikit-learn's `TfidfVectorizer`, stored as plain numbers.

    A word is two or more letters or digits, in lower case. A row has length 1, or is all zeros if
    it has no n-gram that the training rows have; so has a row without a text.

    Args:
        name: The column.
        vocabulary: Tuple of the n-grams of the training rows.
        idf: Tuple with the weight of each: how rare it is.
        sublinear_tf: Whether a count c becomes 1 + log(c).
        ngram_max: Maximum number of words, or of characters, in an n-gram.
        ngram_min: Minimum number.
        analyzer: What n-grams are made of: "word", or "char_wb" for the characters within words,
            with a blank on both sides.
        missing_values: Words that mean "missing" beside the usual words.
    """

    name: str
    vocabulary: tuple
    idf: tuple
    sublinear_tf: bool = False
    ngram_max: int = 1
    ngram_min: int = 1
    analyzer: str = "word"
    missing_values: tuple = ()

    kind = "text"

    @classmethod
    def fit(cls, texts, min_df=1, max_features=None, **options):
        """Learns the n-grams of the training rows.

        Args:
            texts: Series of texts, whose name is the column's.
            min_df: Minimum number of rows in which an n-gram must occur.
            max_features: Maximum number of n-grams, the most frequent ones; None for all.
            **options: `sublinear_tf`, `ngram_max`, `ngram_min`, `analyzer` and `missing_values`, as
                above.

        Raises:
            ValueError: If no n-gram is left.
        """
        unfitted = cls(texts.name, (), (), **options)
        vectorizer = unfitted._vectorizer(min_df=min_df, max_features=max_features)
        try:
            vectorizer.fit(unfitted.texts(texts))
        except ValueError as error:  # Such as: no terms remain.
            what = "n-grams of characters" if unfitted.analyzer == "char_wb" else "words"
            raise ValueError(
                f"Column {texts.name!r} has no {what} to learn from: none of two letters or more "
                f"is in at least {min_df} rows (min_df). For codes and text without blanks, set "
                "data.columns: {...: {type: text, ngram_max: 0, char_ngram_max: 4}}."
            ) from error
        words = vectorizer.get_feature_names_out().tolist()
        idf = vectorizer.idf_.astype("float32").tolist()
        return replace(unfitted, vocabulary=tuple(words), idf=tuple(idf))

    @property
    def width(self):
        return len(self.vocabulary)

    @property
    def detail(self):
        """Describes the column in a few words."""
        what = "characters" if self.analyzer == "char_wb" else "words"
        if self.ngram_max > 1:
            lengths = f"{self.ngram_min} to {self.ngram_max}"
            return f"{self.width:,} n-grams of {lengths} {what}"
        return f"{self.width:,} {what}"

    @cached_property
    def _fitted(self):
        vectorizer = self._vectorizer(vocabulary=self.vocabulary)
        vectorizer.idf_ = np.asarray(self.idf, "float32")
        return vectorizer

    def _vectorizer(self, **options):
        # Imported here: other models do not need it.
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(
            analyzer=self.analyzer,
            sublinear_tf=self.sublinear_tf,
            ngram_range=(self.ngram_min, self.ngram_max),
            dtype=np.float32,
            **options,
        )

    def encode(self, series):
        """Returns a column of texts as float32 CSR `[N, width]`."""
        texts = self.texts(series)
        if not texts:
            return scipy.sparse.csr_matrix((0, self.width), dtype="float32")
        return as_csr(self._fitted.transform(texts))

    def texts(self, series):
        """Returns a column as a list of texts, "" where missing. Numbers, as a file may hold them
        among texts, are text as they are written."""
        series = series if isinstance(series, pd.Series) else pd.Series(series, dtype=object)
        words = {*ALWAYS_MISSING, *words_of(self.missing_values)}
        texts = [value if isinstance(value, str) else str(value) for value in series]
        return [
            "" if gone or text.strip() in words else text
            for text, gone in zip(texts, series.isna(), strict=True)
        ]

    def missing(self, series):
        """Returns bool `[N]`: whether each row has no text."""
        return np.array([not text for text in self.texts(series)], bool)

    def to_dict(self):
        """Returns a dict that survives JSON."""
        content = asdict(self)
        for name, value in content.items():
            content[name] = list(value) if isinstance(value, tuple) else value
        return content

    @classmethod
    def from_dict(cls, content):
        """Makes a `TextColumn` from what `to_dict` returned."""
        known = {field.name: content[field.name] for field in fields(cls) if field.name in content}
        return cls(**{n: tuple(v) if isinstance(v, list) else v for n, v in known.items()})
