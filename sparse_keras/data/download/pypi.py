"""Files of Python packages on the indexes that `pip` is set up with."""

import ast
import functools
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from http.client import HTTPException
from urllib.parse import urldefrag, urljoin, urlsplit

from sparse_keras.data.download.fetch import open_url, with_credentials

PYPI = "https://pypi.org/simple"
_JSON = "application/vnd.pypi.simple.v1+json"
# The sections of pip's configuration that are about downloads, the strongest first.
_SECTIONS = (":env:", "download", "install", "global")


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
                    return with_credentials(url, index)
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
