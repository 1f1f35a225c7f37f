"""What to do about files that hold tables in a format which is not read, by their suffix."""

from pathlib import Path

EXCEL = (".xlsx", ".xlsm")
_PANDAS_READERS = {
    ".xls": "read_excel",
    ".ods": "read_excel",
    ".json": "read_json",
    ".feather": "read_feather",
    ".arrow": "read_feather",
    ".orc": "read_orc",
    ".h5": "read_hdf",
    ".hdf5": "read_hdf",
    ".pkl": "read_pickle",
    ".pickle": "read_pickle",
    ".dta": "read_stata",
    ".sav": "read_spss",
    ".sas7bdat": "read_sas",
    ".xml": "read_xml",
    ".html": "read_html",
}
_ARCHIVES = {
    ".zip": "unzip",
    ".zst": "zstd -d",
    ".tar": "tar xf",
    ".tgz": "tar xf",
    ".7z": "7z x",
    ".rar": "unrar x",
}


def conversion_advice(path):
    """Returns what to do with a file that is not read, a sentence after a space, or ""."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in _ARCHIVES:
        return f" Unpack it first: {_ARCHIVES[suffix]} {path.name}."
    if suffix in EXCEL:
        return " Read it with data.type: excel."
    if suffix == ".npy":
        return " Write named arrays: numpy.savez(path, x=..., y=...)."
    if suffix not in _PANDAS_READERS:
        return ""
    convert = (
        f"pandas.{_PANDAS_READERS[suffix]}({path.name!r}).to_csv("
        f"{path.with_suffix('.csv').name!r}, index=False)"
    )
    if suffix == ".json":
        return f" If it holds an object in each line, name it .jsonl. Else convert it: {convert}."
    if _PANDAS_READERS[suffix] == "read_excel":
        return f" Save it as .xlsx in the spreadsheet program, or convert it: {convert}."
    return f" Convert it: {convert}."
