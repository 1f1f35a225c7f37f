"""The nearest valid name, with which an error message of this package ends."""

import difflib
from collections.abc import Iterable

_LONGEST_NAME = 200


def nearest(name: object, options: Iterable[object], n: int = 1, cutoff: float = 0.6) -> list[str]:
    """Returns the options most like a name, whatever their case.

    Args:
        name: What the user wrote.
        options: The valid names.
        n: Most options to return.
        cutoff: Least similarity, from 0 (return any) to 1 (equal).

    Returns:
        A list of at most `n` options, best first.
    """
    by_lower = {str(option).lower(): str(option) for option in options}
    # A longer name is like none of the options, and would take long to compare.
    name = str(name)[:_LONGEST_NAME].lower()
    matches = difflib.get_close_matches(name, by_lower, n=n, cutoff=cutoff)
    return [by_lower[match] for match in matches]


def did_you_mean(name: object, options: Iterable[object], in_brackets: bool = False) -> str:
    """Returns `" Did you mean 'x'?"` for the option most like `name`, or `""` if none is alike.

    Args:
        name: What the user wrote.
        options: The valid names.
        in_brackets: Whether to return `" (did you mean 'x'?)"`, for a message that goes on.
    """
    for match in nearest(name, options):
        return f" (did you mean {match!r}?)" if in_brackets else f" Did you mean {match!r}?"
    return ""


def listing(names: Iterable[object], limit: int = 8) -> str:
    """Returns up to `limit` quoted names, and how many more there are."""
    names = list(names)
    shown = ", ".join(repr(str(name)) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def position_of(name: str, names: Iterable[str]) -> int | None:
    """Returns the position of a name, in another case where only one name can be meant.

    Args:
        name: The name.
        names: The names to look in.

    Returns:
        The position, `None` if the name is not among them.
    """
    names = list(names)
    if name in names:
        return names.index(name)
    folded = [one.casefold() for one in names]
    return folded.index(name.casefold()) if folded.count(name.casefold()) == 1 else None
