"""Files that are whole or not there."""

import errno
import os
import subprocess
import sys

import pytest

from sparse_keras._internal import atomic
from sparse_keras._internal.atomic import new_folder, replacing, write_text


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


def partials(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".partial_")]


def test_a_link_is_not_followed(tmp_path):
    """Neither at the place of the file, nor at a name that the temporary file could have."""
    foreign = tmp_path / "foreign.txt"
    foreign.write_text("foreign")
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("a.txt", ".partial_a.txt", ".partial_00000000_a.txt"):
        (folder / name).symlink_to(foreign)
    write_text(folder / "a.txt", "mine")
    assert foreign.read_text() == "foreign"
    assert (folder / "a.txt").read_text() == "mine" and not (folder / "a.txt").is_symlink()


def test_the_temporary_name_cannot_be_guessed(tmp_path):
    with replacing(tmp_path / "a.txt") as one, replacing(tmp_path / "a.txt") as other:
        assert one != other
        for path in (one, other):
            path.write_text(path.name)
    assert (tmp_path / "a.txt").read_text() == one.name
    assert not partials(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="locks of files")
def test_what_a_killed_process_left_is_removed(tmp_path):
    left = [".partial_0123abcd_p.parquet", ".partial_0123abcd_other.csv", ".partial_of_mine.csv"]
    for name in left:
        (tmp_path / name).write_text("half")
    with replacing(tmp_path / "p.parquet") as partial:
        partial.write_text("whole")
        # By another process, which leaves alone what is being written.
        code = (
            "import sys; from sparse_keras._internal.atomic import remove_abandoned\n"
            "remove_abandoned(sys.argv[1])"
        )
        subprocess.run([sys.executable, "-c", code, tmp_path], check=True)
        assert sorted(partials(tmp_path)) == sorted([partial.name, ".partial_of_mine.csv"])
    assert partials(tmp_path) == [".partial_of_mine.csv"]
    assert (tmp_path / "p.parquet").read_text() == "whole"


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(FileExistsError, match="another process has written it meanwhile"):
        with replacing(path, overwrite=False) as partial:
            partial.write_text("mine")
            path.write_text("theirs")
    assert path.read_text() == "theirs" and list(tmp_path.iterdir()) == [path]


def test_a_long_name(tmp_path):
    path = tmp_path / ("a" * 250 + ".txt")
    write_text(path, "new")
    assert path.read_text() == "new"


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*a\.txt'"):
        write_text(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_whole(tmp_path):
    path = tmp_path / "new"
    with new_folder(path) as partial:
        (partial / "a.txt").write_text("a")
        assert not path.exists()
    assert [file.name for file in path.iterdir()] == ["a.txt"]
    with pytest.raises(FileExistsError), new_folder(path) as partial:
        (partial / "a.txt").write_text("b")
    assert (path / "a.txt").read_text() == "a"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="locks of files")
def test_a_folder_that_a_killed_process_left_is_removed(tmp_path):
    (tmp_path / ".partial_0123abcd_new").mkdir()
    with new_folder(tmp_path / "other"):
        assert len(partials(tmp_path)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
