"""Which characters can stand between the cells of a CSV file and in its numbers."""


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
