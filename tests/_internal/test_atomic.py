"""Files that are whole or not there."""

import pytest

from sparse_keras._internal.atomic import replacing, write_text


def test_the_new_takes_the_place_of_the_old(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
        assert partial.suffix == ".txt"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), replacing(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_line_ends_stay(tmp_path):
    write_text(tmp_path / "a.csv", "1\r\n2\n")
    assert (tmp_path / "a.csv").read_bytes() == b"1\r\n2\n"
