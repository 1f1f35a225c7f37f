"""A fuzzer of configs: each is valid, or a `ConfigError` that points into the file.

A case is a shipped config with a few changes: lines deleted, repeated, moved or indented, keys and
values replaced, and characters or bytes that do not belong there. Some have overrides as well.
"""

import argparse
import contextlib
import io
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path

from sparse_keras.cli import main as command_line
from sparse_keras.schema import ConfigError, load_config
from sparse_keras.schema.key_paths import key_paths
from sparse_keras.schema.zoo import config_file, config_names
from tests.support.timing import limit

SECONDS = 5  # The most that a case may take.

VALUES = (
    *(
        "null",
        "true",
        "'true'",
        "0",
        "-1",
        "1",
        "2.5",
        "1e999",
        "-.inf",
        ".nan",
        "0x7fffffffffffffff",
    ),
    *("1" + "0" * 30, "9" * 200, "1e-400", "2147483648", "4294967296", "''", "' '", '"\\x1b[2J"'),
    *('"\\0"', '"\\ud800"', "[]", "{}", "[[]]", "[1, a, null]", "{a: {b: 1}}", "{type: null}"),
    *("{type: top_k}", "{type: [1]}", "{preset: mixtral}", "!!python/name:os.system", "&a 1", "*a"),
    *("{<<: {a: 1}}", "[" * 30 + "]" * 30, "[" * 5_000, "{a: " * 25 + "1" + "}" * 25, "|", ">-"),
    *("'", '"', "@", "`", "%", "- a", "? a", "a: b: c", "2020-01-01", "on", "~", "x" * 5_000),
    *(
        "../../../etc/passwd",
        "/dev/zero",
        "/dev/zero.yaml",
        "tabular/sparse_mlp",
        "x" * 5_000 + ".yaml",
    ),
    *("adam", "csv", "adult", "os.system", "${HOME}", "日本語", "\u202etxt", "\u2028", "\x85", "é"),
)
KEYS = (
    "? [a]",
    "<<",
    "''",
    "~",
    "1",
    "true",
    '"\\x1b[2J"',
    "extends",
    "type",
    "preset",
    "model",
    "",
)
CHARACTERS = (
    "\0\x07\x1b\x7f\x85\x9b\xa0\u2028\u202e\ufeff\ufffe\U0001f600\r\n\t\x0b\x0c\x1c"
    ":#-?&*!|>%@`{}[]'\",\\ "
)
BYTES = (
    b"\xff",
    b"\xfe",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\x80",
    b"\0",
    b"\xef\xbb\xbf",
)
PATHS = sorted({".".join(path) for path in key_paths()})


def case(seed, number):
    """Returns the bytes of a config and its overrides."""
    rng = random.Random(f"{seed} {number}")
    name = rng.choice(config_names())
    text = config_file(name).read_text(encoding="utf-8")
    if rng.random() < 0.3:
        text = f"extends: {name}\n"
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        text = rng.choice(_CHANGES)(text, rng)
    content = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.15:
        content = _with_bytes(content, rng)
    overrides = []
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        overrides.append(f"{rng.choice(PATHS)}={rng.choice(VALUES)}")
    return content, overrides


def _lines(change):
    def changed(text, rng):
        lines = text.split("\n")
        change(lines, rng.randrange(len(lines)), rng)
        return "\n".join(lines)

    return changed


@_lines
def _delete(lines, at, rng):
    del lines[at : at + rng.choice((1, 1, 1, 5))]


@_lines
def _repeat(lines, at, rng):
    lines.insert(rng.randrange(len(lines)), lines[at])


@_lines
def _move(lines, at, rng):
    lines.insert(rng.randrange(len(lines)), lines.pop(at))


@_lines
def _indent(lines, at, rng):
    lines[at] = rng.choice((" ", "  ", "\t", "    " * 5, "- ")) + lines[at]


@_lines
def _dedent(lines, at, rng):
    lines[at] = lines[at].lstrip()


@_lines
def _replace_value(lines, at, rng):
    lines[at] = f"{lines[at].partition(':')[0]}: {rng.choice(VALUES)}"


@_lines
def _replace_key(lines, at, rng):
    key, colon, value = lines[at].partition(":")
    indent = key[: len(key) - len(key.lstrip())]
    lines[at] = f"{indent}{rng.choice((*KEYS, rng.choice(PATHS).rpartition('.')[2]))}{colon}{value}"


@_lines
def _insert_key(lines, at, rng):
    indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
    key = rng.choice((*KEYS, rng.choice(PATHS).rpartition(".")[2]))
    lines.insert(at, f"{indent}{key}: {rng.choice(VALUES)}")


def _add_path(text, rng):
    """Gives a key of the schema any value, at its own place."""
    *sections, key = rng.choice(PATHS).split(".")
    flow = f"{key}: {rng.choice(VALUES)}"
    for section in reversed(sections[1:]):
        flow = f"{section}: {{{flow}}}"
    block = f"{sections[0]}: {{{flow}}}" if sections else flow
    return f"{text}\n{block}\n"


def _insert_character(text, rng):
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(CHARACTERS) * rng.choice((1, 1, 3)) + text[at:]


def _cut(text, rng):
    return text[: rng.randrange(len(text) + 1)]


def _drop_characters(text, rng):
    at = rng.randrange(len(text) + 1)
    return text[:at] + text[at + rng.randrange(1, 9) :]


def _other_line_breaks(text, rng):
    return text.replace("\n", rng.choice(("\r", "\r\n", "\n\n", "\x85", "\u2028")))


def _lengthen(text, rng):
    return text + rng.choice(("# x\n" * 20_000, "\n" * 20_000, "k: 1\n" * 300, "---\n" * 300))


def _with_bytes(content, rng):
    if rng.random() < 0.1:
        return content.decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-32")))
    at = rng.randrange(len(content) + 1)
    return content[:at] + rng.choice(BYTES) + content[at:]


_CHANGES = (
    *(_delete, _repeat, _move, _indent, _dedent, _replace_key, _insert_key, _insert_character),
    *(_replace_value, _replace_value, _add_path, _add_path, _cut, _drop_characters),
    *(_other_line_breaks, _lengthen),
)


def run(content, overrides, folder):
    """Loads and checks a config. Raises an `AssertionError` if what happens is not right.

    Returns:
        Whether it is valid.
    """
    path = Path(folder, "case.yaml")
    path.write_bytes(content)
    start = time.process_time()
    try:
        load_config(path, overrides)
        valid = True
    except ConfigError as error:
        valid = False
        _check_message(str(error))
        _check_positions(error, content)
    arguments = [part for override in overrides for part in ("--set", override)]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = command_line(["check", str(path), *arguments])
    _check_message(out.getvalue() + err.getvalue())
    assert code in (0, 2), f"check: {code}"
    assert valid or code == 2, "check accepts what load_config refuses"
    assert code == 0 or not valid or "there is no file" in err.getvalue(), err.getvalue()
    assert time.process_time() - start < limit(SECONDS), "too slow"
    return valid


def _check_message(message):
    bad = {c for c in message if not (c.isprintable() or c in "\n\t\xa0")}
    assert not bad, f"unprintable: {bad}"
    assert len(message) < 20_000, f"a message of {len(message)} characters"


def _check_positions(error, content):
    if not error.problems:
        too_long = "characters; a config has at most" in str(error)
        assert too_long or str(error).startswith("--set "), f"without a position: {error}"
    for problem in error.problems:
        mark = problem.mark
        if mark.source.name == "--set":
            continue
        lines = mark.source.lines
        assert 1 <= mark.line <= len(lines), f"outside the file: {problem}"
        assert 1 <= mark.column <= len(lines[mark.line - 1]) + 1, f"outside the line: {problem}"


def main(arguments=None):
    """Runs cases. Returns the number of those that fail."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--cases", type=int, default=100)
    args = parser.parse_args(arguments)
    failed, valid = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.first, args.first + args.cases):
            content, overrides = case(args.seed, number)
            try:
                valid += run(content, overrides, folder)
            except Exception:
                failed += 1
                traceback.print_exc(file=sys.stdout)
                print(
                    f"again: python -m tests.fuzz.yaml_configs --seed {args.seed} --first {number} "
                    "--cases 1"
                )
    print(f"{args.cases} cases, {failed} failed, {valid} valid")
    return failed


if __name__ == "__main__":
    sys.exit(bool(main()))
