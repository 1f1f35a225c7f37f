"""One process: a family on a backend."""

import json
import resource
import sys
import time

from benchmarks.keras_hub import in_transformers
from benchmarks.keras_hub.models import MODES, QUICK, SIZES, build, runs


def measure(family, sizes, repeats, with_transformers):
    """Seconds of each mode, the subjects in turns; and which of them generate the same tokens."""
    import keras
    import numpy as np

    from sparse_keras import hub

    subjects = {}
    if with_transformers:
        theirs, folder = in_transformers.build(family, sizes)
        plain, sparse = (in_transformers.task_of(family, folder) for _ in range(2))
        subjects["transformers"] = in_transformers.runs(theirs)
    else:
        plain, sparse = (build(family, sizes) for _ in range(2))
    subjects["keras_hub"] = runs(family, plain)
    subjects["sparse"] = runs(family, hub.sparsify(sparse))

    def values(result):
        first, *_ = keras.tree.flatten(result)
        return first.numpy() if hasattr(first, "numpy") else np.asarray(first)

    tokens = {name: values(modes["generate"]()) for name, modes in subjects.items()}
    same = {name: bool(np.array_equal(tokens[name], tokens["keras_hub"])) for name in subjects}
    seconds = {name: {mode: [] for mode in MODES} for name in subjects}
    for mode in MODES:
        for modes in subjects.values():
            modes[mode]()  # Traces and compiles.
        for _ in range(repeats):
            for name, modes in subjects.items():
                start = time.perf_counter()
                values(modes[mode]())
                seconds[name][mode].append(time.perf_counter() - start)
    return {"seconds": seconds, "same_text": same}


def peak(family, sizes, sparse):
    """Peak memory of a process, in bytes: after building a model, and after a gradient step."""
    from sparse_keras import hub

    model = build(family, sizes)
    built = _peak_bytes()
    if sparse:
        hub.sparsify(model)
    sparsified = _peak_bytes()
    runs(family, model)["gradient step"]()
    return {"built": built, "sparsified": sparsified, "step": _peak_bytes()}


def _peak_bytes():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(request):
    sizes = QUICK if request["quick"] else SIZES
    if request["do"] == "peak":
        return peak(request["family"], sizes, request["sparse"])
    return measure(request["family"], sizes, request["repeats"], request["with_transformers"])


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
