"""`sparse-keras doctor`: whether everything that a training needs is there and works.

A check is a function that returns what it found, or raises. The backend is first started in a
process of its own, because a broken one can end the process.
"""

import os
import platform
import re
import subprocess
import sys
import tempfile
import warnings
from importlib import metadata
from pathlib import Path

from rich.console import Console

import sparse_keras
from sparse_keras.cli.quiet import quiet_start
from sparse_keras.schema import load_config
from sparse_keras.schema.plugins import PLUGINS
from sparse_keras.schema.zoo import CONFIGS, config_names, contributed_folder, find_configs

# What setup.cfg asks for, with the lowest version; a test compares the two.
REQUIRED = {
    "tensorflow": "2.18",
    "keras": "3.15",
    "numpy": "0",
    "scipy": "0",
    "scikit-learn": "1.8",
    "networkx": "0",
    "pandas": "0",
    "joblib": "0",
    "pydantic": "2",
    "ruamel.yaml": "0",
    "rich": "0",
}
_SECONDS = 120  # for the start of a backend

_EXAMPLES = """examples:
  sparse-keras doctor
"""


class Failed(Exception):
    """What a check found wrong, as a sentence."""


def add_parser(subparsers):
    return subparsers.add_parser(
        "doctor",
        help="check the installation, with a short training",
        description="Check the installation: versions, backend, devices, the shipped configs, "
        "plug-ins, and a short training on made-up data. Exit code 1 if a check fails.",
        epilog=_EXAMPLES,
    )


def run(args):
    console = Console(markup=False, highlight=False)
    failed = set()
    for check, advice in CHECKS.items():
        name = check.__name__.replace("_", " ")
        error = None
        if backend in failed and check in (devices, short_training):
            error, advice = "not tried, because the backend does not start", "See above."
        else:
            with quiet_start(), warnings.catch_warnings(action="ignore"):
                try:
                    found = check()
                except Exception as caught:  # Whatever is broken, the other checks go on.
                    if args.debug:
                        raise
                    kind = "" if isinstance(caught, Failed) else f"{type(caught).__name__}: "
                    error = f"{kind}{caught}"
        if error:
            failed.add(check)
        told = f"FAIL  {name}: {error}\n      {advice}" if error else f"PASS  {name}: {found}"
        console.print(told, soft_wrap=True)
    what = f"{len(failed)} of {len(CHECKS)} checks failed" if failed else "everything works"
    console.print(f"\n{what}", soft_wrap=True)
    return 1 if failed else 0


def versions():
    found, wrong = {}, []
    for name, lowest in REQUIRED.items():
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is not installed")
        else:
            if _numbers(found[name]) < _numbers(lowest):
                wrong.append(f"{name} {found[name]} is too old, expected {lowest} or later")
    if wrong:
        raise Failed("; ".join(wrong))
    listed = ", ".join(f"{name} {version}" for name, version in found.items())
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
        last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        how = f"signal {-done.returncode}" if done.returncode < 0 else "an error"
        raise Failed(f"Keras ends with {how}: {last[0]}")
    name = done.stdout.split()[-1]
    return f"{name} {metadata.version(name)}"


def devices():
    import keras

    try:
        return ", ".join(keras.distribution.list_devices())
    except AttributeError:
        return f"Keras does not list those of {keras.backend.backend()}"


def machine():
    # Where it is known, the cores that this process may use.
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
            # A folder of configs is only looked for.
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
    """Through a config: read, fit, train, save, load, predict."""
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
    fell = f"the loss fell from {losses[0]:.3f} to {losses[-1]:.3f}"
    return f"{fell}; saved and loaded, the model predicts the same"


# Each with what to do if it fails.
CHECKS = {
    versions: "Install what is missing with: python -m pip install --upgrade sparse-keras",
    backend: "KERAS_BACKEND, or ~/.keras/keras.json, names the backend: reinstall it with pip, or "
    "name another one of tensorflow, jax and torch.",
    devices: "Try without accelerators: CUDA_VISIBLE_DEVICES=-1 sparse-keras doctor",
    machine: "Nothing depends on this check.",
    configs: "Reinstall sparse-keras; in a checkout, see what `git status configs` says.",
    plug_ins: "Repair or uninstall the package that brings the plug-in.",
    working_folder: "Change into a folder of your own, or train with --output FOLDER.",
    short_training: "Run `sparse-keras doctor --debug`, and report what it shows.",
}
