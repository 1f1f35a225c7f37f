"""Text from files and users, made safe to print.

A file's name, a column's name or a line of a config may hold characters that move a terminal's
cursor, change its title, or make text read backwards.
"""

import re

# Control characters other than the line break and the tab, line and paragraph separators,
# characters that change the direction of text, and halves of characters, which cannot be encoded.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    r"""Returns a text with control characters escaped as in Python, such as `\x1b`."""
    return _UNSAFE.sub(lambda match: ascii(match[0])[1:-1], text)


def shortened(text: str, most: int = 200) -> str:
    """Returns a text of at most `most` characters, without its middle if it is longer."""
    if len(text) <= most:
        return text
    half = (most - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"
