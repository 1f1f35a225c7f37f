"""What `pip install` would install."""

import configparser
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sparse_keras.schema import find_configs

ROOT = Path(__file__).resolve().parents[1]


def test_the_package_list_is_the_tree():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = setup["options"]["packages"].split()
    packages = [path.parent for path in (ROOT / "sparse_keras").rglob("__init__.py")]
    expected = [".".join(path.relative_to(ROOT).parts) for path in packages]
    assert listed == sorted([*expected, "sparse_keras.configs", "sparse_keras.results"])


def test_configs_are_found_in_a_checkout():
    assert find_configs() == ROOT / "configs"


@pytest.mark.slow
def test_a_wheel_holds_configs_and_data_and_works_elsewhere(tmp_path):
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "build", "*.egg-info", "*venv*")

    def ignore(folder, names):
        of_users = {"runs"} if Path(folder) == ROOT else set()  # not the package's own folder
        return {*ignored(folder, names), *of_users}

    shutil.copytree(ROOT, source, ignore=ignore)
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, tmp_path], cwd=source, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)

    def files(folder, pattern):
        return {path.relative_to(folder) for path in folder.rglob(pattern) if path.is_file()}

    assert files(site / "sparse_keras/configs", "*.yaml") == files(ROOT / "configs", "*.yaml")
    data = "sparse_keras/data/files"
    assert files(site / data, "*") == files(ROOT / data, "*")
    assert files(site / "sparse_keras/configs", "*.json") == files(ROOT / "configs", "*.json")
    assert (site / "sparse_keras/py.typed").is_file()
    # In a folder of its own, so that it is this installation that is found.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for arguments, expected in (
        (["list"], "tabular/sparse_mlp_adult"),
        (["check", "tabular/sparse_mlp_breast_cancer"], "ok"),
        (["copy", "tabular/sparse_mlp_breast_cancer", "own.yaml"], "wrote own.yaml"),
        (["train", "own.yaml", "--set", "training.epochs=1"], "accuracy"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "sparse_keras", *arguments],
            cwd=elsewhere,
            env={**os.environ, "PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0 and expected in done.stdout, done.stderr
    assert str(site / "sparse_keras/configs/schema.json") in (elsewhere / "own.yaml").read_text()
