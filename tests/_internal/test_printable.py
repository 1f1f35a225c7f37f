"""Control characters are escaped, and nothing else."""

import pytest

from sparse_keras._internal.printable import printable, shortened


@pytest.mark.parametrize(
    "text, expected",
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\x00b\rc\x7f\x9b", "a\\x00b\\rc\\x7f\\x9b"),
        ("\u202egnp.exe\u2069", "\\u202egnp.exe\\u2069"),
        ("\udcff", "\\udcff"),
        ("pass\u200bword\ufeff\ufffe", "pass\\u200bword\\ufeff\\ufffe"),
        ("a\tb\nc", "a\tb\nc"),
        ("größer 日本語 \u3000\xa0👩\u200d🔬", "größer 日本語 \u3000\xa0👩\u200d🔬"),
        ("\\x1b", "\\x1b"),
    ],
)
def test_printable(text, expected):
    assert printable(text) == expected


def test_shortened():
    assert shortened("x" * 200) == "x" * 200
    short = shortened("a" * 300 + "b" * 300, most=20)
    assert short == "aaaaaaa ... bbbbbbb"
