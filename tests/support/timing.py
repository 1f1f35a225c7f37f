"""Time limits that depend neither on what else the machine is doing nor on how fast it is."""

import functools
import json
import resource
import time

_REFERENCE = 0.16  # Core seconds that `_work` takes on the machine for which limits are set.


def seconds_of_processes():
    """Core seconds that the processes started here took, those that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def limit(seconds):
    """Returns core seconds that correspond to `seconds` on the machine for which limits are set.

    Machines that run the tests differ by a factor of three; limits never shrink.
    """
    return seconds * _slowness()


@functools.cache
def _slowness():
    return max(1.0, min(_work() for _ in range(5)) / _REFERENCE)


def _work():
    """Core seconds of a piece of work that needs memory as imports and tracing do."""
    start = time.process_time()
    json.loads(json.dumps([{"a": [number], "b": str(number)} for number in range(100_000)]))
    return time.process_time() - start
