"""What the command line prints: control characters of foreign text never reach a terminal.

Names of files and columns, lines of configs and messages of errors may hold escape sequences.
While a command runs, `printable_output` escapes control characters in everything that is written to
standard output and standard error: by `print`, by warnings, and by other libraries. Rich writes
escape sequences of its own past it; a `console` escapes the text in them.
"""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from rich.console import Console
from rich.segment import Segment
from rich.text import Text

from sparse_keras._internal.printable import printable


class _PrintableStream:
    """A text stream that escapes control characters."""

    def __init__(self, stream: TextIO):
        self.rich_proxied_file = stream  # The name by which rich finds it.

    def write(self, text: str) -> int:
        self.rich_proxied_file.write(printable(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name):
        return getattr(self.rich_proxied_file, name)


@contextlib.contextmanager
def printable_output():
    """Escapes control characters in what is written to standard output and standard error."""
    with (
        contextlib.redirect_stdout(_PrintableStream(sys.stdout)),
        contextlib.redirect_stderr(_PrintableStream(sys.stderr)),
    ):
        yield


@contextlib.contextmanager
def exact_output():
    """Writes to standard output as it is, unless that is a terminal: for data in a pipe."""
    stream = getattr(sys.stdout, "rich_proxied_file", sys.stdout)
    with contextlib.redirect_stdout(sys.stdout if stream.isatty() else stream):
        yield


class _PrintableConsole(Console):
    def render_str(self, text: str, **kwargs: Any) -> Text:
        return super().render_str(printable(text), **kwargs)

    def render(self, renderable: Any, options: Any = None) -> Iterator[Segment]:
        for text, style, control in super().render(renderable, options):  # A `Text` has no string.
            yield Segment(text if control else printable(text), style, control)


def console(stderr: bool = False, width: int | None = None, markup: bool = False) -> Console:
    """Returns a console for tables and lines.

    Args:
        stderr: Whether to write to standard error.
        width: The width where the output is not a terminal, so that lines in a pipe do not depend
            on the terminal.
        markup: Whether `[...]` in a text is rich's markup. Otherwise it is printed as it is.
    """
    stream = sys.stderr if stderr else sys.stdout
    return _PrintableConsole(
        stderr=stderr,
        width=None if stream.isatty() else width,
        markup=markup,
        highlight=False,
        emoji=False,
    )
