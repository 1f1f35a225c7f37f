"""The `sparse-keras` command.

A verb is a module in this folder with `add_parser(subparsers)`, which returns the verb's parser,
and `run(args)`, which returns the exit code. A verb imports what is slow (TensorFlow) inside `run`.

Exit codes: 0 success, 1 the run failed, 2 the input was wrong, 130 Ctrl-C ended a text that was
being written. Errors print a message; `--debug`
shows the traceback. Control characters are escaped in all that is printed (`output.py`).
"""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

import sparse_keras
from sparse_keras._internal import interrupts
from sparse_keras.cli import (
    check,
    compare,
    copy,
    data,
    doctor,
    evaluate,
    export,
    generate,
    init,
    inspect,
    predict,
    report,
    runs,
    schema,
    show,
    summary,
    train,
)
from sparse_keras.cli import list as list_verb
from sparse_keras.cli.arguments import name_last_run
from sparse_keras.cli.completion import complete
from sparse_keras.cli.output import printable_output
from sparse_keras.cli.parser import Parser, refuse_unused
from sparse_keras.cli.plain_warnings import plain_warnings
from sparse_keras.cli.quiet import quiet_start
from sparse_keras.schema.plugins import import_plugin

# In the order in which they are usually needed.
_VERBS = (
    init,
    list_verb,
    show,
    copy,
    check,
    summary,
    train,
    compare,
    runs,
    evaluate,
    report,
    inspect,
    predict,
    generate,
    export,
    data,
    schema,
    doctor,
)

# A folder that does not exist or a file that cannot be read is wrong input.
_WRONG_PATH = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)

_EXAMPLES = """examples:
  sparse-keras init churn.csv --target churned
  sparse-keras train churn.yaml
  sparse-keras train tabular/sparse_mlp_adult
"""


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the whole command line."""
    parser = Parser(
        prog="sparse-keras",
        description="Train sparse-expert (Mixture-of-Experts) models from YAML configs.",
        epilog=_EXAMPLES,
    )
    parser.add_argument(
        "--version", action="version", version=f"sparse-keras {sparse_keras.__version__}"
    )
    subparsers = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb in _VERBS:
        subparser = verb.add_parser(subparsers)
        subparser.add_argument(
            "--import",
            action="append",
            default=[],
            dest="imports",
            metavar="MODULE",
            help="import a module that registers plug-ins; may be repeated",
        )
        subparser.add_argument(
            "--debug", action="store_true", help="show the traceback of an error"
        )
        subparser.set_defaults(run=verb.run, parser=subparser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line.

    Args:
        argv: The arguments. Defaults to `sys.argv[1:]`.

    Returns:
        The exit code.
    """
    with printable_output():
        return _run(_parse(sys.argv[1:] if argv is None else argv))


def _parse(argv):
    parser = build_parser()
    complete(parser)
    args, unused = parser.parse_known_args(argv)
    if unused:
        refuse_unused(args.parser, argv, unused)
    return args


def _run(args):
    try:
        for module in args.imports:
            with quiet_start():  # Most plug-ins import Keras.
                import_plugin(module)
        return _run_verb(args)
    except ValueError as error:
        if args.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        if not _is_expected(error):
            print("(--debug shows where this came from)", file=sys.stderr)
        return 2
    except BrokenPipeError:  # The reader, such as `head`, has closed the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's last flush
        return 1
    except (OSError, ArithmeticError) as error:
        if args.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        for note in getattr(error, "__notes__", ()):
            print(note, file=sys.stderr)
        return 2 if isinstance(error, _WRONG_PATH) else 1
    except KeyboardInterrupt:
        if args.debug:
            raise
        print("interrupted", file=sys.stderr)
        return 1
    except Exception as error:  # Such as out of memory, or an error in a plug-in.
        if args.debug:
            raise
        first_line = str(error).strip().partition("\n")[0]
        print(f"error: {type(error).__name__}: {first_line}", file=sys.stderr)
        print("(--debug shows where this came from)", file=sys.stderr)
        return 1


def _is_expected(error):
    """Whether an error was raised by this package, whose message says what to change.

    Not where it is about any other exception, such as one in a plug-in.
    """
    if not isinstance(error.__cause__, (ValueError, OSError, type(None))):
        return False
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return frames[-1].f_globals.get("__name__", "").split(".")[0] == "sparse_keras"


def _run_verb(args):
    """Runs a verb, and shows its warnings as sentences."""
    try:
        with plain_warnings():
            name_last_run(args)
            return args.run(args)
    except Exception:
        interrupts.check()  # A library may have made another error of a KeyboardInterrupt.
        raise
