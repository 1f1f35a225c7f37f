"""Time that does not depend on what else the machine is doing."""

import resource


def seconds_of_processes():
    """Core seconds that the processes started here took, those that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
