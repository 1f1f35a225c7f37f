"""The command line as a whole: exit codes, what a mistake prints, and the examples in its help."""

import argparse
import shlex

import pytest

import sparse_keras
from sparse_keras.cli import build_parser, main
from sparse_keras.schema import ConfigError, load_config

pytestmark = pytest.mark.usefixtures("eager_module")


def verbs():
    parser = build_parser()
    actions = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return {"": parser, **actions[0].choices}


@pytest.mark.parametrize("verb", verbs())
def test_every_help_ends_in_examples_that_parse(verb):
    usage, examples = verbs()[verb].format_help().split("\nexamples:\n")
    assert "--help" in usage
    for line in examples.strip().splitlines():
        # What the shell does with the output is no argument.
        program, *arguments = shlex.split(line.partition(" > ")[0])
        assert program == "sparse-keras"
        assert not verb or arguments[0] == verb
        args = build_parser().parse_args(arguments)
        config = getattr(args, "config", None)
        if config is not None and not config.endswith(".yaml"):
            load_config(config, getattr(args, "overrides", ()))


def test_a_bad_config_is_told_without_a_traceback(capsys):
    assert main(["train", "tabular/sparse_mlp_adult", "--set", "model.router.zz=1"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(
        "error: --set model.router.zz: unknown key; valid keys: type, trainable, preset, k, "
    )
    assert "Traceback" not in told


def test_debug_shows_the_traceback():
    with pytest.raises(ConfigError):
        main(["train", "nowhere.yaml", "--debug"])


@pytest.mark.parametrize("error", [ValueError("a column is missing"), KeyboardInterrupt()])
def test_exit_codes_of_a_verb_that_fails(monkeypatch, capsys, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setitem(vars(sparse_keras), "train", fail)
    expected = {ValueError: 2, KeyboardInterrupt: 1}[type(error)]
    assert main(["train", "tabular/sparse_mlp_adult"]) == expected
    assert str(error) in capsys.readouterr().err
    with pytest.raises(type(error)):
        main(["train", "tabular/sparse_mlp_adult", "--debug"])


def test_debug_is_offered_for_unexpected_errors_only(monkeypatch, tmp_path, capsys):
    """Not for a message of this package, which says what to change."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plugin.py").write_text("nothing.here")
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    hint = "(--debug shows where this came from)"
    for arguments in (
        ["evaluate", "nowhere"],
        ["data", "fetch", "adlt"],
        ["compare", "tabular/sparse_mlp_adult", "--seeds", "1", "--tune", "-1"],
        ["init", "x.csv", "--target", "c"],
        ["train"],
        ["schema", "--output", "nowhere/x"],
    ):
        assert main(arguments) == 2
        err = capsys.readouterr().err
        assert err.startswith("error: ") and hint not in err, arguments
    assert main(["list", "--import", "plugin"]) == 2
    assert capsys.readouterr().err.endswith(
        f"--import plugin: NameError: name 'nothing' is not defined\n{hint}\n"
    )
    for error, code in ((ValueError("of Keras"), 2), (KeyError("of pandas"), 1)):

        def fail(*args, error=error, **kwargs):
            raise error

        monkeypatch.setitem(vars(sparse_keras), "train", fail)
        assert main(["train", "tabular/sparse_mlp_adult"]) == code
        assert capsys.readouterr().err.endswith(f"{hint}\n")


@pytest.mark.parametrize("arguments", [[], ["trian"], ["list", "--nothing"]])
def test_a_wrong_command_line_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: sparse-keras" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"sparse-keras {sparse_keras.__version__}\n"
