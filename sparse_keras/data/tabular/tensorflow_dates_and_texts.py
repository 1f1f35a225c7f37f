"""Dates and texts in a SavedModel: what `date_column.py` and `csr/text.py` compute, as a graph.

Axis letters: N rows, V width of the encoding of a text.
"""

import numpy as np
import tensorflow as tf

from sparse_keras.data.tabular.missing import ALWAYS_MISSING, words_of

# What Python's `str.split` and `str.strip` take for blanks; `tf.strings` knows those of ASCII only.
BLANKS = r"[\s\v\x1c-\x1f\x{85}\p{Z}]"
_DAY, _HOUR, _MINUTE = 86_400_000_000, 3_600_000_000, 60_000_000  # in microseconds


def date_parts(seconds, newest):
    """`date_column.date_parts` of a tensor.

    Args:
        seconds: float64 `[N]`, seconds since 1970-01-01 UTC, NaN where missing.
        newest: The date from which ages count.

    Returns:
        Dict from the name of each part to float64 `[N]`, NaN where missing.
    """
    missing = tf.math.is_nan(seconds)
    times = tf.cast(tf.round(tf.where(missing, tf.zeros_like(seconds), seconds) * 1e6), "int64")
    days, time = times // _DAY, times % _DAY
    year, month = _year_and_month(days)
    parts = {
        "age": (newest - seconds) / 86_400.0,
        "year": tf.cast(year, "float64"),
        "month": tf.cast(month, "float64"),
        "weekday": tf.cast((days + 3) % 7, "float64"),  # 1970 began on a Thursday.
        "hour": tf.cast(time // _HOUR, "float64")
        + tf.cast(time % _HOUR // _MINUTE, "float64") / 60.0,
    }
    nan = tf.constant(np.nan, "float64")
    return {name: tf.where(missing, nan, values) for name, values in parts.items()}


def _year_and_month(days):
    """The Gregorian calendar, of days since 1970-01-01.

    Years are counted from March, so that the leap day is the last of a year, in periods of 400
    years, which all have 146,097 days; 719,468 days are from 0000-03-01 to 1970.
    """
    days += 719_468
    period, day = days // 146_097, days % 146_097
    year = (day - day // 1_460 + day // 36_524 - day // 146_096) // 365
    day_of_year = day - (365 * year + year // 4 - year // 100)
    month = (5 * day_of_year + 2) // 153  # 0: March
    month = tf.where(month < 10, month + 3, month - 9)
    return year + 400 * period + tf.cast(month <= 2, "int64"), month


class TextEncoder:
    """`TextColumn.encode` as TensorFlow operations.

    Args:
        column: A `TextColumn`.
    """

    def __init__(self, column):
        self.column = column
        ids = tf.range(column.width, dtype="int64")
        initializer = tf.lookup.KeyValueTensorInitializer(
            tf.constant(column.vocabulary, tf.string), ids
        )
        self.table = tf.lookup.StaticHashTable(initializer, default_value=-1)
        self.idf = tf.constant(column.idf, tf.float32)

    def __call__(self, texts):
        """Encodes texts, string `[N]`, as a `tf.SparseTensor` `[N, V]`."""
        ids = tf.ragged.map_flat_values(self.table.lookup, self._ngrams(texts))
        known = ids.flat_values >= 0
        rows = tf.boolean_mask(ids.value_rowids(), known)
        # The counts of each word in each row.
        places = rows * self.column.width + tf.boolean_mask(ids.flat_values, known)
        places, _, counts = tf.unique_with_counts(tf.sort(places))
        rows, columns = places // self.column.width, places % self.column.width
        values = tf.cast(counts, tf.float32)
        if self.column.sublinear_tf:
            values = 1.0 + tf.math.log(values)
        values *= tf.gather(self.idf, columns)
        count = tf.shape(texts, out_type=tf.int64)[0]
        squares = tf.math.unsorted_segment_sum(values**2, rows, count)
        values /= tf.sqrt(tf.gather(squares, rows))
        return tf.SparseTensor(
            tf.stack([rows, columns], axis=1), values, tf.stack([count, self.column.width])
        )

    def _ngrams(self, texts):
        """The n-grams of each text, a ragged tensor of strings `[N, ...]`."""
        column = self.column
        missing = tf.constant([*ALWAYS_MISSING, *words_of(column.missing_values)])
        gone = tf.reduce_any(stripped(texts)[:, None] == missing, axis=1)
        texts = tf.strings.lower(tf.where(gone, "", texts), encoding="utf-8")
        lengths = range(column.ngram_min, column.ngram_max + 1)
        if column.analyzer == "char_wb":
            words = tf.strings.split(tf.strings.regex_replace(texts, f"{BLANKS}+", " "))
            words = tf.ragged.map_flat_values(lambda word: " " + word + " ", words)
            characters = tf.strings.unicode_split(words, "UTF-8")
            # A word that is shorter than all n-grams counts as a whole.
            ngrams = [
                tf.strings.ngrams(
                    characters, length, "", preserve_short_sequences=length == lengths[0]
                ).merge_dims(1, 2)
                for length in lengths
            ]
        else:
            # As scikit-learn: at least two letters, digits or underscores.
            words = tf.strings.split(tf.strings.regex_replace(texts, r"[^\p{L}\p{N}_]+", " "))
            words = tf.ragged.boolean_mask(words, tf.strings.length(words, "UTF8_CHAR") > 1)
            ngrams = [tf.strings.ngrams(words, length, " ") for length in lengths]
        return tf.concat(ngrams, axis=1)


def stripped(texts):
    """Texts without blanks at both ends, as of Python's `str.strip`."""
    texts = tf.strings.regex_replace(texts, f"^{BLANKS}+", "")
    return tf.strings.regex_replace(texts, f"{BLANKS}+$", "")
