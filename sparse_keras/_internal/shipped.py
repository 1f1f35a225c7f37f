"""Where the folders lie that ship beside the code: `configs` and `results`."""

from pathlib import Path


def shipped_folder(name):
    """The folder in an installed package, or at the top of a checkout (an editable install)."""
    package = Path(__file__).resolve().parents[1]
    packaged = package / name
    return packaged if packaged.is_dir() else package.parent / name
