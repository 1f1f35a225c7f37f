"""Which characters can stand between the cells of a CSV file and in its numbers, and encodings."""

import codecs

from sparse_keras._internal.suggest import did_you_mean

_COMMON = ("utf-8", "utf-16", "cp1252", "cp1250", "cp1251", "latin-1", "mac_roman", "shift_jis")
_COMMON += ("gb18030", "big5", "euc_kr", "iso8859-15", "cp437", "cp850")


def why_no_separator(text):
    """Why a text cannot separate the cells of a CSV file, as a sentence; "" if it can."""
    if len(text) == 1 and text.isascii() and text not in '"\r\n\0':
        return ""
    return (
        "A separator is one ASCII character such as ',', ';' or a tab, and neither a quote nor a "
        f"line break. Received: {text!r}."
    )


def why_no_decimal(text, separator):
    """Why a text cannot be the decimal point of numbers, as a sentence; "" if it can."""
    if text == separator:
        return f"The decimal point {text!r} is also the separator."
    if len(text) == 1 and text.isascii() and not text.isalnum() and text not in '"\r\n\0+- ':
        return ""
    return f"A decimal point is one ASCII character such as '.' or ','. Received: {text!r}."


def why_no_encoding(name):
    """Why a text is not the name of an encoding, as a sentence; "" if it is."""
    try:
        codec = codecs.lookup(name)
        # Not those that encode bytes, such as base64, or names of computers.
        if codec._is_text_encoding and "a,1\n".encode(name).decode(name) == "a,1\n":
            return ""
    except (LookupError, ValueError):
        pass
    return (
        "An encoding is one that Python knows, such as utf-8, cp1252, latin-1 or utf-16. Received: "
        f"{name!r}.{did_you_mean(name, _COMMON)}"
    )
