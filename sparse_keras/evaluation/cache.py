"""Results that are kept, so that a comparison which was cut off goes on where it was.

One JSON file for each model and seed, in the cache folder. Its name is a hash of all that the
result depends on: the config that was trained, the rows, this package's code and the versions of
others. Whatever changes, it is measured again.
"""

import hashlib
import json
from importlib import metadata
from pathlib import Path

import keras
import numpy as np

import sparse_keras
from sparse_keras._internal.atomic import write_text
from sparse_keras.data.download.fetch import cache_folder
from sparse_keras.data.tabular.csr import is_matrix

PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy", "pandas", "scikit-learn")


class Kept:
    """The results of one set of rows.

    Args:
        data: What `load_data` returned.
    """

    def __init__(self, data):
        self.folder = cache_folder() / "comparisons"
        self.context = [data.digest(), _digest_of_test(data), _code(), keras.backend.backend()]
        self.context += [f"{name} {version}" for name, version in versions().items()]

    def get(self, *identity):
        """What was put under this identity; None if nothing was, or it is damaged."""
        try:
            return json.loads(self._file(identity).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def put(self, result, *identity):
        """Keeps a result that survives JSON."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self._file(identity), json.dumps(result))

    def _file(self, identity):
        content = json.dumps([*identity, *self.context])
        return self.folder / f"{hashlib.sha256(content.encode()).hexdigest()[:32]}.json"


def versions():
    """The versions of Python packages that numbers depend on, as far as they are installed."""
    found = {"sparse_keras": sparse_keras.__version__}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _digest_of_test(data):
    found = hashlib.sha256()
    test = data.test
    for array in keras.tree.flatten((test.x, test.y, test.sample_weight)):
        if is_matrix(array):
            for part in (array.indptr, array.indices, array.data):
                found.update(part)
        elif array is not None:
            found.update(np.ascontiguousarray(array))
    return found.hexdigest()


def _code():
    """A hash of this package's own code, but for its command line."""
    package = Path(sparse_keras.__file__).parent
    found = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        if file.parent.name != "cli":
            found.update(file.read_bytes())
    return found.hexdigest()
