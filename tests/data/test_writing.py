"""TableWriter: whole files, part by part, or none."""

import signal

import numpy as np
import pandas as pd
import pytest

from sparse_keras.data.tabular.table_files import read_table
from sparse_keras.data.writing import TableWriter

PARTS = [
    pd.DataFrame({"id": ["a", "b"], "prediction": ["yes, sure", 'a "no"'], "p": [0.25, 0.5]}),
    pd.DataFrame({"id": ["c"], "prediction": ["maybe\nlater"], "p": [1.0]}),
]


def write(path, parts=PARTS, **kwargs):
    with TableWriter(path, **kwargs) as writer:
        for part in parts:
            writer.write(part)


@pytest.mark.parametrize("name", ["p.csv", "p.tsv", "p.jsonl", "p.parquet"])
def test_what_is_written_is_read(name, tmp_path):
    write(tmp_path / name)
    found = read_table(tmp_path / name)
    pd.testing.assert_frame_equal(found, pd.concat(PARTS, ignore_index=True))
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_standard_output(capsys):
    write(None)
    assert capsys.readouterr().out.splitlines()[0] == "id,prediction,p"


def test_whole_numbers_stay_whole(capsys):
    write(None, [pd.DataFrame({"customer": [102406.0, np.nan, 1e15, 0.1, -2.5], "n": 3})])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == ["102406,3", ",3", "1000000000000000,3", "0.1,3", "-2.5,3"]


@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
def test_an_error_leaves_what_was_there(name, tmp_path):
    write(tmp_path / name)
    before = (tmp_path / name).read_bytes()
    with pytest.raises(RuntimeError), TableWriter(tmp_path / name, overwrite=True) as writer:
        writer.write(PARTS[0])
        raise RuntimeError
    assert (tmp_path / name).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_nothing_is_overwritten_without_being_asked(tmp_path):
    write(tmp_path / "p.csv")
    with pytest.raises(ValueError, match="--overwrite"):
        write(tmp_path / "p.csv")
    write(tmp_path / "p.csv", PARTS[1:], overwrite=True)
    assert len(read_table(tmp_path / "p.csv")) == 1


def test_other_suffixes_and_folders(tmp_path):
    with pytest.raises(ValueError, match=r"\.csv.*\.parquet"):
        TableWriter(tmp_path / "p.xlsx")
    with pytest.raises(ValueError, match="there is no folder"):
        TableWriter(tmp_path / "nowhere" / "p.csv")


def test_numbers_survive(tmp_path):
    values = np.random.default_rng(0).random(50).astype("float32")
    for name in ("p.csv", "p.jsonl", "p.parquet"):
        write(tmp_path / name, [pd.DataFrame({"p": values})])
        np.testing.assert_allclose(read_table(tmp_path / name)["p"], values, rtol=1e-6)


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="sizes of files are limited on POSIX")
@pytest.mark.parametrize("name", ["p.csv", "p.jsonl", "p.parquet"])
def test_a_full_disk_names_the_file(name, tmp_path):
    import resource

    frame = pd.DataFrame({"x": np.random.default_rng(0).random(100_000)})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(OSError, match=name):
            write(tmp_path / name, [frame])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.iterdir())
