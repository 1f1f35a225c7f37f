"""The "nearest valid thing" that ends an error message of this package."""

import difflib


def did_you_mean(name, options):
    """Returns `" Did you mean 'x'?"` for the option nearest to `name`, or `""` if none is near."""
    by_lower = {str(option).lower(): str(option) for option in options}
    near = difflib.get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.5)
    return f" Did you mean {by_lower[near[0]]!r}?" if near else ""


def listing(names, limit=8):
    """Returns up to `limit` quoted names, and how many more there are."""
    names = list(names)
    shown = ", ".join(repr(str(name)) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
