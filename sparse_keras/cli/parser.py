"""The parser of the command line: argparse, which suggests what was meant."""

import argparse
import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from sparse_keras._internal.suggest import did_you_mean, nearest
from sparse_keras.schema import Config, ConfigError, load_config
from sparse_keras.schema.key_paths import key_paths, paths_of
from sparse_keras.schema.zoo import is_config_path

_NUMBER = re.compile(r"-\d+|-\d*\.\d+")
_MOST_PATHS = 6
# A name that is as like an option as this is not looked up among the keys of configs.
_TYPO = 0.85


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` without abbreviated options, of which `--seed` could mean `--seeds`."""

    def __init__(self, **kwargs: Any):
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **kwargs)

    def parse_known_args(
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        # Before argparse misses a required option that was only misspelt.
        if args is not None:
            self._refuse_unknown_options(args)
        return super().parse_known_args(args, namespace)

    def _refuse_unknown_options(self, args):
        verbs = any(isinstance(each, argparse._SubParsersAction) for each in self._actions)
        for position, argument in enumerate(args):
            if argument == "--" or (verbs and not argument.startswith("-")):
                break
            option, equals, value = argument.partition("=")
            # As argparse has it, a negative number and a text with spaces are values.
            if len(option) < 2 or option[0] != "-" or " " in argument or _NUMBER.fullmatch(option):
                continue
            if option in self._option_string_actions:
                continue
            following = args[position + 1 : position + 2]
            if not equals and following and not following[0].startswith("-"):
                value = following[0]
            self.error(f"unknown option {option}.{self._meant(option, value, args)}")

    def _meant(self, option, value, args):
        """Says what was meant by an option: another one, or a key of the config."""
        name = option.lstrip("-").replace("-", "_")
        options = {
            known.lstrip("-").replace("-", "_"): known
            for known in self._option_string_actions
            if known.startswith("--")
        }
        meant = nearest(name, options, cutoff=_TYPO)
        if "set" in options and not meant:
            config = _first_config(args)
            keys = {path[-1] for path in key_paths()}
            for key in [name, *nearest(name, [*options, *keys])]:
                paths = paths_of(key, config) or paths_of(key)
                if paths and key not in options:
                    return _settings(paths, value)
        for other in meant or nearest(name, options):
            return f" Did you mean {options[other]}?"
        return f" `{self.prog} --help` lists the options."

    def _check_value(self, action, value):
        choices = action.choices
        if choices is None or value in choices:
            return
        if isinstance(action, argparse._SubParsersAction):
            raise argparse.ArgumentError(None, _no_verb(value, choices))
        raise argparse.ArgumentError(
            action,
            f"expected one of {', '.join(map(str, choices))}, got {value!r}."
            f"{did_you_mean(value, choices)}",
        )


def refuse_unused(parser: argparse.ArgumentParser, args: Sequence[str], unused: list[str]) -> None:
    """Ends the program with an error about arguments that no verb took.

    Args:
        parser: The parser of the verb.
        args: All arguments.
        unused: Those that are left.
    """
    before = list(args[: args.index(unused[0])]) if unused[0] in args else []
    option = next((each for each in reversed(before) if each.startswith("--")), None)
    action = parser._option_string_actions.get(option)
    if isinstance(action, argparse._AppendAction):
        values = before[len(before) - before[::-1].index(option) :]
        repeated = " ".join(f"{option} {shlex.quote(value)}" for value in [*values, *unused])
        parser.error(f"{option} takes one {action.metavar} at a time: {repeated}")
    parser.error(f"unexpected argument {unused[0]!r}. `{parser.prog} --help` shows what is taken.")


def _no_verb(value: str, verbs: Iterable[str]) -> str:
    message = f"unknown verb {value!r}."
    if is_config_path(value):
        return f"{message} To train a config: sparse-keras train {shlex.quote(value)}"
    return message + (did_you_mean(value, verbs) or f" Expected one of {', '.join(verbs)}.")


def _first_config(args: Sequence[str]) -> Config | None:
    """The config that arguments name; None if there is none that is valid."""
    for argument in args:
        if not argument.startswith("-") and "=" not in argument:
            try:
                return load_config(argument)
            except ConfigError:
                continue
    return None


def _settings(paths, value):
    value = value or "VALUE"
    shown = [f"--set {shlex.quote(f'{path}={value}')}" for path in paths[:_MOST_PATHS]]
    more = ", ..." if len(paths) > _MOST_PATHS else ""
    return f" --set changes a value of the config: {' or '.join(shown)}{more}"
