"""Downloads, from a server of this test's own."""

import hashlib
import io
import os
import sys
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sparse_keras.data.download.fetch import FetchError, cache_folder, cached, fetch, read_member

CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves `server.content`, and notes the ranges asked for."""

    def do_GET(self):
        content, server = self.server.content, self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        if self.path == "/nowhere":
            return self.send_error(404)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if start and server.ranges and start >= len(content):
            return self.send_error(416)
        part = content[start:] if server.ranges else content
        self.send_response(206 if start and server.ranges else 200)
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part[: server.stop_after])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSE_KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.content, server.ranges, server.stop_after, server.asked = CONTENT, True, None, []
    server.url = f"http://127.0.0.1:{server.server_port}/files/table.bin"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def part(server):
    cache_folder().mkdir()
    return cache_folder() / "table.bin.part"


def files():
    return sorted(path.name for path in cache_folder().iterdir())


def test_downloads_once_and_reports(server):
    reports = []
    path = fetch(server.url, SHA256, "table.bin", lambda *report: reports.append(report))
    assert path == cache_folder() / "table.bin" and path.read_bytes() == CONTENT
    assert reports[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in reports] == sorted({done for done, _ in reports})
    assert fetch(server.url, SHA256, "table.bin") == cached(SHA256, "table.bin") == path
    assert server.asked == [None] and files() == ["table.bin"]


@pytest.mark.parametrize("ranges", [True, False])
def test_goes_on_after_an_interruption(server, ranges):
    server.stop_after = 300_000
    with pytest.raises(FetchError, match="ended after 300,000 of 1,280,000 .* goes on from there"):
        fetch(server.url, SHA256, "table.bin")
    assert files() == ["table.bin.part"] and cached(SHA256, "table.bin") is None
    server.stop_after, server.ranges = None, ranges
    reports = []
    path = fetch(server.url, SHA256, "table.bin", lambda *report: reports.append(report))
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"] and files() == ["table.bin"]
    assert reports[-1] == (len(CONTENT), len(CONTENT))


def test_a_whole_part_needs_no_more_bytes(server, part):
    part.write_bytes(CONTENT)
    assert fetch(server.url, SHA256, "table.bin").read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"]


@pytest.mark.parametrize("size", [10, len(CONTENT), 2 * len(CONTENT)])
def test_a_part_of_another_file_is_given_up(server, part, size):
    part.write_bytes(b"x" * size)
    assert fetch(server.url, SHA256, "table.bin").read_bytes() == CONTENT
    assert server.asked == [f"bytes={size}-", None] and files() == ["table.bin"]


def test_another_content_is_deleted(server):
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(FetchError, match=rf"not the file expected.*{SHA256}"):
        fetch(server.url, SHA256, "table.bin")
    assert files() == []


def test_a_file_that_was_spoiled_in_the_cache_is_replaced(server, part):
    path = cache_folder() / "table.bin"
    path.write_bytes(CONTENT[:-1])
    assert cached(SHA256, "table.bin") is None
    assert fetch(server.url, SHA256, "table.bin") == path
    assert path.read_bytes() == CONTENT


def test_offline_says_what_to_do_by_hand(server):
    server.shutdown()
    server.server_close()
    with pytest.raises(FetchError) as caught:
        fetch(server.url, SHA256, "table.bin")
    told = str(caught.value)
    assert "refused" in told and "kept in" not in told
    assert f"download {server.url} and save it as {cache_folder() / 'table.bin'}" in told
    (cache_folder() / "table.bin").write_bytes(CONTENT)
    assert fetch(server.url, SHA256, "table.bin").read_bytes() == CONTENT


def test_a_status_is_told(server):
    with pytest.raises(FetchError, match="HTTP Error 404: Not Found"):
        fetch(server.url.replace("/files/table.bin", "/nowhere"), SHA256, "table.bin")
    assert files() == []


def archive(kind):
    members = {"package/data/rows.csv": b"a,b\n1,2\n", "package/__init__.py": b"raise SystemExit"}
    stream = io.BytesIO()
    if kind == "whl":
        with zipfile.ZipFile(stream, "w") as file:
            for name, content in members.items():
                file.writestr(name, content)
    else:
        with tarfile.open(fileobj=stream, mode="w:gz") as file:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                file.addfile(info, io.BytesIO(content))
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["whl", "tar.gz"])
def test_one_file_of_an_archive(tmp_path, kind):
    path = tmp_path / f"package-1.0.{kind}"
    path.write_bytes(archive(kind))
    assert read_member(path, "package/data/rows.csv") == b"a,b\n1,2\n"
    with pytest.raises(ValueError, match="no file 'package/data/row.csv'. Did you mean.*rows.csv"):
        read_member(path, "package/data/row.csv")


def test_what_is_no_archive(tmp_path):
    path = tmp_path / "rows.bin"
    path.write_bytes(CONTENT)
    with pytest.raises(ValueError, match="neither a zip nor a tar"):
        read_member(path, "rows.csv")


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.delenv("SPARSE_KERAS_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setattr(os.path, "expanduser", lambda path: str(path).replace("~", str(tmp_path)))
    for platform, folder in (("linux", ""), ("win32", ""), ("darwin", "Library/Caches")):
        monkeypatch.setattr(sys, "platform", platform)
        assert cache_folder() == tmp_path / folder / "sparse_keras"
    monkeypatch.setenv("SPARSE_KERAS_HOME", "~/here")
    assert cache_folder() == Path(tmp_path, "here")
