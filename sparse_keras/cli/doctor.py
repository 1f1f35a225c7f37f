"""`sparse-keras doctor`: checks that everything training needs is installed and works.

A check is a function that returns a message, or raises an error. The backend is first started in a
separate process, because a broken backend may crash it.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

import sparse_keras
from sparse_keras.cli.output import console
from sparse_keras.cli.quiet import quiet_start
from sparse_keras.schema import load_config
from sparse_keras.schema.plugins import PLUGINS
from sparse_keras.schema.zoo import CONFIGS, config_names, contributed_folder, find_configs

# The requirements in setup.cfg, with their lowest versions; a test compares the two.
REQUIRED = {
    "tensorflow": "2.18",
    "keras": "3.15",
    "numpy": "0",
    "scipy": "0",
    "scikit-learn": "1.8",
    "networkx": "0",
    "pandas": "0",
    "joblib": "0",
    "narwhals": "0",
    "pydantic": "2",
    "ruamel.yaml": "0",
    "rich": "0",
}
_SECONDS = 120  # Time limit for the start of a backend.

_EXAMPLES = """examples:
  sparse-keras doctor
"""


class Failed(Exception):
    """Raised by a check that fails, with the reason."""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    return subparsers.add_parser(
        "doctor",
        help="check the installation, with a short training",
        description="Check the installation: versions, backend, devices, the shipped configs, "
        "plug-ins, and a short training on generated data. The exit code is 1 if a check fails.",
        epilog=_EXAMPLES,
    )


def run(args: argparse.Namespace) -> int:
    screen = console()
    failed = set()
    for check, advice in CHECKS.items():
        name = check.__name__.replace("_", " ")
        error = None
        if backend in failed and check in (devices, short_training):
            error, advice = "skipped, because the backend does not start", "See above."
        else:
            with quiet_start(), warnings.catch_warnings(action="ignore"):
                try:
                    message = check()
                except Exception as caught:  # The other checks still run.
                    if args.debug:
                        raise
                    kind = "" if isinstance(caught, Failed) else f"{type(caught).__name__}: "
                    error = f"{kind}{caught}"
        if error:
            failed.add(check)
        line = f"FAIL  {name}: {error}\n      {advice}" if error else f"PASS  {name}: {message}"
        screen.print(line, soft_wrap=True)
    result = f"{len(failed)} of {len(CHECKS)} checks failed" if failed else "everything works"
    screen.print(f"\n{result}", soft_wrap=True)
    return 1 if failed else 0


def versions():
    installed, problems = {}, []
    for name, lowest in REQUIRED.items():
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            problems.append(f"{name} is not installed")
        else:
            if _numbers(installed[name]) < _numbers(lowest):
                problems.append(f"{name} {installed[name]} is too old, expected {lowest} or later")
    if problems:
        raise Failed("; ".join(problems))
    listed = ", ".join(f"{name} {version}" for name, version in installed.items())
    ours = f"sparse_keras {sparse_keras.__version__} in {Path(sparse_keras.__file__).parent}"
    return f"{ours}; {listed}; Python {platform.python_version()} on {platform.platform()}"


def _numbers(version):
    return [int(number) for number in re.findall(r"\d+", version)[:2]]


def backend():
    code = "import keras; keras.ops.zeros(()); print(keras.backend.backend())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        how = f"signal {-done.returncode}" if done.returncode < 0 else "an error"
        raise Failed(f"Keras ends with {how}: {last[0]}")
    name = done.stdout.split()[-1]
    return f"{name} {metadata.version(name)}"


def devices():
    import keras

    try:
        return ", ".join(keras.distribution.list_devices())
    except AttributeError:
        return f"Keras does not list devices of {keras.backend.backend()}"


def machine():
    # The cores that this process may use, where this is known.
    usable = getattr(os, "sched_getaffinity", None)
    cores = len(usable(0)) if usable else os.cpu_count()
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):  # Windows
        return f"{cores} cores"
    return f"{cores} cores, {memory / 2**30:.1f} GiB of memory"


def configs():
    names = config_names()
    if not names:
        raise Failed(f"there are none in {find_configs()}")
    wrong = {}
    for name in names:
        try:
            load_config(name)
        except ValueError as error:
            wrong[name] = error
    if wrong:
        raise Failed("; ".join(f"{name}: {error}" for name, error in wrong.items()))
    return f"all {len(names)} of {find_configs()} are valid"


def plug_ins():
    names, wrong = [], {}
    for entry in (*metadata.entry_points(group=PLUGINS), *metadata.entry_points(group=CONFIGS)):
        try:
            # A folder of configs only has to exist.
            entry.load() if entry.group == PLUGINS else contributed_folder(entry)
        except Exception as error:
            wrong[entry.name] = error
        names.append(f"{entry.name} ({entry.value})")
    if wrong:
        raise Failed("; ".join(f"{name}: {error}" for name, error in wrong.items()))
    return ", ".join(names) or "none installed"


def working_folder():
    with tempfile.TemporaryFile(dir="."):
        return f"{Path.cwd()} can be written to"


def short_training():
    """Trains a small config, saves and loads the model, and compares predictions."""
    import keras
    import numpy as np

    from sparse_keras.data import load_data
    from sparse_keras.models import PreprocessedModel
    from sparse_keras.training.building import build_model

    config = load_config(
        "tabular/sparse_mlp_article",
        [
            "data={type: generated_multilabel, num_samples: 1000, num_features: 10, num_labels: 4}",
            "model.experts.num_experts=4",
            "optimizer={type: adam, learning_rate: 0.01}",
            "training={batch_size: 100}",
        ],
    )
    keras.utils.set_random_seed(0)
    data = load_data(config)
    core = build_model(config, data)
    losses = core.fit(data.train, epochs=3, verbose=0).history["loss"]
    if not losses[-1] < losses[0]:
        raise Failed(f"the loss did not fall: {', '.join(f'{loss:.4f}' for loss in losses)}")
    model = PreprocessedModel(core, data.preprocessor)
    rows = data.frames["test"]
    before = model.predict(rows, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder, "model.keras"))
        after = keras.models.load_model(Path(folder, "model.keras")).predict(rows, verbose=0)
    difference = np.abs(before - after).max()
    if not difference <= 1e-6:
        raise Failed(f"the saved model's predictions differ by up to {difference:.1e}")
    losses_fell = f"the loss fell from {losses[0]:.3f} to {losses[-1]:.3f}"
    return f"{losses_fell}; the saved model predicts the same"


# Each check with advice for when it fails.
CHECKS = {
    versions: "Install what is missing with: python -m pip install --upgrade sparse-keras",
    backend: "KERAS_BACKEND, or ~/.keras/keras.json, names the backend: reinstall it with pip, or "
    "name another one of tensorflow, jax and torch.",
    devices: "Try without GPUs: CUDA_VISIBLE_DEVICES=-1 sparse-keras doctor",
    machine: "This check is for information only.",
    configs: "Reinstall sparse-keras; in a checkout, look at `git status configs`.",
    plug_ins: "Repair or uninstall the package with the plug-in.",
    working_folder: "Change to a folder that you can write to, or train with --output FOLDER.",
    short_training: "Run `sparse-keras doctor --debug`, and report its output.",
}
