"""Whole files, chunks and samples, of every format."""

import bz2
import gzip
import json
import lzma
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest

from sparse_keras._internal import memory
from sparse_keras.data.tabular import table_files
from sparse_keras.data.tabular.sniffing import sniff_csv
from sparse_keras.data.tabular.table_files import iter_table, open_table, read_table, sample_rows

FRAME = pd.DataFrame(
    {
        "age": [31.0, np.nan, 40.0, 28.5, 60.0],
        "city": ["Rome", "Bonn", None, "Rome", "007"],
        "visits": [1, 2, 3, 4, 5],
        "member": [True, False, True, True, False],
    }
)


def write(path, frame=FRAME):
    suffix = path.suffix
    if suffix in (".csv", ".tsv"):
        frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    elif suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif suffix == ".parquet":
        frame.to_parquet(path)
    else:
        arrays = {name: frame[name].fillna("").to_numpy("U4") for name in ["city"]}
        np.savez(path, **frame.drop(columns="city"), **arrays)
    return path


@pytest.fixture(params=[".csv", ".tsv", ".jsonl", ".parquet", ".npz"])
def path(request, tmp_path):
    return write(tmp_path / f"people{request.param}")


def same(left, right):
    """Equal up to the order of columns and the kind of "missing"."""
    assert set(left) == set(right)
    for name in right:
        pd.testing.assert_series_equal(
            left[name].astype(object).fillna(-1), right[name].astype(object).fillna(-1)
        )


def test_every_format_reads_the_same_table(path):
    frame = read_table(path)
    same(frame, FRAME)
    assert frame["age"].dtype == "float64" and frame["member"].dtype == "bool"


def test_chunks_are_the_table(path):
    chunks = list(iter_table(path, chunk_rows=2, text=["city"]))
    assert [len(chunk) for chunk in chunks] == [2, 2, 1]
    same(pd.concat(chunks), FRAME)  # Row numbers included.
    assert read_table(path).columns.tolist() == chunks[-1].columns.tolist()


def test_a_sample_keeps_order_rows_and_types(path):
    frame = sample_rows(open_table(path), 3, seed=0, chunk_rows=2)
    same(frame, FRAME.iloc[frame.index])
    assert len(frame) == 3 and frame.index.is_monotonic_increasing
    same(sample_rows(open_table(path), 9, seed=0), FRAME)


def test_a_sample_depends_on_the_seed_and_not_on_chunks(tmp_path):
    path = write(tmp_path / "x.csv", pd.DataFrame({"x": range(1000)}))
    samples = [sample_rows(open_table(path), 50, seed=3, chunk_rows=rows) for rows in (7, 60, 5000)]
    assert samples[0].equals(samples[1]) and samples[0].equals(samples[2])
    assert not sample_rows(open_table(path), 50, seed=4).equals(samples[0])


def test_every_row_is_equally_likely(tmp_path):
    path = write(tmp_path / "x.csv", pd.DataFrame({"x": range(20)}))
    file = open_table(path)
    counts = np.zeros(20)
    for seed in range(100):
        counts[sample_rows(file, 5, seed, chunk_rows=4)["x"]] += 1
    # Binomial(100, 1/4): mean 25, standard deviation 4.3. Four of them either way.
    assert counts.sum() == 500 and (np.abs(counts - 25) < 17.5).all()


def test_a_column_of_a_sample_is_typed_as_a_whole(tmp_path):
    # In chunks of 2 the first would be numbers, and "01" would be lost.
    path = tmp_path / "x.csv"
    path.write_text("code\n01\n02\nx3\n04\n")
    assert sample_rows(open_table(path), 4, 0, chunk_rows=2)["code"].tolist() == [
        *("01", "02", "x3", "04")
    ]
    chunks = iter_table(path, chunk_rows=2, text=["code"])
    assert [value for chunk in chunks for value in chunk["code"]] == ["01", "02", "x3", "04"]


def test_chunks_of_csv_with_options(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("\ufeffa; b \n1,5;?\n2,5; u\n")
    (chunk,) = iter_table(path, separator=";", decimal=",")
    assert chunk["a"].tolist() == [1.5, 2.5] and chunk["b"].isna().tolist() == [True, False]


def test_memory(tmp_path, monkeypatch):
    path = write(tmp_path / "x.parquet")
    assert memory.free_memory() > 10**7
    table_files.refuse_beyond_memory(open_table(path))
    monkeypatch.setattr(memory, "free_memory", lambda: 100)
    with pytest.raises(ValueError, match=r"x.parquet holds 0.0 GB of data.*Set data.max_rows"):
        table_files.refuse_beyond_memory(open_table(path))
    with pytest.raises(ValueError, match=r"x.parquet holds 0.0 GB of data.*iter_table"):
        read_table(path)
    npz = write(tmp_path / "x.npz")
    for read in (read_table, lambda path: list(iter_table(path))):
        with pytest.raises(ValueError, match=r"x.npz holds .* cannot be read in parts.*Parquet"):
            read(npz)


def test_the_size_of_a_file_is_that_of_its_content(tmp_path):
    pa = pytest.importorskip("pyarrow")
    rows = 1_000_000
    with gzip.open(tmp_path / "x.csv.gz", "wb") as file:
        file.write(b"x\n" + b"0\n" * rows)
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros(rows))
    pa.parquet.write_table(pa.table({"x": np.zeros(rows)}), tmp_path / "x.parquet")
    sizes = {"x.csv.gz": 2 * rows + 2, "x.npz": 8 * rows + 500, "x.parquet": 8 * rows}
    for name, size in sizes.items():
        assert (tmp_path / name).stat().st_size < 100_000
        assert open_table(tmp_path / name).nbytes() == size


@pytest.mark.parametrize(
    "suffix, opener", [(".gz", gzip.open), (".bz2", bz2.open), (".xz", lzma.open)]
)
@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_text_may_be_compressed(tmp_path, name, suffix, opener):
    plain = write(tmp_path / name)
    packed = tmp_path / f"{name}{suffix}"
    with opener(packed, "wb") as file:
        file.write(plain.read_bytes())
    same(read_table(packed), read_table(plain))
    same(pd.concat(iter_table(packed, chunk_rows=2, text=["city"])), FRAME)
    if name == "x.csv":
        assert sniff_csv(packed) == (",", ".")
    packed.write_bytes(packed.read_bytes()[:-30])
    for read in (read_table, lambda path: list(iter_table(path))):
        with pytest.raises(ValueError, match=f"{name}{suffix} .*(damaged|cannot be read)"):
            read(packed)


@pytest.mark.parametrize(
    "name, advice",
    [
        ("x.xls", r"Save it as .xlsx .*pandas.read_excel\('x.xls'\).to_csv\('x.csv'"),
        ("x.json", r"object in each line, name it .jsonl.*read_json"),
        ("x.csv.zip", r"Unpack it first: unzip x.csv.zip"),
        ("x.csv.zst", r"Unpack it first: zstd -d x.csv.zst"),
        ("x.parquet.gz", r"expected a table that ends in"),
        ("x.feather", r"Convert it: pandas.read_feather"),
        ("x.npy", r"numpy.savez"),
        ("x", r"expected a table that ends in"),
    ],
)
def test_what_to_do_with_other_formats(tmp_path, name, advice):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match=advice):
        read_table(tmp_path / name)


def test_a_path_that_is_no_file(tmp_path):
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(ValueError, match=r"x.csv is a folder"):
        read_table(tmp_path / "x.csv")
    with pytest.raises(ValueError, match=r"does not exist"):
        read_table(tmp_path / f"{'x' * 5000}.csv")


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("x.xls", b"", r"expected a table that ends in one of '.csv'"),
        ("x.xlsx", b"", r"x.xlsx cannot be read as an Excel file"),
        ("x.csv", b"", r"x.csv is empty"),
        ("x.csv", b"a,b\n", r"x.csv has no rows"),
        ("x.jsonl", b"", r"x.jsonl has no rows"),
        ("x.jsonl", b'{"a": 1}\n{"a": \n', r"x.jsonl, line 2 is not JSON"),
        ("x.jsonl", b"[1, 2]\n", r"line 1: expected an object such as .* Received: \[1, 2\]"),
        ("x.jsonl", b'{"a": [1]}\n', r"expected a number, .* for 'a'. Received: \[1\]"),
        ("x.jsonl", b'{"a": 1, "a ": 2}\n', r"must be distinct. Received twice: 'a'"),
        ("x.jsonl", b'{"a": 1, "a": 2}\n', r"x.jsonl, line 1 is not JSON: 'a' stands twice"),
        ("x.jsonl", b'{"a": 1}\n{"a": "\xff"}\n', r"x.jsonl, line 2 is not UTF-8 text .*xff"),
        ("x.jsonl", b'{"a": ' + b"[" * 100_000, r"x.jsonl, line 1 is nested too deep"),
        ("x.jsonl", b'["\\ud800"]\n', r"x.jsonl, line 1: expected an object"),
        ("x.jsonl", b'{"a": "\\ud800"}\n', r"x.jsonl, line 1 holds what is no text: .*surrogates"),
        ("x.jsonl", b'{"a": ' + b"9" * 5000 + b"}\n", r"x.jsonl, line 1 is not JSON: .*digits"),
        ("x.parquet", b"no parquet", r"x.parquet cannot be read as Parquet"),
        ("x.npz", b"no zip", r"x.npz cannot be read as an NPZ file"),
    ],
)
def test_damage(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_table(path)
    with pytest.raises(ValueError, match=message):
        list(iter_table(path))


def test_a_key_left_out_of_a_json_line_is_missing(tmp_path):
    path = tmp_path / "x.jsonl"
    rows = [{"a": 1, "c": "?"}, {"b": "u", "c": 2}]
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    frame = read_table(path)
    assert frame["a"].tolist()[0] == 1 and frame["a"].isna().tolist() == [False, True]
    assert frame["c"].dtype == "float64" and frame["c"].tolist()[1] == 2


def test_npz_arrays(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, x=np.arange(6).reshape(3, 2), t=np.array([b"u", b"v", b"w"]))
    assert read_table(path).columns.tolist() == ["x_0", "x_1", "t"]
    assert read_table(path)["x_1"].tolist() == [1, 3, 5]
    assert read_table(path)["t"].tolist() == ["u", "v", "w"]
    for arrays, message in [
        ({"a": np.zeros(3), "b": np.zeros(4)}, r"equally long. Received: \{'a': 3, 'b': 4\}"),
        ({"a": np.zeros((3, 1)), "a_0": np.zeros(3)}, r"'a_0' is an array and a column"),
        ({"a": np.float32(1)}, r"'a' must hold .* rank 1 or 2. Received: float32 of shape \[\]"),
        ({"a": np.zeros(2, complex)}, r"Received: complex128 of shape \[2\]"),
        ({"a": np.array([None, "u"])}, r"array 'a': it holds Python objects"),
    ]:
        np.savez(path, **arrays)
        with pytest.raises(ValueError, match=message):
            read_table(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "no array")
    with pytest.raises(
        ValueError, match=r"x.npz cannot be read: array 'readme.txt': .* not an arr"
    ):
        read_table(path)
    np.savez(path, format=np.array("csr"), shape=np.array([1, 1]), data=np.ones(1))
    with pytest.raises(ValueError, match=r"x.npz holds a sparse matrix .*data.type: sparse_npz"):
        read_table(path)
    np.save(tmp_path / "y.npy", np.zeros(3))
    (tmp_path / "y.npy").rename(path)
    with pytest.raises(ValueError, match=r"one array without a name. .*numpy.savez"):
        read_table(path)


def test_parquet_types(tmp_path):
    pa = pytest.importorskip("pyarrow")
    path = tmp_path / "x.parquet"
    frame = FRAME.set_index(pd.Index([7, 8, 9, 10, 11]))
    frame.to_parquet(path)  # pandas stores its index, which is no data.
    assert read_table(path).columns.tolist() == FRAME.columns.tolist()
    cells = {
        "price": pa.array([1, None], pa.int32()).cast(pa.decimal128(12, 2)),
        "kind": pa.array(["u", "v"]).dictionary_encode(),
    }
    pa.parquet.write_table(pa.table(cells), path)
    table = read_table(path)
    assert table["price"].dtype == "float64" and table["kind"].dtype == "category"
    pa.parquet.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]), path)
    with pytest.raises(ValueError, match=r"x.parquet: column names must be distinct.*twice: 'a'"):
        read_table(path)
    pa.parquet.write_table(pa.table({"a": [[1], [2]]}), path)
    with pytest.raises(ValueError, match=r"Received other values in column 'a' \(list<"):
        read_table(path)


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    path = write(tmp_path / "x.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match="pip install pyarrow"):
        read_table(path)
