"""Shows warnings on the command line as plain messages, without lines of code."""

import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import sparse_keras

_PACKAGE = Path(sparse_keras.__file__).parent


@contextlib.contextmanager
def plain_warnings() -> Iterator[None]:
    """Prints each warning of this package as a sentence. Those of others are unchanged."""

    def ours(category, filename):
        return issubclass(category, UserWarning) and Path(filename).is_relative_to(_PACKAGE)

    with handing_on(ours, lambda message: print(f"warning: {message}", file=sys.stderr)):
        yield


@contextlib.contextmanager
def handing_on(
    wanted: Callable[[type[Warning], str], bool], show: Callable[[str], None]
) -> Iterator[None]:
    """Calls `show` with the message of each warning that is wanted. Others are unchanged.

    Args:
        wanted: Called with the category and the file of a warning.
        show: Called with the message.
    """
    with warnings.catch_warnings():
        default = warnings.showwarning

        def showwarning(message, category, filename, *rest, **kwargs):
            if wanted(category, filename):
                show(str(message))
            else:
                default(message, category, filename, *rest, **kwargs)

        warnings.showwarning = showwarning
        yield
