"""Fuzzer of `.keras` files: a damaged or edited file is loaded, or refused by its name.

    python -m tests.fuzz.keras_files --seed 7 --cases 2000

A case changes a file of `tests/golden` at random: its bytes, its members, or values of their JSON.
`load_model` returns a model whose preprocessing works, or raises a `ValueError` that names the
file.
"""

import argparse
import contextlib
import copy
import faulthandler
import io
import json
import re
import sys
import tempfile
import traceback
import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np

import sparse_keras

FILES = Path(__file__).resolve().parents[1] / "golden" / "files"
SOURCES = ("table_run/model.keras", "multitask_run/model.keras", "routers.keras")

# As a size, each is one to work with or one that no memory holds: none would only take long.
_VALUES = (
    *(None, True, False, -1, 0, 3, 2**40, 2**63, 10**40, -0.5, 1e308, float("nan"), float("inf")),
    *("", "x", "float17", "mixed_float99", "../../x", "\x00", "é" * 300, [], {}, [[]], {"": 0}),
    *({"module": "builtins", "class_name": "eval", "config": {}, "registered_name": None},),
    *({"class_name": "__lambda__", "config": {"value": "aGk="}},),
)
_DEPTHS = (10, 900, 20_000)


def flipped(content, rng):
    content = bytearray(content)
    for _ in range(rng.integers(1, 20)):
        content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    return bytes(content)


def cut(content, rng):
    start, stop = sorted(rng.integers(0, len(content) + 1, 2).tolist())
    return [content[:start], content[start:], content[:start] + content[stop:]][rng.integers(3)]


def overwritten(content, rng):
    start = int(rng.integers(len(content)))
    length = int(rng.integers(1, 200))
    filling = [bytes(length), rng.bytes(length), b"\xff" * length][rng.integers(3)]
    return content[:start] + filling + content[start + length :]


def with_another_member(content, rng):
    """One member is missing, damaged with a checksum that is right, or marked as encrypted."""
    members = _members(content)
    name = _any_of(sorted(members), rng)
    kind = rng.integers(5)
    if kind == 0:
        del members[name]
    elif kind == 1:
        members[name] = rng.bytes(int(rng.integers(0, 500)))
    elif kind == 2:
        members[name] = flipped(members[name], rng)
    elif kind == 3:
        members[name] = cut(members[name], rng)
    written = bytearray(_zipped(members, rng))
    if kind == 4:
        for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            found = [match.start() for match in re.finditer(signature, bytes(written))]
            written[_any_of(found, rng) + offset] |= 1
    return bytes(written)


def with_another_value(content, rng, inside=()):
    """A value of its JSON is another one, has gone, or is very deep."""
    members = _members(content)
    name = "config.json" if inside or rng.random() < 0.95 else "metadata.json"
    root = json.loads(members[name])
    node = root
    for key in inside:
        node = node[key]
    places = list(_places(node))
    parent, key = places[rng.integers(len(places))]
    kind = rng.integers(8)
    if kind == 0:
        del parent[key]
    elif kind == 1:
        parent[key] = _any_of([p[k] for p, k in places], rng)
    elif kind == 2:
        parent["another" if isinstance(parent, dict) else 0] = _any_of(_VALUES, rng)
    else:
        parent[key] = _any_of(_VALUES, rng)
    text = json.dumps(root)
    if kind == 3:
        depth = int(_any_of(_DEPTHS, rng))
        text = text.replace('"config"', f'"deep": {"[" * depth}{"]" * depth}, "config"', 1)
    members[name] = text.encode()
    return _zipped(members, rng)


def with_another_encoding(content, rng):
    """A value of the encoding of columns is another one."""
    if "preprocessor" not in json.loads(_members(content)["config.json"])["config"]:
        return with_another_value(content, rng)
    inside = ("config", "preprocessor", "config", "features")
    return with_another_value(content, rng, inside)


CHANGES = (
    *(flipped, cut, overwritten, with_another_member),
    *(with_another_value, with_another_value, with_another_encoding, with_another_encoding),
)


def run_case(seed, number, folder):
    """Runs a case. Returns whether the file was loaded.

    Raises:
        AssertionError: If it was refused in another way than it should be.
    """
    rng = np.random.default_rng([seed, number])
    source = _any_of(SOURCES, rng)
    change = CHANGES[rng.integers(len(CHANGES))]
    path = Path(folder, f"case_{number}.keras")
    path.write_bytes(change((FILES / source).read_bytes(), rng))
    try:
        model = sparse_keras.load_model(path)
    except ValueError as error:
        assert path.name in str(error), f"{change.__name__} of {source}: {error}"
        return False
    finally:
        path.unlink()
    if hasattr(model, "preprocessor"):
        _check_encoding(model, change, source)
    return True


def _check_encoding(model, change, source):
    features = model.preprocessor.features
    rows = {column.name: [1.0, float("nan"), -1e30] for column in features.numeric}
    rows |= {column.name: ["a", None, "b"] for column in features.categorical}
    with contextlib.suppress(ValueError):  # Two columns have names that no table can have.
        for array in keras.tree.flatten(model.encode(rows)):
            assert len(array) == 3 and np.isfinite(array).all(), f"{change.__name__} of {source}"


def _any_of(values, rng):
    return copy.deepcopy(values[rng.integers(len(values))])


def _places(node):
    """Yields `(parent, key)` of each value in a tree."""
    for key in list(node) if isinstance(node, dict) else range(len(node)):
        yield node, key
        if isinstance(node[key], dict | list):
            yield from _places(node[key])


def _members(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zipped(members, rng):
    written = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if rng.integers(2) else zipfile.ZIP_STORED
    with zipfile.ZipFile(written, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return written.getvalue()


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    args = parser.parse_args(argv)
    failures = loaded = 0
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(args.first, args.first + args.cases):
            print(f"\rcase {number}", end="", file=sys.stderr, flush=True)
            try:
                loaded += run_case(args.seed, number, folder)
            except Exception:
                failures += 1
                traceback.print_exc()
                print(
                    f"repeat: python -m tests.fuzz.keras_files --seed {args.seed} --first {number} "
                    "--cases 1",
                    file=sys.stderr,
                )
    print(f"\n{args.cases} cases, {loaded} loaded, {failures} failures")
    return failures > 0


if __name__ == "__main__":
    faulthandler.enable()
    sys.exit(main())
