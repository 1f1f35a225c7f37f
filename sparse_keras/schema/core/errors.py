"""Errors in a config: where, what, and the source line with a caret."""

from collections.abc import Iterable
from dataclasses import dataclass

_MOST_SHOWN = 20
_WIDEST_LINE = 160


@dataclass(frozen=True)
class Source:
    """Where values come from: a file, or `--set`, which has no lines to point at."""

    name: str
    lines: tuple[str, ...] = ()


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
            return error
        text = source.lines[line - 1].rstrip("\r\n").replace("\t", " ")
        if len(text) > _WIDEST_LINE:
            start = max(0, column - _WIDEST_LINE // 2)
            text, column = text[start : start + _WIDEST_LINE], column - start
        return f"{error}\n{line:5d} | {text}\n      | {' ' * (column - 1)}^"


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
            super().__init__(problems[0])
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
    return ".".join(str(key) if str(key).isprintable() else repr(key) for key in path)
