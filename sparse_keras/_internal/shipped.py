"""The location of the folders that ship with the code: `configs` and `results`."""

from pathlib import Path


def shipped_folder(name: str) -> Path:
    """The folder in an installed package, or at the top of a checkout (editable install)."""
    package = Path(__file__).resolve().parents[1]
    packaged = package / name
    return packaged if packaged.is_dir() else package.parent / name
