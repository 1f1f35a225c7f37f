"""Fuzzer of data files: a damaged or hostile file is read, or refused by its name.

For each format a case writes a file, changed at random from a valid one, and reads it at each
entrance. Reading returns, or raises a `ValueError` that names the file. Anything else is a failure:
another exception, a crash of the process, or a case that takes longer than `SECONDS`.
"""

import argparse
import bz2
import datetime
import faulthandler
import functools
import gzip
import io
import json
import re
import shlex
import sys
import tempfile
import traceback
import warnings
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import scipy.sparse

from sparse_keras.data import READERS
from sparse_keras.data.tabular.csr.files import is_matrix_file, read_matrix
from sparse_keras.data.tabular.file_settings import file_settings
from sparse_keras.data.tabular.sniffing import sniff_csv
from sparse_keras.data.tabular.table_files import (
    fits_memory,
    is_csv,
    iter_table,
    open_table,
    read_table,
    sample_rows,
)
from sparse_keras.schema.sections.tabular.splits import RandomSplit
from tests.fuzz.mutations import mutated

SECONDS = 60  # for one case
ROWS = 30

_NUMBERS = (0, -1, 7, 10**6, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63))
_CELLS = (
    *("", " ", "NA", "x", '"', '""', "a\rb", "a\nb", "a,b", "a;b", "1e308", "1e999", "-inf", "nan"),
    *("9" * 400, "1_000", "0x10", "007", "\ufeff", "\u0301", "é", "\x00", "True", "2024-01-01"),
    *("'", "#", "\\", "\t", "=1+1", "-", "1,5", "99999999999999999999", "\u2028", "x" * 70_000),
)


def table(rng):
    """A small table of columns of each kind."""
    return pd.DataFrame(
        {
            "number": rng.normal(size=ROWS).round(3),
            "count": rng.integers(0, 9, ROWS),
            "city": rng.choice(["Rome", "Bonn", "Köln, Rhein"], ROWS),
            "member": rng.integers(0, 2, ROWS).astype(bool),
            "target": rng.choice(["no", "yes"], ROWS),
        }
    )


def csv_file(path, rng):
    frame = table(rng).astype(object)
    for _ in range(rng.integers(0, 4)):
        frame.iloc[rng.integers(ROWS), rng.integers(5)] = _any_of(_CELLS, rng)
    if rng.random() < 0.2:
        names = list(frame)
        names[rng.integers(5)] = _any_of((*_CELLS, "number"), rng)
        frame.columns = names
    quoting = int(rng.integers(0, 2))
    separator = _any_of(",,,;\t|", rng)
    content = frame.to_csv(index=False, sep=separator, quoting=quoting, escapechar="\\")
    if rng.random() < 0.2:
        content = _any_of(("sep=%s\n", '"sep=%s"\r\n', "SEP=%s\n"), rng) % separator + content
    encoding = _any_of((*["utf-8"] * 6, "utf-8-sig", "utf-16", "cp1252", "utf-32"), rng)
    path.write_bytes(_perhaps_mutated(content.encode(encoding, "replace"), rng))


def packed_csv_file(path, rng, pack):
    content = pack(table(rng).to_csv(index=False).encode())
    path.write_bytes(mutated(content, rng))


def json_lines_file(path, rng):
    hostile = (*_CELLS, *_NUMBERS, 10**30, 1e300, float("nan"), None, True, [], {}, [[1]], "\ud800")
    lines = []
    for row in table(rng).to_dict("records"):
        if rng.random() < 0.1:
            row[_any_of((*row, "other", "", " city"), rng)] = _any_of(hostile, rng)
        lines.append(json.dumps(row, ensure_ascii=bool(rng.integers(2)), default=str))
    if rng.random() < 0.05:
        lines[rng.integers(ROWS)] = '{"number": ' + _any_of('[{"', rng) * 100_000
    content = "\n".join(lines).encode("utf-8", "surrogatepass")
    path.write_bytes(_perhaps_mutated(content, rng))


def parquet_file(path, rng):
    import pyarrow as pa
    import pyarrow.parquet

    columns = {name: pa.array(values) for name, values in table(rng).items()}
    if rng.random() < 0.6:
        columns[_any_of((*columns, "other"), rng)] = _any_of(_parquet_columns(pa), rng)
    names, arrays = list(columns), list(columns.values())
    if rng.random() < 0.1:
        names[rng.integers(len(names))] = _any_of(
            ("city", "", " ", "city ", "__index_level_0__"), rng
        )
    sink = io.BytesIO()
    options = {"compression": _any_of(("none", "snappy", "zstd"), rng)}
    options["use_dictionary"] = bool(rng.integers(2))
    pa.parquet.write_table(pa.Table.from_arrays(arrays, names), sink, **options)
    path.write_bytes(_perhaps_mutated(sink.getvalue(), rng))


def _parquet_columns(pa):
    times = [0, 2**40, -(2**50)] * (ROWS // 3)
    return (
        *(pa.array(times, pa.timestamp(unit)) for unit in ("s", "ms", "us")),
        pa.array(times, pa.timestamp("s", "Europe/Rome")),
        pa.array([0, 2**30, -(2**30)] * (ROWS // 3), pa.date32()),
        pa.array([0, 1, 86_399] * (ROWS // 3), pa.time32("s")),
        pa.array(times, pa.duration("ms")),
        pa.array([b"\xff", b"", None] * (ROWS // 3), pa.binary()),
        pa.array([b"\xff"] * ROWS, pa.binary(1)),
        pa.array([None] * ROWS, pa.null()),
        pa.array([1, None] * (ROWS // 2)).cast(pa.decimal256(60, 3)),
        pa.array([[1]] * ROWS),
        pa.array([{"a": 1}] * ROWS),
        pa.array(["u", None] * (ROWS // 2)).dictionary_encode(),
        pa.array([1.5, None] * (ROWS // 2), pa.float16()),
        pa.array([2**64 - 1] * ROWS, pa.uint64()),
        pa.array([float("inf")] * ROWS),
        pa.array(["x" * 10_000] * ROWS, pa.large_string()),
    )


def excel_file(path, rng):
    import openpyxl

    hostile = (*_NUMBERS, *_CELLS[:20], 1e300, None, True, datetime.datetime(1900, 1, 1))
    hostile += (datetime.time(1, 2), datetime.timedelta(days=3), "=1+1", "#N/A", "x" * 30_000)
    book = openpyxl.Workbook()
    rows = [list(table(rng)), *table(rng).astype(object).to_numpy().tolist()]
    for _ in range(rng.integers(0, 4)):
        cell = _any_of(hostile, rng)
        # What a workbook cannot hold is damage of another kind.
        cell = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "", cell) if isinstance(cell, str) else cell
        rows[rng.integers(ROWS + 1)][rng.integers(5)] = cell
    for row in rows:
        book.active.append(row)
    if rng.random() < 0.2:
        book.active.cell(int(rng.integers(1, 3000)), int(rng.integers(1, 99)), "far")
    if rng.random() < 0.1:
        book.create_sheet("Second").append([1])
    sink = io.BytesIO()
    book.save(sink)
    content = sink.getvalue()
    if rng.random() < 0.6:  # Of what is packed in the archive, whose sums are right.
        packed = zipfile.ZipFile(io.BytesIO(content))
        wanted = _any_of([name for name in packed.namelist() if "theme" not in name], rng)
        with zipfile.ZipFile(path, "w") as out:
            for name in packed.namelist():
                part = packed.read(name)
                out.writestr(name, mutated(part, rng) if name == wanted else part)
    else:
        path.write_bytes(_perhaps_mutated(content, rng))


def npz_file(path, rng):
    frame = table(rng)
    arrays = {name: frame[name].to_numpy() for name in ("number", "count", "member")}
    arrays["target"] = frame["target"].to_numpy("U3")
    if rng.random() < 0.7:
        arrays[_any_of((*arrays, "other", "", "a/b", "x_0"), rng)] = _any_of(_arrays(rng), rng)
    _write_arrays(path, arrays, rng)


def _arrays(rng):
    return (
        *(rng.normal(size=(ROWS, 3)).astype(f"f{size}") for size in (2, 4, 8, 16)),
        *(np.zeros(shape) for shape in ((), (0,), (0, 3), (ROWS, 0), (ROWS, 2, 2), (ROWS + 1,))),
        *(np.full(ROWS, value) for value in (np.nan, np.inf, 1e300, 2**63 - 1, 1j)),
        np.full(ROWS, 2**64 - 1, "uint64"),
        np.array([b"\xff", b""] * (ROWS // 2)),
        np.array(["", "nan", "x" * 999] * (ROWS // 3)),
        np.zeros(ROWS, "U0"),
        np.frombuffer(b"\x00\xd8\x00\x00" * ROWS, "<U1"),  # half of a pair of surrogates
        np.frombuffer(b"\xff\xff\xff\x7f" * ROWS, "<U1"),
        *(np.zeros(ROWS, f"M8[{unit}]") for unit in ("Y", "s", "as", "3D")),
        *(np.full(ROWS, 2**62).astype(f"{kind}8[{unit}]") for kind in "Mm" for unit in ("D", "ns")),
        np.zeros(ROWS, "m8"),
        np.zeros(ROWS, [("a", "i4"), ("é", "f8")]),
        np.array([None] * ROWS),
        rng.normal(size=ROWS).astype(">f8"),
    )


def sparse_npz_file(path, rng):
    dense = rng.normal(size=(ROWS, 8)) * (rng.random((ROWS, 8)) < 0.3)
    form = _any_of(("csr", "csc", "bsr", "coo", "dia"), rng)
    kind = _any_of(("matrix", "array"), rng)
    sink = io.BytesIO()
    scipy.sparse.save_npz(sink, getattr(scipy.sparse, f"{form}_{kind}")(dense))
    sink.seek(0)
    arrays = dict(np.load(sink))
    for _ in range(rng.integers(0, 4)):
        name = _any_of(tuple(arrays), rng)
        arrays[name] = _hostile_array(name, arrays[name], rng)
    if rng.random() < 0.1:
        del arrays[_any_of(tuple(arrays), rng)]
    _write_arrays(path, arrays, rng)


def _hostile_array(name, array, rng):
    if name == "format":
        forms = ("csr", "csc", "bsr", "coo", "dia", "lil", "dok", "spmatrix", "é", "")
        return np.array(_any_of(forms, rng)) if rng.random() < 0.8 else np.array(b"csr")
    if rng.random() < 0.3:
        return _any_of(_arrays(rng), rng)
    damage = rng.integers(5)
    if damage == 0 and array.ndim:
        return array[: rng.integers(len(array) + 1)]
    if damage == 1 and array.dtype.kind in "biuf":
        return array.astype(_any_of(("f8", "i1", "u8", "U4", "bool", ">i4", "c16"), rng))
    if damage == 2 and array.ndim:
        return _any_of((array[None], array[..., None], array[::-1], np.tile(array, 2)), rng)
    if array.dtype.kind not in "iuf":
        return array
    array = np.array(array, array.dtype if array.dtype.kind == "f" else "int64")
    for _ in range(rng.integers(1, 4) if array.size else 0):
        array.flat[rng.integers(array.size)] = _any_of(_NUMBERS, rng)
    return array


def _write_arrays(path, arrays, rng):
    """Writes arrays as `numpy.savez` does; sometimes damages the file, or what is packed in it."""
    inner = rng.random() < 0.25
    with zipfile.ZipFile(
        path, "w", _any_of((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED), rng)
    ) as out:
        for name, array in arrays.items():
            sink = io.BytesIO()
            np.lib.format.write_array(sink, array)
            content = sink.getvalue()
            if inner and rng.random() < 0.4:  # The sum that the archive keeps is of these bytes.
                head = 128 if rng.random() < 0.7 else len(content)
                content = mutated(content[:head], rng) + content[head:]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # A name may stand twice.
                out.writestr(f"{name}.npy", content)
    if rng.random() < 0.25:
        path.write_bytes(mutated(path.read_bytes(), rng))


def svmlight_file(path, rng):
    hostile = ("0:1", "-1:1", "2147483648:1", "1099511627776:1", "9:1e300", "9:nan", "9:", ":1")
    hostile += ("9", "qid:3", "qid:x", "#", "é:1", "9:0x1", "99:1e-400", f"{2**70}:1", "1:1 1:1")
    targets = ("1e300", "nan", "inf", "x", "1,2", "", "1e17", "-0", "0.5", "1_0", "1:2")
    lines = []
    for _ in range(ROWS):
        columns = np.flatnonzero(rng.random(8) < 0.4) + 1
        cells = [f"{column}:{rng.normal():.3f}" for column in columns]
        if rng.random() < 0.03:
            cells.insert(rng.integers(len(cells) + 1), _any_of(hostile, rng))
        target = _any_of(targets, rng) if rng.random() < 0.02 else str(rng.integers(2))
        lines.append(" ".join([target, *cells]))
    path.write_bytes(_perhaps_mutated("\n".join(lines).encode(), rng))


def _any_of(values, rng):
    return values[int(rng.integers(len(values)))]


def _perhaps_mutated(content, rng):
    return mutated(content, rng) if rng.random() < 0.6 else content


# How a file is made, by its name.
FORMATS = {
    "x.csv": csv_file,
    "x.csv.gz": functools.partial(packed_csv_file, pack=functools.partial(gzip.compress, mtime=0)),
    "x.csv.bz2": functools.partial(packed_csv_file, pack=bz2.compress),
    "x.jsonl": json_lines_file,
    "x.parquet": parquet_file,
    "x.xlsx": excel_file,
    "table.npz": npz_file,
    "matrix.npz": sparse_npz_file,
    "x.svm": svmlight_file,
}
READER = {
    "x.parquet": "parquet",
    "x.xlsx": "excel",
    "table.npz": "npz",
    "x.svm": "svmlight",
    "matrix.npz": "sparse_npz",
}


def entrances(path):
    """What reads a file, `{name: function without arguments}`."""
    options = SimpleNamespace(
        **{"path": path, "target": "target", "task": "auto", "columns": {}, "max_rows": None},
        **{"weight": None, "separator": ",", "decimal": ".", "test_fraction": 0.25},
        **{"split_seed": 0, "zero_based": False, "num_columns": None},
        **{"missing": None, "missing_target": "error", "ignore_case": None},
        **{"split": RandomSplit(), "test_path": None, "validation_path": None},
        **{"validation_fraction": 0.1, "encoding": "utf-8"},
        **{"sheet": None, "header_row": 1},
        targets=path.parent / "targets.csv",
    )
    reader = READER.get(path.name, "csv" if is_csv(path) else None)
    found = {"is_matrix_file": lambda: is_matrix_file(path)}
    if reader is not None:
        found["reader"] = lambda: READERS[reader](options)
    if path.name in ("matrix.npz", "x.svm"):
        return found | {"read_matrix": lambda: _used(read_matrix(path))}
    sampled = SimpleNamespace(**vars(options) | {"max_rows": 20})
    if reader is not None:
        found["sampled"] = lambda: READERS[reader](sampled)
    if is_csv(path):
        found["sniff_csv"] = lambda: sniff_csv(path)
        found["cp1252"] = lambda: read_table(path, encoding="cp1252")
    return found | {
        "file_settings": lambda: file_settings(path),
        "read_table": lambda: read_table(path),
        "iter_table": lambda: list(iter_table(path, chunk_rows=7)),
        "sample_rows": lambda: sample_rows(open_table(path), 5, seed=0, chunk_rows=7),
        "fits_memory": lambda: fits_memory(open_table(path)),
    }


def _used(rows):
    """Touches each entry of a matrix."""
    rows.matrix.sum(), rows.matrix[::-1].tocsc(copy=True) if rows.matrix.shape[1] < 10**6 else None


def run_case(name, seed, number, folder):
    """Runs one case. Returns what failed, a text, or "", and how many entrances read the file."""
    path, reads = folder / name, 0
    rng = np.random.default_rng([seed, number, sorted(FORMATS).index(name)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        FORMATS[name](path, rng)
        for entrance, read in entrances(path).items():
            try:
                read()
                reads += 1
            except ValueError as error:
                if path.name not in str(error):
                    return f"{entrance}: the error does not name the file:\n{_trace(error)}", reads
            except Exception as error:
                return f"{entrance}:\n{_trace(error)}", reads
    return "", reads


def _trace(error):
    return "".join(traceback.format_exception(error))[-3000:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, default=1000, help="of all formats together")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--keep", metavar="DIR", help="keep the files of the cases there")
    args = parser.parse_args()
    failed = read = 0
    names = list(FORMATS)
    with tempfile.TemporaryDirectory() as temporary:
        for number in range(args.first, args.first + args.cases):
            name = names[number % len(names)]
            folder = Path(args.keep or temporary) / str(number)
            folder.mkdir(parents=True)
            table(np.random.default_rng(0))[["target"]].to_csv(folder / "targets.csv", index=False)
            # A crash or a hang leaves this as the last line.
            again = ["python", "-m", "tests.fuzz.data_files", f"--seed={args.seed}"]
            again += [f"--first={number}", "--cases=1"]
            print(f"case {number}, {name}: {shlex.join(again)}", flush=True)
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            wrong, reads = run_case(name, args.seed, number, folder)
            read += reads > 0
            faulthandler.cancel_dump_traceback_later()
            if wrong:
                failed += 1
                print(f"FAILED {wrong}", flush=True)
    print(f"{args.cases} cases, {failed} failed, {read} read")
    return 1 if failed else 0


if __name__ == "__main__":
    faulthandler.enable()
    sys.exit(main())
