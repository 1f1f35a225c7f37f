"""Separators and decimal points."""

import pytest

from sparse_keras.data.tabular.sniffing import sniff_csv


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a,b\n1,2\n3,4\n", (",", ".")),
        ("a;b\n1,5;2\n3,25;4\n", (";", ",")),
        ("a;b\n1.5;2\n3.25;4\n", (";", ".")),
        ("a;b\n1,000;2\n3,000;4.5\n", (";", ".")),  # thousands
        ("a\tb\nx, y\t2\nz\t4\n", ("\t", ".")),
        ("a|b\n1|2\n", ("|", ".")),
        ('a,b\n"x;y;z",2\n"u;v;w",4\n', (",", ".")),
        ("a;b;c\n1,5;2,5;3,5\n", (";", ",")),
        ("\ufeffa;b\n1;2\n", (";", ".")),
        ("alone\n1\n", (",", ".")),
        ("", (",", ".")),
    ],
)
def test_sniff(tmp_path, text, expected):
    path = tmp_path / "x.csv"
    path.write_text(text, encoding="utf-8")
    assert sniff_csv(path) == expected
