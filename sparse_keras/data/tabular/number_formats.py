"""Numbers that are written with a currency, a percent sign, a unit or separators of thousands."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

_CURRENCY_CODES = "USD EUR GBP CHF JPY CNY INR CAD AUD NZD SEK NOK DKK PLN CZK HUF BRL MXN ZAR KRW"
_CURRENCY_CODES = (*_CURRENCY_CODES.split(), "US$", "A$", "C$", "R$")
_MINUS = "-\u2212"
_SIGN = r"[+\-\u2212]"
# Separators of thousands and decimal separators, in the order in which they are tried: "1,234" is
# taken for a thousand, and "1.234" for a little more than one.
_LAYOUTS = [
    ("", "."), (",", "."), (".", ","), ("'", "."), ("’", "."),
    (" ", "."), (" ", ","), ("\u00a0", ","), ("\u202f", ","), ("", ","),
]  # fmt: skip
# A number between what may be a currency and what may be a unit, such as "km/h", "°C" or "m²".
_PARTS = re.compile(
    rf"\(?{_SIGN}?\s*(?P<before>[^\d\s.,'()+\-\u2212]{{0,3}})\s*{_SIGN}?"
    r"(?P<number>[\d.,'’ \u00a0\u202f]*\d)\s*"
    r"(?P<after>[%‰°]?(?:[^\W\d_]+[²³23]?(?:/[^\W\d_]+[²³23]?)?)?|[^\W\d\s]|[$€£¥₹])\s*\)?"
)
_ORDINALS, _MULTIPLES = {"st", "nd", "rd", "th"}, {"k", "K", "m", "M", "B"}
_MANY = 20  # Fewer distinct values may be categories.
# So many of the distinct values must be such numbers.
_NEARLY_ALL, _FEWEST = 0.95, 3


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of a column are written.

    Args:
        units: What may stand before or after a number and is no part of it, such as `("$",)`,
            `("%",)` or `("km", "KM")`. Numbers without a unit are read, too.
        thousands: The separator of thousands, "" for none.
        decimal: The decimal separator.

    Example:

    >>> sparse_keras.data.NumberFormat(units=("$",), thousands=",").number("-$1,250.50")
    -1250.5
    """

    units: tuple = ()
    thousands: str = ""
    decimal: str = "."

    @cached_property
    def _pattern(self):
        unit = "|".join(re.escape(unit) for unit in sorted(self.units, key=len, reverse=True))
        unit = rf"(?:{unit})?" if unit else ""
        return re.compile(
            rf"(?P<open>\()?\s*(?P<sign>{_SIGN}?)\s*{unit}\s*(?P<inner>{_SIGN}?)"
            rf"(?P<number>{_number_pattern(self.thousands, self.decimal)})\s*{unit}\s*(?(open)\))"
        )

    def number(self, text: str) -> float:
        """Returns a number as a float. Parentheses, as in accounting, make it negative.

        Raises:
            ValueError: If the text is no number of this format.
        """
        match = self._pattern.fullmatch(text.strip())
        if match is None or (match["sign"] and match["inner"]):
            raise ValueError(f"Expected a number such as {self}. Received: {text!r}.")
        number = match["number"]
        if self.thousands:
            number = number.replace(self.thousands, "")
        value = float(number.replace(self.decimal, "."))
        negative = (match["sign"] or match["inner"] or "+") in _MINUS or match["open"]
        return -value if negative else value

    def reads(self, text: str) -> bool:
        """Returns whether a text is a number of this format."""
        try:
            self.number(text)
        except ValueError:
            return False
        return True

    def __str__(self):
        number = f"1{self.thousands}234{self.decimal}5"
        if not self.units:
            return number
        unit = self.units[0]
        return f"{unit}{number}" if _is_currency(unit) else f"{number}{_blank(unit)}{unit}"


@dataclass(frozen=True)
class NumberGuess:
    """How the numbers of a column are written, as `guess_number_format` found it.

    Args:
        format: The `NumberFormat` of at least 95 % of the distinct values.
        others: Tuple of the distinct values that are not in this format.
        ambiguous: Another format in which all the numbers could be written, with which some are
            other numbers: "1,234" may be above a thousand, or a little more than one. None if there
            is no doubt.
    """

    format: NumberFormat
    others: tuple[str, ...] = ()
    ambiguous: NumberFormat | None = None


def guess_number_format(texts):
    """Finds how numbers are written.

    Args:
        texts: The distinct values of a column, without those that mean "missing".

    Returns:
        A `NumberGuess`. None if there is no such format, or plain numbers are all there are.
    """
    parts = {text: match for text in texts if (match := _PARTS.fullmatch(text.strip()))}
    if len(parts) < max(_NEARLY_ALL * len(texts), _FEWEST):
        return None
    units = Counter(unit for match in parts.values() for unit in _units_of(match))
    if None in units or not _are_one_unit(units):
        return None
    numbers = [match["number"] for match in parts.values()]
    if any(len(unit) == 1 and unit.isalpha() for unit in units) and not any(
        " " in text.strip() for text in parts
    ):
        return None  # Codes such as "12A".
    groups = {len(re.findall(r"\d+", number)) for number in numbers}
    if not units and len({len(number) for number in numbers}) == 1 and min(groups) > 2:
        return None  # Phone numbers and addresses.
    spellings = tuple(unit for unit, _ in units.most_common())
    formats = [NumberFormat(spellings, *layout) for layout in _layouts_of(numbers)]
    if not formats:
        return None
    format = formats[0]
    if format == NumberFormat() and all(text.isascii() and "(" not in text for text in parts):
        return None  # Plain numbers.
    others = tuple(text for text in texts if not format.reads(text))
    if len(others) > (1 - _NEARLY_ALL) * len(texts):
        return None
    read = [text for text in parts if text not in others]
    differ = [one for one in formats[1:] if any(one.number(t) != format.number(t) for t in read)]
    return NumberGuess(format, others, differ[0] if differ else None)


def _layouts_of(numbers):
    """The separators of thousands and decimals with which all of some numbers can be written."""
    layouts = []
    for thousands, decimal in _LAYOUTS:
        pattern = re.compile(_number_pattern(thousands, decimal))
        if all(pattern.fullmatch(number) for number in numbers):
            occurs = thousands and any(thousands in number for number in numbers)
            layouts.append((thousands if occurs else "", decimal))
    return layouts


def _are_one_unit(units):
    """Whether units are spellings of one: "km", "Km" and "KM". Several would be several scales, as
    "mW" and "MW" are."""
    if len(units) < 2:
        return True
    spellings = [(unit.lower(), unit.upper(), unit.capitalize()) for unit in units]
    return len({lower for lower, *_ in spellings}) == 1 and all(
        map(tuple.__contains__, spellings, units)
    )


def currencies_of(texts):
    """Returns the currencies of numbers, sorted; none unless nearly all texts are numbers."""
    units = {
        unit
        for match in _numbers_among(texts)
        for unit in (match["before"], match["after"].strip())
    }
    return sorted(unit for unit in units if _is_currency(unit))


def _numbers_among(texts):
    """The matches of the texts that are numbers; none unless nearly all are."""
    matches = [match for text in texts if (match := _PARTS.fullmatch(text.strip()))]
    return matches if len(matches) >= _NEARLY_ALL * len(texts) else []


def scales_of(texts):
    """Returns the units of numbers that have several, sorted, "" for none; () otherwise.

    Numbers with and without a "k" for thousands have several. Ordinals such as "2nd" do not, nor do
    codes such as "12A".
    """
    matches = _numbers_among(texts) if len(texts) >= _MANY else []
    units = {match["after"].strip() for match in matches}
    named = units - {""}
    if any(match["before"] for match in matches) or named & _ORDINALS:
        return ()
    if named and named <= _MULTIPLES:
        return tuple(sorted(units)) if len(units) > 1 else ()
    if len(named) < 2 or any(len(unit) == 1 and unit not in _MULTIPLES for unit in named):
        return ()
    return tuple(sorted(units))


def _units_of(match):
    """The units of a number; None among them if it is no unit but a code such as "A12"."""
    before, after = match["before"], match["after"].strip()
    if before:
        yield before if _is_currency(before) else None
    if after:
        yield after


def _is_currency(text):
    return text in _CURRENCY_CODES or (len(text) == 1 and unicodedata.category(text) == "Sc")


def _blank(unit):
    return "" if unit in "%‰°" else " "


def _number_pattern(thousands, decimal):
    point = re.escape(decimal)
    plain = rf"\d+(?:{point}\d*)?|{point}\d+"
    if not thousands:
        return rf"(?:{plain})(?:[eE][-+]?\d+)?"
    return rf"(?:\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+(?:{point}\d*)?|{plain})"
