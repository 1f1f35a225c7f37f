"""One column of a table as a model sees it: its statistics, and the codes of its categories."""

import re
import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sparse_keras._internal.suggest import listing
from sparse_keras.data.tabular.columns import (
    category_key,
    for_each_category,
    number_of,
    numeric_values,
)
from sparse_keras.data.tabular.missing import (
    MISSING_AMONG_NUMBERS,
    missing_words,
    numbers_of,
)
from sparse_keras.data.tabular.number_formats import NumberFormat

MISSING_CODE = 0
UNSEEN_CODE = 1
# Standardised values are clipped here, so that any raw value, infinity too, stays harmless in
# float16 arithmetic further on. A hundred standard deviations are as good as a million.
MAX_STANDARDISED = 100.0
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)")


@dataclass(frozen=True)
class NumericColumn:
    """A column of numbers, as it was in the training rows.

    Args:
        name: The column.
        mean: Mean of the values that are there.
        std: Their standard deviation; 0 for a constant column, which is encoded as 0.
        boundaries: Edges of the bins, ascending, the lowest and the highest value included;
            empty for no bins.
        has_missing: Whether values were missing, which gives the column a missing indicator.
        missing_values: Words and numbers that mean "missing" beside the usual words.
        number_format: The `NumberFormat` of numbers that are text, None for that of Python.
    """

    name: str
    mean: float
    std: float
    boundaries: tuple = ()
    has_missing: bool = False
    missing_values: tuple = ()
    number_format: NumberFormat | None = None

    kind = "numeric"

    @property
    def num_bins(self):
        return max(len(self.boundaries) - 1, 0)

    @property
    def detail(self):
        """Describes the column in a few words."""
        written = "" if self.number_format is None else f"written as {self.number_format}"
        bins = f"{self.num_bins} bins" if self.num_bins else ""
        return "; ".join(filter(None, [written, bins if self.std else "constant"]))

    def missing(self, series):
        """Returns bool `[N]`: whether each raw value is missing."""
        return np.isnan(self.values(series))

    def values(self, series):
        """Returns raw values as float64 `[N]`, NaN where missing."""
        return numeric_values(series, self.missing_values, self.number_format)

    def value(self, raw):
        """Returns one raw value as a float, NaN where missing.

        Raises:
            ValueError: If it is no number.
        """
        number = number_of(raw, self._missing_words, self.number_format)
        return np.nan if number in self._missing_numbers else number

    @cached_property
    def _missing_words(self):
        return missing_words(self.missing_values)

    @cached_property
    def _missing_numbers(self):
        return numbers_of(self.missing_values)


@dataclass(frozen=True)
class CategoricalColumn:
    """A column of categories.

    Args:
        name: The column.
        vocabulary: The categories of the training rows, as strings.
        missing_values: Words and numbers that mean "missing" beside the usual words. "NA" and the
            like are missing, too, unless the training rows have a category of that name.
        ignore_case: Whether categories that differ in case only are one, in lower case.
        min_count: Minimum number of training rows of a category. Rarer ones are not in the
            vocabulary, and count as unseen.
    """

    name: str
    vocabulary: tuple
    missing_values: tuple = ()
    ignore_case: bool = False
    min_count: int = 1

    kind = "categorical"

    @property
    def cardinality(self):
        """Number of codes: the vocabulary, missing (0) and unseen (1)."""
        return len(self.vocabulary) + 2

    @property
    def detail(self):
        """Describes the column in a few words."""
        count = len(self.vocabulary)
        if self.min_count > 1 and not count:
            return f"without effect: each category is in fewer than {self.min_count} training rows"
        what = f"{count} categories" if count > 1 or self.min_count > 1 else "constant"
        case = ", upper and lower case alike" if self.ignore_case else ""
        rare = (
            f"; those in fewer than {self.min_count} rows share one" if self.min_count > 1 else ""
        )
        return f"{what}{case}{rare}"

    def key(self, value):
        """Returns the key of a raw value; see `columns.category_keys`."""
        key = category_key(value)
        return key.lower() if self.ignore_case and key is not None else key

    @cached_property
    def codes(self):
        """Dict from keys to codes, those that mean "missing" among them; see `code`."""
        words = (None, *MISSING_AMONG_NUMBERS, *self.missing_values)
        missing = dict.fromkeys(map(self.key, words), MISSING_CODE)
        first = UNSEEN_CODE + 1
        # Other spellings of Unicode are for models that were trained on them.
        codes = {self.key(key): first + i for i, key in enumerate(self.vocabulary)}
        digits = [key for key in codes if key.isascii() and key.isdigit()]
        if len({len(key) for key in digits}) != 1:
            return missing | codes
        # Codes of a fixed width, such as zip codes: what lost its leading zeros is known.
        return missing | {key.lstrip("0") or "0": codes[key] for key in digits} | codes

    @cached_property
    def _codes_of_numbers(self):
        """The codes of categories that are numbers as text, such as "00501", by the number.

        Numbers that two categories have are left out.
        """
        codes = {}
        for key, code in self.codes.items():
            if key is not None and _NUMBER.fullmatch(key):
                codes.setdefault(float(key), set()).add(code)
        return {number: code for number, (code, *others) in codes.items() if not others}

    def missing(self, series):
        """Returns bool `[N]`: whether each raw value is missing."""
        return for_each_category(series, self.code, "int32") == MISSING_CODE

    def code(self, value):
        """Returns the code of a raw value: 0 missing, 1 unseen in training, 2.. the vocabulary."""
        code = self.codes.get(self.key(value))
        is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        if code is None and is_number:
            # A number has no leading zeros, and no trailing ones, as text may have had in training.
            code = self._codes_of_numbers.get(float(value))
        return UNSEEN_CODE if code is None else code

    @cached_property
    def _categories_like_missing(self):
        words = MISSING_AMONG_NUMBERS
        return [word for word in words if self.codes[self.key(word)] != MISSING_CODE]

    def _warn_of_words(self, codes):
        """Warns if a category such as "None" has become missing, as `pandas.read_csv` makes it."""
        words, missing = self._categories_like_missing, int((codes == MISSING_CODE).sum())
        if (
            missing < 2
            or not words
            or any((codes == self.codes[self.key(word)]).any() for word in words)
        ):
            return
        warnings.warn(
            f"Column {self.name!r} is missing in {missing} rows, and none holds {words[0]!r}, a "
            "category in training. pandas.read_csv reads that as missing, unless it gets "
            "keep_default_na=False.",
            stacklevel=3,
        )

    def encode(self, series):
        """Returns int32 codes `[N]`, see `code`. Warns if no value is in the vocabulary, or if a
        category such as "None" seems to have become missing."""
        codes = for_each_category(series, self.code, "int32")
        present = codes != MISSING_CODE
        self._warn_of_words(codes)
        expected = self.min_count == 1  # Otherwise all categories may be rare ones.
        if expected and present.sum() > 1 and (codes[present] == UNSEEN_CODE).all():
            warnings.warn(
                f"Column {self.name!r}: none of the values occurred in training. Received: "
                f"{str(series[present].iloc[0])!r} and so on; in training: "
                f"{listing(self.vocabulary, limit=3)}. They are encoded as unseen. Does the column "
                "have the same meaning and format as in training?",
                stacklevel=2,
            )
        return codes
