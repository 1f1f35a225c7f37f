"""Ctrl-C of the program: one message, no traceback, whenever it comes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sparse_keras._internal import interrupts

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(interrupts, "_pressed", None)
    monkeypatch.setattr(interrupts, "_leaving", False)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupts.install()
    yield
    signal.signal(signal.SIGINT, before)


def press():
    os.kill(os.getpid(), signal.SIGINT)


def test_signals_of_one_moment_are_one_press(installed):
    with pytest.raises(KeyboardInterrupt):
        press()
    press()  # While the first is handled.
    interrupts._pressed -= interrupts._SAME
    with pytest.raises(KeyboardInterrupt):
        press()


def test_a_lost_press_is_found_again(installed):
    interrupts.check()
    try:
        press()
    except BaseException:  # Such as an import that tries one thing after another.
        pass
    with pytest.raises(KeyboardInterrupt):
        interrupts.check()


def test_a_process_that_is_to_ignore_it_ignores_it(installed):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupts.install()
    press()
    assert not interrupts.pressed()


# What the program imports first waits, so that the signals come while it is being imported.
_SLOW_IMPORT = """
import sys, time
sys.argv[1:] = ["list"]

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "sparse_keras.cli":
            print("importing", flush=True)
            time.sleep(60)

sys.meta_path.insert(0, Slow())
from sparse_keras.__main__ import main
sys.exit(main())
"""


def test_two_signals_while_the_program_is_imported():
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW_IMPORT],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (1, "interrupted\n")
