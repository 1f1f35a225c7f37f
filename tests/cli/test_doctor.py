"""`sparse-keras doctor`: passes here, and tells what is broken without breaking itself."""

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sparse_keras.cli import doctor, main

ROOT = Path(__file__).resolve().parents[2]


def lines(text):
    """{check: PASS or FAIL}"""
    return {check: verdict for verdict, check in re.findall(r"(PASS|FAIL)  ([a-z ]+):", text)}


@pytest.fixture
def only(monkeypatch):
    """Leaves one check, for the tests that are about it."""

    checks = doctor.CHECKS

    def leave(check):
        monkeypatch.setattr(doctor, "CHECKS", {check: checks[check]})

    return leave


@pytest.mark.slow
def test_everything_works_here(capsys):
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert len(lines(told)) == len(doctor.CHECKS) and set(lines(told).values()) == {"PASS"}
    assert told.endswith("everything works\n") and "the loss fell from" in told


def test_a_broken_backend_is_one_line(tmp_path):
    """In another process: a TensorFlow that cannot be imported, as with a missing library."""
    (tmp_path / "tensorflow.py").write_text("raise ImportError('libfoo.so: cannot open')\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-m", "sparse_keras", "doctor"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**environment, "KERAS_BACKEND": "tensorflow"},
    )
    assert done.returncode == 1 and done.stderr == ""
    assert "libfoo.so: cannot open" in done.stdout and "Traceback" not in done.stdout
    failed = {check for check, verdict in lines(done.stdout).items() if verdict == "FAIL"}
    assert failed == {"backend", "devices", "short training"}
    assert "KERAS_BACKEND" in done.stdout


def test_a_backend_that_ends_the_process(only, monkeypatch, capsys):
    only(doctor.backend)
    run = subprocess.run
    killed = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGILL)"]
    monkeypatch.setattr(subprocess, "run", lambda command, **kwargs: run(killed, **kwargs))
    assert main(["doctor"]) == 1
    assert "signal 4" in capsys.readouterr().out


def test_missing_and_old_packages(only, monkeypatch, capsys):
    only(doctor.versions)
    monkeypatch.setattr(doctor, "REQUIRED", {"keras": "99.1", "no-such-package": "0"})
    assert main(["doctor"]) == 1
    told = capsys.readouterr().out
    assert "expected 99.1 or later; no-such-package is not installed" in told
    assert "pip install" in told


def test_broken_configs_and_plug_ins(only, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(doctor, "config_names", lambda: ["tabular/nothing"])
    only(doctor.configs)
    assert main(["doctor"]) == 1
    assert "FAIL  configs: tabular/nothing: unknown config" in capsys.readouterr().out

    folder = tmp_path / "mine-1.0.dist-info"
    folder.mkdir()
    (folder / "entry_points.txt").write_text(
        "[sparse_keras.plugins]\nmine = no_such_module\n[sparse_keras.configs]\nmine = nor_this\n"
    )
    (folder / "METADATA").write_text("Name: mine\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    only(doctor.plug_ins)
    assert main(["doctor"]) == 1
    assert "FAIL  plug ins: mine: " in capsys.readouterr().out
    (tmp_path / "no_such_module.py").touch()
    (tmp_path / "nor_this").mkdir()
    assert main(["doctor"]) == 0
    assert "mine (no_such_module), mine (nor_this)" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_to(only, monkeypatch, capsys, tmp_path):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    only(doctor.working_folder)
    assert main(["doctor"]) == 1
    assert "FAIL  working folder: FileNotFoundError" in capsys.readouterr().out


def test_the_required_versions_are_those_of_the_package():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = [line.partition(">=") for line in setup["options"]["install_requires"].split()]
    assert doctor.REQUIRED == {name: version or "0" for name, _, version in listed}
