"""Completion in the shell, by `argcomplete`, which is optional.

The shell starts the program at each press of the tab key, with a variable that asks for words.
"""

import argparse
import glob
import os
from collections.abc import Callable, Iterable

from sparse_keras.schema.key_paths import key_paths
from sparse_keras.schema.sections.data import DATASETS
from sparse_keras.schema.zoo import SUFFIXES, config_names
from sparse_keras.training.runs.finding import LAST, OUTPUT

_FOLDERS = 1000  # Most folders to look into for runs.


def complete(parser: argparse.ArgumentParser) -> None:
    """Prints the words that may follow, and exits, if the shell asks for them."""
    if "_ARGCOMPLETE" not in os.environ:
        return
    import argcomplete

    add_completers(parser)
    argcomplete.autocomplete(parser)


def add_completers(parser: argparse.ArgumentParser) -> None:
    """Sets the completer of each argument by its metavar. Others complete names of files."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                add_completers(verb)
        elif action.metavar in _COMPLETERS:
            action.completer = _COMPLETERS[action.metavar]


def _configs(prefix: str, **kwargs) -> Iterable[str]:
    """Names of shipped configs, and config files."""
    files = [path for path in _paths(prefix) if os.path.isdir(path) or path.endswith(SUFFIXES)]
    return [*config_names(), *(f"{path}/" if os.path.isdir(path) else path for path in files)]


def _runs(prefix: str, **kwargs) -> Iterable[str]:
    """Folders of runs, below the folder that is typed or else below `runs`; and `last`."""
    start = os.path.dirname(prefix) or ("." if glob.glob(f"{glob.escape(prefix)}*") else OUTPUT)
    start = OUTPUT if prefix == "" else start
    runs = []
    for count, (folder, inner, files) in enumerate(os.walk(start)):
        if "environment.json" in files:
            runs.append(os.path.relpath(folder) if start == "." else folder)
            inner.clear()
        if count == _FOLDERS:
            break
        inner.sort()
    words = runs or [f"{path}/" for path in _paths(prefix) if os.path.isdir(path)]
    return [LAST, *words] if LAST.startswith(prefix) else words


def _settings(prefix: str, **kwargs) -> Iterable[str]:
    return sorted({f"{'.'.join(path)}=" for path in key_paths()})


def _data_sets(prefix: str, **kwargs) -> Iterable[str]:
    return list(DATASETS.sections)


def _paths(prefix):
    return sorted(glob.glob(f"{glob.escape(prefix)}*"))


_COMPLETERS: dict[str, Callable[..., Iterable[str]]] = {
    "CONFIG": _configs,
    "RUN": _runs,
    "PATH=VALUE": _settings,
    "NAME": _data_sets,
}
