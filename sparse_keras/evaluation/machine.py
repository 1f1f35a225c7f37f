"""The machine that results were measured on, without names of hosts or folders."""

import os
import platform
from pathlib import Path


def machine() -> dict[str, str | int | float | None]:
    """Describes the machine: `{"cpu": ..., "cores": ..., "system": ..., "load": ...}`.

    The load is the mean number of processes that ran or waited in the last 15 minutes, where the
    system counts them: times that were measured beside other programs are longer.
    """
    load = round(os.getloadavg()[2], 1) if hasattr(os, "getloadavg") else None
    return {"cpu": cpu_model(), "cores": cores(), "system": platform.system(), "load": load}


def cores() -> int | None:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def cpu_model() -> str:
    """Returns the model name of the CPU."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
