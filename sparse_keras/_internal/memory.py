"""How much memory is free, which decides what is not even tried."""

import os


def free_memory():
    """Bytes of memory that a process may still take, or None where that is unknown."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            amounts = dict(line.split(":") for line in lines)
        return int(amounts["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        pass
    try:  # macOS reports only the total.
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def check_memory(subject, nbytes, advice):
    """Raises a `ValueError` if something needs more memory than is free.

    Args:
        subject: What needs it, the beginning of the message, such as "x.csv holds".
        nbytes: The least bytes that it takes.
        advice: What to do instead, a sentence.
    """
    free = free_memory()
    if free is not None and nbytes > free:
        raise ValueError(
            f"{subject} {gigabytes(nbytes)}, too much for the {gigabytes(free)} of memory that "
            f"are free. {advice}"
        )


def gigabytes(nbytes):
    """Bytes for people: "3.6 GB"."""
    return f"{nbytes / 1e9:,.1f} GB"
