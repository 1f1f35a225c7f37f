"""train, Run and load_model: from a config to a folder that holds everything about the run."""

import csv
import json
import pathlib
import platform
import shlex
import sys
import time
import zipfile
from dataclasses import dataclass, field
from importlib import metadata

import keras
import numpy as np

import sparse_keras
from sparse_keras.building import build_network, compile_model
from sparse_keras.callbacks import ExpertLoad
from sparse_keras.data import load_data
from sparse_keras.data.suggest import did_you_mean
from sparse_keras.layers.mixture_of_experts import mixtures
from sparse_keras.models import TabularModel
from sparse_keras.models.tasks import HIGHER_IS_BETTER, metrics_of

MODEL_FILE = "model.keras"


@dataclass(frozen=True)
class Run:
    """A finished training.

    Attributes:
        path: The run's folder, a `pathlib.Path`.
        config: The `Config` it was trained from.
        model: The trained `TabularModel`; its `core` is what `build_model` built.
        history: Dict from each log's name to its values, one for each epoch.
        metrics: Dict with the test metrics.
        seconds: Seconds that `fit` took.
    """

    path: pathlib.Path
    config: object = field(repr=False)
    model: keras.Model = field(repr=False)
    history: dict = field(repr=False)
    metrics: dict
    seconds: float


def train(config, data=None, output="runs", callbacks=(), verbose="auto"):
    """Trains a config, tests it, and writes everything about the run to a folder.

    The folder is `<output>/<config name>/<time>` and holds

    * `config.yaml`, the config as given, and `resolved.yaml`, with every value in force;
    * `environment.json`: versions, platform, backend, seed and the command that repeats the run;
    * `history.csv`: the logs of each epoch;
    * `metrics.json`: the test metrics and the seconds of training;
    * `model.keras`: preprocessing and network, for `sparse_keras.load_model`.

    Args:
        config: A `Config` from `load_config`.
        data: What `load_data(config)` returned. `None` to load it here.
        output: Folder in which the run's own folder is made.
        callbacks: More Keras callbacks. `ExpertLoad` and early stopping come before them.
        verbose: As in `keras.Model.fit`.

    Returns:
        A `Run`.

    Raises:
        ValueError: If the config has no data or no optimizer, or stops early by a value that is
            not logged. Nothing is written then.
        FloatingPointError: If the loss becomes NaN or infinite.

    Example:

    ```python
    run = sparse_keras.train(sparse_keras.load_config("tabular/sparse_mlp_adult"))
    run.metrics["auc"]
    ```
    """
    if config.optimizer is None:
        raise ValueError(
            f"The config {config.name!r} has no optimizer section, which training needs, such as "
            "optimizer: {type: adam}."
        )
    data = load_data(config) if data is None else data
    keras.utils.set_random_seed(config.training.seed)
    core = build_network(config, data.features)
    model = TabularModel(core, data.features, name=f"{core.name}_of_table")
    compile_model(model, config, data)
    data.train.epoch = 0  # The same rows in the same order, whatever `data` was used for before.
    callbacks = [
        *_callbacks(config, model, data.features.target, data.validation is not None),
        *callbacks,
    ]
    folder = _new_folder(pathlib.Path(output) / config.name)
    _write_inputs(folder, config)

    start = time.perf_counter()
    history = model.fit(
        data.train,
        validation_data=data.validation,
        epochs=config.training.epochs,
        callbacks=callbacks,
        verbose=verbose,
        shuffle=False,  # The batches shuffle their rows themselves, by (seed, epoch).
    ).history
    seconds = time.perf_counter() - start
    if not np.isfinite(history["loss"]).all():
        raise FloatingPointError(
            f"The loss became NaN or infinite in epoch {len(history['loss'])}. A smaller "
            f"optimizer.learning_rate than {config.optimizer.learning_rate:g}, or "
            f"optimizer.clipnorm, may help. The config of this run is in {str(folder)!r}."
        )
    metrics = model.evaluate(data.test, return_dict=True, verbose=0)
    run = Run(folder, config, model, history, metrics, seconds)
    _write_results(run)
    return run


def load_model(path):
    """Loads what `train` saved.

    Args:
        path: A run's folder, or a `.keras` file.

    Returns:
        The Keras model. A `TabularModel`, as `train` saves it, predicts from raw columns: a
        DataFrame, a dict of columns, or a dict of one row's values.

    Raises:
        ValueError: If there is no such file, or it is not a Keras model.

    Example:

    ```python
    model = sparse_keras.load_model("runs/tabular/sparse_mlp_adult/2026-01-31_12-00-00")
    model.predict({"age": 39, "workclass": "State-gov", ...})
    ```
    """
    path = pathlib.Path(path)
    file = path / MODEL_FILE if path.is_dir() else path
    if not file.is_file():
        raise ValueError(
            f"Expected a run's folder or a .keras file. There is no file {str(file)!r}."
        )
    if not zipfile.is_zipfile(file):
        raise ValueError(f"{str(file)!r} is no .keras file, or only a part of one.")
    return keras.models.load_model(file)


def _callbacks(config, model, target, validated):
    sparse = bool(mixtures(model))
    callbacks = [ExpertLoad()] if sparse else []
    callbacks.append(keras.callbacks.TerminateOnNaN())
    stopping = config.training.early_stopping
    if stopping is not None:
        directions = _logs(sparse, target, validated)
        if stopping.monitor not in directions:
            raise ValueError(
                "training.early_stopping.monitor must be one of the values that this training "
                f"logs: {', '.join(directions)}. Received: {stopping.monitor!r}."
                f"{did_you_mean(stopping.monitor, directions)}"
            )
        callbacks.append(
            keras.callbacks.EarlyStopping(
                monitor=stopping.monitor,
                patience=stopping.patience,
                restore_best_weights=stopping.restore_best,
                mode=directions[stopping.monitor],
            )
        )
    return callbacks


def _logs(sparse, target, validated):
    """What a training logs, and whether the best value is the "min" or the "max"."""
    names = {"loss": "min"}
    for metric in metrics_of(target.task, target.outputs):
        names[metric.name] = "max" if metric.name in HIGHER_IS_BETTER else "min"
    if validated:
        names |= {f"val_{name}": direction for name, direction in names.items()}
    if sparse:
        names |= dict.fromkeys(("load_violation", "dropped", "aux_loss", "task_loss"), "min")
    return names


def _new_folder(parent):
    """A folder of its own for this run, named by the time; never one that is there already."""
    stem = time.strftime("%Y-%m-%d_%H-%M-%S")
    for attempt in range(1000):
        folder = parent / (stem if attempt == 0 else f"{stem}_{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise ValueError(f"Cannot make a folder for this run in {str(parent)!r}.")


def reproducing_command(config):
    """The command line that repeats a run, or None for a config that was made in Python."""
    if config.reference is None:
        return None
    overrides = [part for override in config.overrides for part in ("--set", override)]
    return shlex.join(["sparse-keras", "train", str(config.reference), *overrides])


def _write_inputs(folder, config):
    (folder / "config.yaml").write_text(config.source_text, encoding="utf-8")
    (folder / "resolved.yaml").write_text(config.to_yaml(), encoding="utf-8")
    packages = ("keras", "tensorflow", "jax", "torch", "numpy", "pandas", "scikit-learn")
    environment = {
        "command": reproducing_command(config),
        "config_hash": config.hash,
        "seed": config.training.seed,
        "backend": keras.backend.backend(),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "sparse_keras": sparse_keras.__version__,
        **{name: _version(name) for name in packages},
    }
    _write_json(folder / "environment.json", environment)


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _write_results(run):
    with open(run.path / "history.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *run.history])
        for epoch, values in enumerate(zip(*run.history.values(), strict=True), start=1):
            writer.writerow([epoch, *values])
    _write_json(run.path / "metrics.json", {**run.metrics, "fit_seconds": run.seconds})
    run.model.save(run.path / MODEL_FILE)


def _write_json(path, content):
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
