"""How a mistake in a config is told: where it is, what it is, and the source line with a caret."""

from dataclasses import dataclass

_MOST_SHOWN = 20
_WIDEST_LINE = 160


@dataclass(frozen=True)
class Source:
    """A text that values come from: a file, or one `--set` (which has no lines to point into)."""

    name: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mark:
    """A position in a source; line and column count from 1, as editors do."""

    source: Source
    line: int = 0
    column: int = 0


@dataclass(frozen=True)
class Problem:
    """One mistake: its position, the dotted path of its key ("" for the file), what is wrong."""

    mark: Mark
    path: str
    message: str

    def __str__(self):
        source, line, column = self.mark.source, self.mark.line, self.mark.column
        where = f"{source.name}:{line}:{column}:" if source.lines else source.name
        told = f"{where} {self.path}: {self.message}" if self.path else f"{where} {self.message}"
        if not 1 <= line <= len(source.lines):
            return told
        text = source.lines[line - 1].rstrip("\r\n").replace("\t", " ")
        if len(text) > _WIDEST_LINE:
            start = max(0, column - _WIDEST_LINE // 2)
            text, column = text[start : start + _WIDEST_LINE], column - start
        return f"{told}\n{line:5d} | {text}\n      | {' ' * (column - 1)}^"


class ConfigError(ValueError):
    """A config that cannot be used. Its text lists every mistake that was found, one after another.

    Attributes:
        problems: the mistakes, a tuple of `Problem` (empty when the error is not about a position,
            such as an unknown config name).
    """

    def __init__(self, *problems):
        if len(problems) == 1 and isinstance(problems[0], str):
            super().__init__(problems[0])
            self.problems = ()
            return
        self.problems = problems
        shown = [str(problem) for problem in problems[:_MOST_SHOWN]]
        if len(problems) > _MOST_SHOWN:
            shown.append(f"... and {len(problems) - _MOST_SHOWN} more")
        if len(problems) > 1:
            shown.append(f"{len(problems)} errors")
        super().__init__("\n".join(shown))


def dotted(path):
    """The path as users write it; unprintable characters must not reach the terminal raw."""
    return ".".join(str(key) if str(key).isprintable() else repr(key) for key in path)
