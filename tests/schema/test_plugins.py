"""Plug-ins: checked, completed, explained, listed, built and loaded like what is built in."""

import json
import os
import subprocess
import sys

import pytest

from sparse_keras.cli import main

PLUGIN = '''
from typing import Literal
from pydantic import Field
from sparse_keras import register_dataset, register_experts, register_model, register_router
from sparse_keras.schema import ExpertsSection, ModelSection, Section, TableSection


class FirstK(Section):
    """The first k experts, whatever the row."""

    type: Literal["first_k"] = Field("first_k", description="The first k experts.")
    k: int = Field(1, ge=1, description="How many.")

    def rules_with(self, config):
        if self.k > config.training.batch_size:
            yield "model.router.k", f"{self.k} is more than the rows of a batch"


class Scaled(ExpertsSection):
    """Each expert scales its input."""

    type: Literal["scaled"] = Field("scaled", description="A factor each.")
    start: float = Field(1.0, description="The factor to start from.")


class Logistic(ModelSection):
    """One layer."""

    HAS_EXPERTS = False

    type: Literal["logistic"] = Field("logistic", description="One layer.")


class Coins(TableSection):
    """Coin tosses."""

    type: Literal["coins"] = Field("coins", description="Coin tosses.")
    rows: int = Field(64, ge=8, description="How many.")


register_router(FirstK, "plugged_parts:FirstKRouter")
register_experts(Scaled, "plugged_parts:ScaledExperts")
register_model(Logistic, "plugged_parts:logistic")
register_dataset(Coins, "plugged_parts:coins")
'''
PARTS = """
import keras
import numpy as np
import pandas as pd
from sparse_keras.data import RawTable, Target
from sparse_keras.layers import DenseExperts, TopKRouter


@keras.saving.register_keras_serializable(package="plugged")
class FirstKRouter(TopKRouter):
    def route(self, logits, **kwargs):
        order = -keras.ops.arange(logits.shape[-1], dtype=logits.dtype)
        return super().route(logits * 0 + order, **kwargs)


@keras.saving.register_keras_serializable(package="plugged")
class ScaledExperts(DenseExperts):
    def __init__(self, num_experts, start=1.0, **kwargs):
        super().__init__(num_experts, units=kwargs.pop("units", 8), **kwargs)
        self.start = start


def logistic(inputs, task):
    x = keras.Input((inputs.numeric_dim,), name="numeric")
    return keras.Model(x, task.head(x))


def coins(section):
    rng = np.random.default_rng(0)
    n = section.rows
    frame = pd.DataFrame({"x": rng.normal(size=n), "side": rng.choice(["h", "t"], n)})
    half = n // 2
    return RawTable("coins", frame[:half], frame[half:], Target("side", "binary", ("h", "t")))
"""
CONFIG = """version: 1
data: {type: coins, bins: none}
model: {type: logistic}
optimizer: {type: adam}
training: {epochs: 1}
"""
SPARSE = CONFIG.replace(
    "{type: logistic}",
    "{type: sparse_mlp, stem: 8, router: {type: first_k}, experts: {type: scaled, num_experts: 3}}",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugged")
    (folder / "plugged.py").write_text(PLUGIN)
    (folder / "plugged_parts.py").write_text(PARTS)
    (folder / "own.yaml").write_text(CONFIG)
    (folder / "sparse.yaml").write_text(SPARSE)
    return folder


def sparse_keras(folder, *arguments, **kwargs):
    command = [sys.executable, "-m", "sparse_keras", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, **kwargs)


def test_without_the_import_the_type_is_unknown_and_the_message_names_the_option(folder):
    done = sparse_keras(folder, "check", "own.yaml")
    assert done.returncode == 2
    assert "expected one of" in done.stderr and "'coins'" in done.stderr
    assert "--import MODULE" in done.stderr


def test_keys_are_checked_completed_and_explained(folder):
    (folder / "typo.yaml").write_text(CONFIG.replace("bins", "rowz: 9, bins"))
    done = sparse_keras(folder, "check", "own.yaml", "typo.yaml", "--import", "plugged")
    assert done.returncode == 2
    assert "own.yaml: ok" in done.stdout
    assert "typo.yaml:2:21: data.rowz: unknown key (did you mean 'rows'?)" in done.stderr
    done = sparse_keras(folder, "schema", "--import", "plugged")
    sections = json.loads(done.stdout)["$defs"]
    done = sparse_keras(folder, "schema", "--markdown", "--import", "plugged")
    assert "`data`, `type: coins`" in done.stdout and "How many." in done.stdout
    assert sections["Coins"]["properties"]["rows"]["description"] == "How many."
    assert {"FirstK", "Scaled", "Logistic", "PartOfCoins"} <= set(sections)


@pytest.mark.slow
def test_rules_between_a_plug_in_and_the_rest_of_a_config(folder):
    set_k = ["--set", "model.router.k=3", "--set", "training.batch_size=2"]
    set_load = ["--set", "training.expert_load={}"]
    done = sparse_keras(folder, "check", "sparse.yaml", "--import", "plugged", *set_k)
    assert "--set model.router.k: 3 is more than the rows of a batch" in done.stderr
    done = sparse_keras(folder, "check", "own.yaml", "--import", "plugged", *set_load)
    assert "training.expert_load: a model of type logistic has no experts" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("config", ["own", "sparse"])
def test_it_trains_and_its_model_loads(folder, config):
    done = sparse_keras(folder, "train", f"{config}.yaml", "--import", "plugged")
    assert done.returncode == 0, done.stderr
    assert "--import plugged" in done.stdout  # in the command that repeats it
    (run,) = (folder / "runs" / config).iterdir()
    done = sparse_keras(folder, "evaluate", str(run), "--import", "plugged")
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout


def test_a_module_that_cannot_be_imported(folder, capsys):
    assert main(["list", "--import", "module_that_is_not_there"]) == 2
    assert "--import module_that_is_not_there: ModuleNotFoundError" in capsys.readouterr().err


@pytest.fixture(scope="module")
def installed(folder, tmp_path_factory):
    """The environment with an installed package: its metadata, with both groups of entry points."""
    site = tmp_path_factory.mktemp("site")
    package = site / "plugged_configs"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('executed')")
    (package / "deep" / "coins.yaml").write_text(f"# x\n{CONFIG}description: Tosses.\n")
    info = site / "plugged-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[sparse_keras.plugins]\nplugged = plugged\nbroken = module_that_is_not_there\n"
        "[sparse_keras.configs]\nacme = plugged_configs\n"
    )
    paths = [site, folder, os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}


def test_entry_points(folder, installed):
    done = sparse_keras(folder, "list", "acme/*", env=installed)
    assert done.returncode == 0, done.stderr
    assert "acme/deep/coins" in done.stdout and "Tosses." in done.stdout
    assert "plug-in 'broken' (module_that_is_not_there) cannot be imported" in done.stderr
    done = sparse_keras(folder, "check", "acme/deep/coins", "tabular/sparse_mlp", env=installed)
    assert done.returncode == 0, done.stderr


BAD = {
    "no section": ("register_router, dict, print", "must derive from sparse_keras.schema.Section"),
    "no name": ("register_router, Untyped, print", "a field `type` with a single name"),
    "no description": ("register_router, Bare, print", "Bare has no description of k"),
    "no docstring": ("register_router, Silent, print", "must have a docstring"),
    "no builder": ("register_router, Good, None", "must be callable"),
    "no module": ("register_router, Good, 'nothing'", "must be callable"),
    "a name that is taken": ("register_router, Taken, print", "'top_k' is already registered"),
    "no number of experts": ("register_experts, Good, print", "ExpertsSection"),
    "no data": ("register_dataset, Good, print", "DataSection"),
    "no model": ("register_model, Good, print", "ModelSection"),
}
CLASSES = """
import json
from typing import Literal
from pydantic import Field
from sparse_keras import register_dataset, register_experts, register_model, register_router
from sparse_keras.schema import Section

class Untyped(Section):
    "No type."
    k: int = Field(1, description="K.")

class Bare(Section):
    "A field without description."
    type: Literal["bare"] = Field("bare", description="Bare.")
    k: int = 1

class Silent(Section):
    type: Literal["silent"] = Field("silent", description="Silent.")

class Good(Section):
    "Good."
    type: Literal["good"] = Field("good", description="Good.")

class Taken(Section):
    "Taken."
    type: Literal["top_k"] = Field("top_k", description="Taken.")

def error(register, section, builder):
    try:
        register(section, builder)
    except ValueError as error:
        return str(error)

"""


@pytest.fixture(scope="module")
def errors():
    """The error of each wrong registration, all from one process."""
    calls = ", ".join(f"error({arguments})" for arguments, _ in BAD.values())
    code = f"{CLASSES}print(json.dumps([{calls}]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(zip(BAD, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_registration(case, errors):
    assert BAD[case][1] in errors[case]
