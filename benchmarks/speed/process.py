"""The parent's end of a worker: starts it, asks it, ends it."""

import dataclasses
import json
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE = 600  # Seconds for one answer, imports and compilation included.


class Failed(Exception):
    """What a subject could not do, in one line, without the folders of this machine."""

    def __init__(self, text):
        super().__init__(re.sub(r"(?:/[\w.+-]+)+/", "", text)[:300])


class Process:
    """One worker. Ask for one thing at a time."""

    def __init__(self, case, subject):
        environment = {
            **os.environ,
            "KERAS_BACKEND": subject.backend,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            # Several processes share one GPU.
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        }
        case = json.dumps(dataclasses.asdict(case))
        self.errors = tempfile.TemporaryFile()
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.speed.worker", case, subject.name],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            # Ctrl-C reaches the parent alone, which then ends its workers.
            start_new_session=True,
        )

    def ask(self, do, **request):
        """The answer to a request.

        Raises:
            Failed: If the worker cannot, or died.
        """
        self.send(do, **request)
        return self.receive()

    def send(self, do, **request):
        try:
            self.popen.stdin.write(json.dumps({"do": do, **request}).encode() + b"\n")
            self.popen.stdin.flush()
        except BrokenPipeError:
            pass  # `receive` says what happened.

    def receive(self):
        ready, _, _ = select.select([self.popen.stdout], [], [], PATIENCE)
        if not ready:
            self.close()
            raise Failed(f"no answer in {PATIENCE} seconds")
        line = self.popen.stdout.readline()
        if not line:
            raise Failed(self._last_words())
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    @property
    def alive(self):
        return self.popen.poll() is None

    def close(self):
        """Ends the process, whatever it is doing."""
        self.popen.kill()
        self.popen.wait()
        self.popen.stdout.close()
        try:
            self.popen.stdin.close()
        except BrokenPipeError:
            pass
        self.errors.close()

    def _last_words(self):
        code = self.popen.wait()
        if code < 0:
            return f"ended by {signal.Signals(-code).name}"
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"ended with exit code {code}"
