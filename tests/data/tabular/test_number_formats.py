"""Numbers with currencies, units and separators of thousands."""

import numpy as np
import pandas as pd
import pytest

from sparse_keras.data.tabular.columns import numeric_values
from sparse_keras.data.tabular.number_formats import NumberFormat, guess_number_format


@pytest.mark.parametrize(
    ("units", "thousands", "decimal", "texts", "numbers"),
    [
        (("$",), ",", ".", ["$473.43", "$1,200.10", "-$5", "($3.00)"], [473.43, 1200.1, -5, -3]),
        (("%",), "", ".", ["10%", "5 %", "2.5%"], [10, 5, 2.5]),
        (("km", "KM"), "", ".", ["12.5 km", "3km", "7 KM"], [12.5, 3, 7]),
        (("€",), ".", ",", ["1.234,5 €", "2,5 €", "7"], [1234.5, 2.5, 7]),
        (("CHF",), "'", ".", ["CHF 1'200", "CHF 300", "CHF 5"], [1200, 300, 5]),
        (("°C",), "", ".", ["-5 °C", "3 °C", "+7 °C"], [-5, 3, 7]),
        (("km/h",), "", ".", ["80 km/h", "90 km/h", "7.5 km/h"], [80, 90, 7.5]),
        ((), ",", ".", ["1,234", "2,345,678", "999"], [1234, 2345678, 999]),
        ((), "", ",", ["1,5", "2,25", "3"], [1.5, 2.25, 3]),
        ((), " ", ",", ["1 234,5", "2 000", "3"], [1234.5, 2000, 3]),
        ((), "", ".", ["−5", "3.5", "7"], [-5, 3.5, 7]),
    ],
)
def test_formats_are_found_and_read(units, thousands, decimal, texts, numbers):
    guess = guess_number_format(texts)
    format = NumberFormat(units, thousands, decimal)
    assert (guess.format, guess.others) == (format, ())
    series = pd.Series([*texts, None, "NA", 8.5], dtype=object, name="x")
    values = numeric_values(series, (), format)
    np.testing.assert_array_equal(values, [*numbers, np.nan, np.nan, 8.5])


@pytest.mark.parametrize(
    "texts",
    [
        ["C-10482", "C-10483", "C-10484"], ["A12", "A13", "A14"], ["5 kg", "3 lb", "4 kg"],
        ["1", "2.5", "3"], ["1st", "2nd", "3rd"], ["555-1234", "555-1235", "555-9999"],
        ["00501", "00502", "10001"], ["5'10", "6'1", "5'2"], ["$1", "$2"], [],
        ["5 mW", "3 MW", "4 mW"],
        ["555 123 456", "555 123 457", "555 999 111"], ["12A", "13A", "7A"],
        ["192.168.101.100", "192.168.101.101", "192.168.102.111"],
    ],
)  # fmt: skip
def test_what_has_no_such_format(texts):
    assert guess_number_format(texts) is None


def test_a_few_odd_cells_are_named():
    prices = [f"${number}" for number in range(20)]
    assert guess_number_format([*prices, "free"]).others == ("free",)
    assert guess_number_format([*prices, "free", "?!"]) is None


@pytest.mark.parametrize(
    ("texts", "ambiguous"),
    [
        (["161,260", "2,345", "1,200"], NumberFormat((), "", ",")),
        (["€1.234", "€2.500", "€3.000"], NumberFormat(("€",), ".", ",")),
        (["161,260", "2,345", "1,200.5"], None),
        (["161,260", "2,345,678", "1,200"], None),
        (["1,5", "2,125", "1,200"], None),
        (["$5", "$7", "$9"], None),
    ],
)
def test_other_formats_that_fit_are_named(texts, ambiguous):
    assert guess_number_format(texts).ambiguous == ambiguous


def test_what_is_not_in_the_format_raises():
    format = NumberFormat(("$",), ",")
    series = pd.Series(["$1", "1,2", "--$1", "$ 5 $"], name="x")
    with pytest.raises(ValueError, match=r"'x'.*\$1,234\.5.*'1,2' in row 2, and 1 more"):
        numeric_values(series, (), format)
    assert format.number("(-$5)") == -5
    assert guess_number_format([*(f"${n}" for n in range(30)), "($5.00"]).others == ("($5.00",)
    for text in ("", "$", "1,2345", "1.2.3", "5 €", "(5"):
        with pytest.raises(ValueError, match="Expected a number"):
            format.number(text)
