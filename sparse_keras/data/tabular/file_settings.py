"""How a file of a table is to be read, for `sparse-keras init`: the keys of `data` that say so."""

from sparse_keras.data.encodings import encoding_of, is_decodable, readings
from sparse_keras.data.tabular.formats import CSVFile, ExcelFile, NPZFile, ParquetFile
from sparse_keras.data.tabular.sniffing import declared_separator, sniff_csv
from sparse_keras.data.tabular.table_files import open_table

TYPES = {CSVFile: "csv", ExcelFile: "excel", NPZFile: "npz", ParquetFile: "parquet"}


def file_settings(path, sheet=None):
    """Finds out how a file is to be read.

    Args:
        path: The file.
        sheet: Excel only: the name of the sheet.

    Returns:
        `(file, settings, notes)`: the `TableFile`; the keys of `data` that differ from their
        defaults, `type` first; and why, `{key: phrase}`.

    Raises:
        ValueError: If it is no file that a config can be written for, or cannot be read.
    """
    file = open_table(path, sheet=sheet)
    if type(file) not in TYPES:
        raise ValueError(
            f"{path}: expected a .csv, .tsv, .parquet, .npz or .xlsx file to train on."
        )
    settings, notes = {"type": TYPES[type(file)]}, {}
    if sheet is not None and not isinstance(file, ExcelFile):
        raise ValueError(f"--sheet has no effect: {path} is not an Excel file.")
    if isinstance(file, CSVFile):
        file, settings, notes = _csv(path, settings)
    if isinstance(file, ExcelFile):
        if sheet is not None:
            settings["sheet"] = sheet
        row = file.suggested_header_row()
        if row not in (None, 1):
            settings["header_row"] = row
            notes["header_row"] = (
                "the first row with a name for each column; rows above are left out"
            )
        file = open_table(path, sheet=sheet, header_row=row or 1)
    return file, settings, notes


def _csv(path, settings):
    notes, options = {}, {}
    if not is_decodable(path, encoding_of(path)):
        first, *others = readings(path)
        options["encoding"] = first.encoding
        words = ", ".join(map(repr, first.words))
        instead = "; ".join(map(str, others))
        notes["encoding"] = f"not UTF-8; read as {words}{f' (or as {instead})' if instead else ''}"
    separator, decimal = sniff_csv(path, **options)
    if separator != ",":
        settings["separator"] = separator
        if declared_separator(path, **options):
            notes["separator"] = f"the first line of the file says sep={separator}"
    if decimal != ".":
        settings["decimal"] = decimal
    file = open_table(path, separator, decimal, **options)
    return file, settings | options, notes
