"""Tarballs of npm packages, found on the registry that the user's `npm` is set up with.

The settings are read from where npm reads them, in its order: variables of the environment, the
`.npmrc` of the project, that of the user. Tokens in them are not used: a registry that demands one
is passed over, and the file's own address is tried.
"""

import json
import os
from http.client import HTTPException
from pathlib import Path
from urllib.parse import quote, urljoin

from sparse_keras.data.download.fetch import open_url, with_credentials

NPM = "https://registry.npmjs.org"
# What npm itself asks for: the versions of a package without their descriptions.
_JSON = "application/vnd.npm.install-v1+json"


def find_tarball(project, filename):
    """Returns the URL of a package's tarball on the user's registry; None if it is not there.

    Args:
        project: Name of the package, such as "@scope/name".
        filename: Name of the tarball, as `npm pack` writes it: "scope-name-1.0.0.tgz".
    """
    registry = registry_of(project)
    version = filename.removeprefix(f"{project.lstrip('@').replace('/', '-')}-")
    version = version.removesuffix(".tgz")
    page = f"{registry}/{quote(project, safe='@')}"
    try:
        with open_url(page, {"Accept": f"{_JSON}, application/json;q=0.8"}) as response:
            base, package = response.url, json.load(response)
        tarball = package["versions"][version]["dist"]["tarball"]
        return with_credentials(urljoin(base, tarball), registry)
    except (OSError, ValueError, HTTPException, KeyError, TypeError):
        return None  # The file's own address may do.


def registry_of(project):
    """Returns the URL of the registry that npm is set to use for a package, without a final /."""
    settings = _settings()
    scope = project.partition("/")[0] if project.startswith("@") else None
    chosen = settings.get(f"{scope}:registry") or settings.get("registry") or NPM
    return chosen.rstrip("/")


def _settings():
    """`{key: value}` of npm's settings; of those given twice, the one that npm prefers."""
    variables = {}
    for name, value in os.environ.items():
        if name.lower().startswith("npm_config_") and value:
            # Of a key, _ stands for -, but a scope may hold both, and its : is no variable's.
            variables[name[len("npm_config_") :].lower()] = value
    user = variables.get("userconfig", "~/.npmrc")
    return {**_read(Path(user).expanduser()), **_read(Path(".npmrc")), **variables}


def _read(path):
    """The settings in a `.npmrc`: lines of `key = value`; those after ; or # are comments."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return {}
    pairs = (line.partition("=") for line in lines if not line.lstrip().startswith((";", "#")))
    return {key.strip(): os.path.expandvars(value.strip().strip("\"'")) for key, _, value in pairs}
