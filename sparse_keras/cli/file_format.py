"""Arguments for files in another format than the run's own."""

import argparse
from collections.abc import Sequence

# The arguments of `add_file_format`, by the kind of file that they are for.
OF_CSV = ("separator", "decimal", "encoding")
OF_EXCEL = ("sheet", "header_row")


def add_file_format(parser: argparse.ArgumentParser) -> None:
    """Adds `--separator` and the like, for files in another format than the run's own."""
    parser.add_argument(
        "--separator", metavar="C", help="the character between the columns of a CSV file"
    )
    parser.add_argument("--decimal", metavar="C", help="the decimal point of a CSV file")
    parser.add_argument(
        "--encoding",
        metavar="NAME",
        help="the encoding of a CSV file or of texts, such as cp1252",
    )
    parser.add_argument("--sheet", metavar="NAME", help="the sheet of an Excel file")
    parser.add_argument(
        "--header-row",
        metavar="N",
        type=int,
        help="the row of an Excel sheet that names the columns",
    )


def refuse_file_format(
    args: argparse.Namespace, reason: str, names: Sequence[str] = (*OF_CSV, *OF_EXCEL)
) -> None:
    """Raises a `ValueError` if an argument of `add_file_format` would have no effect."""
    for name in names:
        if getattr(args, name) is not None:
            raise ValueError(f"--{name.replace('_', '-')} has no effect: {reason}.")
