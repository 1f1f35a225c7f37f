"""Small packages in place of those that the readers download."""

import hashlib
import io
import tarfile
import zipfile
from dataclasses import replace

import pytest


def _archive(filename, members):
    stream = io.BytesIO()
    if filename.endswith(".whl"):
        with zipfile.ZipFile(stream, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(fileobj=stream, mode="w:gz") as archive:
            for name, content in members.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    """Returns a function that puts members into the cache as the file of a `PackageFile`."""
    monkeypatch.setenv("SPARSE_KERAS_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()

    def make(package, members):
        members = {name: text.encode() for name, text in members.items()}
        content = _archive(package.filename, members)
        (tmp_path / "home" / package.filename).write_bytes(content)
        sha256 = {name: hashlib.sha256(members[name]).hexdigest() for name in package.members}
        return replace(package, sha256=hashlib.sha256(content).hexdigest(), members=sha256)

    return make
