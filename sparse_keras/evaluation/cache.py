"""A cache of results, so that an interrupted comparison continues where it stopped.

The cache folder holds a JSON file for each model and seed. Its name is a hash of everything that
the result depends on: the config, the data, the weights that training starts from, this package's
code, and the versions of other packages. If any of them changes, the model is measured again.
"""

import hashlib
import json
from importlib import metadata
from pathlib import Path
from typing import Any

import keras

import sparse_keras
from sparse_keras._internal.atomic import write_text
from sparse_keras.data import Dataset, digest_of
from sparse_keras.data.batches import arrays_of
from sparse_keras.data.download.fetch import cache_folder
from sparse_keras.schema import Config

PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy", "pandas", "scikit-learn")


class ResultCache:
    """Cached results on one data set.

    Args:
        data: What `load_data` returned.
    """

    def __init__(self, data: Dataset):
        self.folder = cache_folder() / "comparisons"
        self.context = [data.digest(), _digest_of_test(data), _code(), keras.backend.backend()]
        self.context += [f"{name} {version}" for name, version in versions().items()]

    def get(self, *identity: str) -> Any:
        """Returns the result stored under an identity; None if there is none, or it is damaged."""
        try:
            return json.loads(self._file(identity).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def put(self, result: Any, *identity: str) -> None:
        """Stores a result of JSON values under an identity."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self._file(identity), json.dumps(result))

    def _file(self, identity):
        content = json.dumps([*identity, *self.context])
        return self.folder / f"{hashlib.sha256(content.encode()).hexdigest()[:32]}.json"


def starting_weights(config: Config) -> list[str]:
    """Describes the files from which the model of a config gets weights, such as a checkpoint.

    The hash of the config has the last part of their path only, and their content may change. The
    size and the time of each file stand for it, since the files may be large.
    """
    found = []
    for key, path in config.files().items():
        if key.startswith("model."):
            files = sorted(Path(path).iterdir()) if Path(path).is_dir() else [Path(path)]
            states = [(file.name, file.stat()) for file in files if file.is_file()]
            found += [f"{key} {name} {state.st_size} {state.st_mtime_ns}" for name, state in states]
    return found


def versions() -> dict[str, str]:
    """Returns the versions of this package and of those of `PACKAGES` that are installed."""
    installed = {"sparse_keras": sparse_keras.__version__}
    for package in PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed


def _digest_of_test(data):
    return digest_of(keras.tree.flatten(arrays_of(data.test)))


def _code():
    """A hash of this package's code, except for the command line."""
    package = Path(sparse_keras.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        if file.parent.name != "cli":
            digest.update(file.read_bytes())
    return digest.hexdigest()
