"""Errors in a config: where, what, and the source line with a caret."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sparse_keras._internal.printable import printable, shortened

_MOST_SHOWN = 20
_WIDEST_LINE = 160
_LONGEST_KEY = 60
# What ends a line in YAML 1.2, unlike in `str.splitlines`.
_LINE_BREAK = re.compile("\r\n|\r|\n")


@dataclass(frozen=True)
class Source:
    """Where values come from: a file, or `--set`, which has no lines to point at."""

    name: str
    lines: tuple[str, ...] = ()

    @classmethod
    def of_text(cls, name: str, text: str) -> "Source":
        """The source of a text, such as that of a file."""
        return cls(name, tuple(_LINE_BREAK.split(text)))

    def mark_at(self, before: str) -> "Mark":
        """The position that follows a part of the text, the one from its beginning."""
        *lines, last = _LINE_BREAK.split(before)
        return Mark(self, len(lines) + 1, len(last) + 1)


@dataclass(frozen=True)
class Mark:
    """A position in a source; line and column count from 1, as in editors."""

    source: Source
    line: int = 0
    column: int = 0


@dataclass(frozen=True)
class Problem:
    """One error: its position, the dotted path of its key ("" for the file), and a message."""

    mark: Mark
    path: str
    message: str

    def __str__(self) -> str:
        source, line, column = self.mark.source, self.mark.line, self.mark.column
        where = f"{source.name}:{line}:{column}:" if source.lines else source.name
        error = f"{where} {self.path}: {self.message}" if self.path else f"{where} {self.message}"
        if not 1 <= line <= len(source.lines):
            return printable(error)
        text = source.lines[line - 1].replace("\t", " ")
        if len(text) > _WIDEST_LINE:
            start = max(0, column - _WIDEST_LINE // 2)
            text, column = text[start : start + _WIDEST_LINE], column - start
        # What stands before the caret is longer where characters are escaped.
        before = len(printable(text[: column - 1])) + max(0, column - 1 - len(text))
        return f"{printable(error)}\n{line:5d} | {printable(text)}\n      | {' ' * before}^"


class ConfigError(ValueError):
    """A config that cannot be used. The message lists all errors in it.

    Args:
        *problems: `Problem` objects, or a single string for an error without a position, such as an
            unknown config name.

    Attributes:
        problems: Tuple of `Problem`; empty for an error without a position.
    """

    def __init__(self, *problems: Problem | str):
        if len(problems) == 1 and isinstance(problems[0], str):
            super().__init__(printable(problems[0]))
            self.problems: tuple[Problem, ...] = ()
            return
        self.problems = problems
        shown = [str(problem) for problem in problems[:_MOST_SHOWN]]
        if len(problems) > _MOST_SHOWN:
            shown.append(f"... and {len(problems) - _MOST_SHOWN} more")
        if len(problems) > 1:
            shown.append(f"{len(problems)} errors")
        super().__init__("\n".join(shown))


def dotted(path: Iterable[object]) -> str:
    """The path as users write it, `a.b.c`; unprintable characters are escaped."""
    keys = (shortened(str(key), _LONGEST_KEY) for key in path)
    return ".".join(key if key.isprintable() else repr(key) for key in keys)
