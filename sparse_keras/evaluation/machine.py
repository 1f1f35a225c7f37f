"""The machine that numbers were measured on. No names of hosts or folders."""

import os
import platform
from pathlib import Path


def machine():
    """The model of the CPU and the number of cores that this process may use."""
    return {"cpu": cpu_model(), "cores": cores(), "system": platform.system()}


def cores():
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def cpu_model():
    """The model of the CPU, as its maker calls it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
