"""Where the numbers came from: machine and versions. No names of hosts or folders."""

import importlib.metadata
import os
import platform

from sparse_keras.evaluation.machine import cores, cpu_model

PACKAGES = (
    "sparse-keras",
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "keras-hub",
    "transformers",
    "numpy",
)


# Environment variables that change how fast a framework is, and nothing else.
TUNING = ("TF_NUM_", "TF_ENABLE_ONEDNN", "OMP_", "MKL_", "MALLOC_", "GLIBC_TUNABLES", "XLA_FLAGS")


def describe():
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": cpu_model(),
        "cores": cores(),
        "memory_gib": round(memory / 2**30, 1),
        "system": platform.system(),
        "load_before": round(os.getloadavg()[0], 2),
        "environment": {k: v for k, v in sorted(os.environ.items()) if k.startswith(TUNING)},
        "devices": {},
    }


def versions():
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
