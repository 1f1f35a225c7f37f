"""Text from files and users, made safe to print.

A file's name, a column's name or a line of a config may hold characters that move a terminal's
cursor, change its title, or make text read backwards.
"""

import re

_UNSAFE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but for the line break and the tab
    "\u2028\u2029"  # separators of lines and paragraphs
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # the direction of text
    "\u200b\u2060\ufeff"  # spaces without a width
    "\ufff9-\ufffb\ufffe\uffff"  # marks of annotations, and no characters
    "\ud800-\udfff"  # halves of characters, which cannot be encoded
    "]"
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
