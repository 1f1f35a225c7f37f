"""Tarballs of npm packages: npm's settings, and a registry of this test's own."""

import hashlib
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sparse_keras.data.download.fetch import FetchError, iter_members
from sparse_keras.data.download.npm import NPM, find_tarball, registry_of
from sparse_keras.data.download.packages import PackageFile

FILENAME = "scope-poems-1.2.0.tgz"
TARBALL = "@scope/poems/-/poems-1.2.0.tgz"


def tarball(**members):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(f"package/{name}.txt")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


class Registry(BaseHTTPRequestHandler):
    """Serves the versions of one package and the tarball of one; notes who asks for what."""

    def do_GET(self):
        server = self.server
        server.asked.append((self.path, self.headers.get("Authorization")))
        if self.path == "/npm/@scope%2Fpoems":
            dist = {"dist": {"tarball": f"{server.url}/npm/{TARBALL}"}}
            content = json.dumps({"versions": {"1.0.0": {}, "1.2.0": dist}}).encode()
        elif self.path == f"/npm/{TARBALL}":
            content = server.content
        elif self.path == "/npm/broken":
            content = b"<html>"
        else:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch):
    """No settings of npm's but those of a test. Returns the folders of the user and the project."""
    for name in ("npm_config_registry", "NPM_CONFIG_REGISTRY", "npm_config_userconfig"):
        monkeypatch.delenv(name, raising=False)
    user, project = tmp_path / "user", tmp_path / "project"
    user.mkdir()
    project.mkdir()
    monkeypatch.setenv("HOME", str(user))
    monkeypatch.setenv("USERPROFILE", str(user))
    monkeypatch.setenv("SPARSE_KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.chdir(project)
    return user, project


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    server.content, server.asked = tarball(b=b"second", a=b"first", c=b"third"), []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def package(server, url="file:///nowhere.tgz"):
    return PackageFile(
        data_set="poems",
        project="@scope/poems",
        filename=FILENAME,
        sha256=hashlib.sha256(server.content).hexdigest(),
        size=len(server.content),
        url=url,
        index="npm",
    )


def test_npms_settings_count(settings, monkeypatch):
    user, project = settings
    assert registry_of("poems") == registry_of("@scope/poems") == NPM
    (user / ".npmrc").write_text("; a comment\nregistry = https://user.example/npm/\nfund=false\n")
    assert registry_of("poems") == "https://user.example/npm"
    monkeypatch.setenv("MIRROR", "mirror.example")
    (project / ".npmrc").write_text(
        '# registry=https://no.example\nregistry="https://${MIRROR}"\n@scope:registry=https://own.example/\n'
    )
    assert registry_of("poems") == "https://mirror.example"
    assert registry_of("@scope/poems") == "https://own.example"
    assert registry_of("@other/poems") == "https://mirror.example"
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "https://variable.example")
    assert registry_of("poems") == "https://variable.example"
    assert registry_of("@scope/poems") == "https://own.example"


def test_another_file_of_the_user(settings, tmp_path, monkeypatch):
    (tmp_path / "settings").write_text("registry=https://other.example")
    monkeypatch.setenv("npm_config_userconfig", str(tmp_path / "settings"))
    assert registry_of("poems") == "https://other.example"


def test_a_tarball_is_found_by_its_version(server, monkeypatch):
    monkeypatch.setenv("npm_config_registry", f"{server.url}/npm/")
    assert find_tarball("@scope/poems", FILENAME) == f"{server.url}/npm/{TARBALL}"
    # A version without an address, one that is not there, a package that is not, and no JSON.
    for project, filename in [
        ("@scope/poems", "scope-poems-1.0.0.tgz"),
        ("@scope/poems", "scope-poems-9.9.9.tgz"),
        ("poems", "poems-1.2.0.tgz"),
        ("broken", "broken-1.0.0.tgz"),
    ]:
        assert find_tarball(project, filename) is None


def test_members_are_read_in_one_pass(server, monkeypatch, capsys):
    monkeypatch.setenv("npm_config_registry", f"{server.url}/npm")
    poems = package(server)
    wanted = poems.iter_members(lambda name: not name.endswith("b.txt"))
    assert list(wanted) == [("package/a.txt", b"first"), ("package/c.txt", b"third")]
    assert f"downloading {FILENAME}" in capsys.readouterr().err
    assert len(list(poems.iter_members(bool))) == 3
    assert [path for path, _ in server.asked] == ["/npm/@scope%2Fpoems", f"/npm/{TARBALL}"]


def test_user_and_password_go_to_the_registry(server, monkeypatch):
    address = f"{server.url}/npm".replace("//", "//me:a%20secret@")
    monkeypatch.setenv("npm_config_registry", address)
    package(server).fetch()
    assert {secret for _, secret in server.asked} == {"Basic bWU6YSBzZWNyZXQ="}


def test_its_own_address_comes_second(server, monkeypatch):
    monkeypatch.setenv("npm_config_registry", f"{server.url}/nothing")
    assert package(server, f"{server.url}/npm/{TARBALL}").fetch().is_file()
    server.content = b"another"
    with pytest.raises(FetchError, match=f"file:///nowhere.tgz and save it as .*{FILENAME}"):
        package(server).fetch()


def test_what_is_no_archive(tmp_path):
    (tmp_path / "x.tgz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match="x.tgz is neither a zip nor a tar archive"):
        list(iter_members(tmp_path / "x.tgz", bool))
