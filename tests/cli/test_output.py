"""Control characters of names and files never reach the terminal; data in a pipe stay exact."""

import io
import sys

import pytest
from rich.table import Table
from rich.text import Text

from sparse_keras.cli import main
from sparse_keras.cli.output import console, exact_output, printable_output

HOSTILE = "a\x1b[2J\x00\x9b\u202e"
ESCAPED = "a\\x1b[2J\\x00\\x9b\\u202e"


def is_printable(text):
    return all(character.isprintable() or character in "\n\t" for character in text)


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def test_print_and_what_others_write(capsys):
    with printable_output():
        print(HOSTILE)
        sys.stderr.writelines([HOSTILE, "\n"])
    assert capsys.readouterr() == (f"{ESCAPED}\n", f"{ESCAPED}\n")
    print("\x1b", end="")
    assert capsys.readouterr().out == "\x1b"  # As it was.


def test_tables(capsys):
    table = Table(HOSTILE, "text", title=HOSTILE, caption=HOSTILE)
    table.add_row(HOSTILE, "text")
    with printable_output():
        console(width=200).print(table, HOSTILE, Text(HOSTILE), sep="\n")
    out = capsys.readouterr().out
    assert is_printable(out) and out.count(ESCAPED) == 6


def test_colours_of_our_own_reach_a_terminal(monkeypatch):
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with printable_output():
        console().print(Text(HOSTILE, style="bold"))
    assert terminal.getvalue() == f"\x1b[1m{ESCAPED}\x1b[0m\n"


def test_data_in_a_pipe_are_exact(monkeypatch, capsys):
    with printable_output(), exact_output():
        print(HOSTILE)
    assert capsys.readouterr().out == f"{HOSTILE}\n"
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    with printable_output(), exact_output():
        print(HOSTILE)
    assert terminal.getvalue() == f"{ESCAPED}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["\x1b[2J"],
        ["list", "\x1b[2J"],
        ["show", "\x1b[2J"],
        ["show", "\x1b[2J.yaml"],
        ["show", "tabular/sparse_mlp", "--\x1b[2J"],
        ["show", "tabular/sparse_mlp", "--set", "\x1b[2J"],
        ["show", "tabular/sparse_mlp", "--set", "\x1b[2J=\x1b[2J"],
        ["show", "tabular/sparse_mlp", "--set", "description=\x1b[2J"],
        ["show", "tabular/sparse_mlp", "--seed", "\x1b[2J"],
        ["copy", "tabular/sparse_mlp", "\x1b[2J/x.yaml"],
        ["check", "\x1b[2J.yaml", "bad\x1b[2J.yaml", "good\x1b[2J.yaml"],
        ["train", "\x1b[2J.csv"],
        ["train", "--resume", "\x1b[2J"],
        ["evaluate", "\x1b[2J"],
        ["predict", "\x1b[2J", "x.csv"],
        ["data", "fetch", "\x1b[2J"],
        ["compare", "tabular/sparse_mlp_adult", "--only", "\x1b[2J"],
        ["schema", "--output", "\x1b[2J/x"],
        ["list", "--import", "\x1b[2J"],
        ["init", "\x1b[2J.csv", "--target", "x"],
        ["init", "good.csv", "--target", "\x1b[31mt", "--output", "\x1b[2J.yml"],
        ["init", "good.csv", "--target", "\x1b[2J"],
    ],
    ids=repr,
)
def test_what_verbs_print_of_names_and_files(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "\x1b[2J.csv").write_text("x\n")
    (tmp_path / "bad\x1b[2J.yaml").write_text("version: 1\n\x1b[2J: 1\n")
    (tmp_path / "good\x1b[2J.yaml").write_text(
        "version: 1\nmodel: {type: dense_mlp, hidden_dim: 4}\n"
    )
    rows = "".join(f"{i}\x1b[2J,{i * 37 % 11 / 10},{i % 2}\n" for i in range(40))
    (tmp_path / "good.csv").write_text(f"\x1b[2Jname,x,\x1b[31mt\n{rows}")
    try:
        main(arguments)
    except SystemExit as exit:
        assert exit.code == 2
    out, err = capsys.readouterr()
    assert is_printable(out + err)
    assert any(text in out + err for text in ("\\x1b[", "\\e[", "U+001B"))
