"""Sparse-expert (Mixture-of-Experts) layers and a YAML model zoo for Keras 3.

This file is the public face. It imports nothing heavy: each name below is fetched from its module
on first use, so `sparse-keras list` answers without starting TensorFlow. `_internal/registration`
makes sure that our Keras classes are nevertheless known to `keras.models.load_model`.

Example:

    config = sparse_keras.load_config("tabular/sparse_mlp_adult")
    data = sparse_keras.load_data(config)
    model = sparse_keras.build_model(config, data)
    model.fit(data.train, validation_data=data.validation)
"""

import importlib
from typing import TYPE_CHECKING, Any

from sparse_keras._internal import registration

if TYPE_CHECKING:
    # The names below once more, for type checkers and editors; a test keeps the two lists equal.
    from sparse_keras import callbacks as callbacks
    from sparse_keras import data as data
    from sparse_keras import feature_selection as feature_selection
    from sparse_keras import hub as hub
    from sparse_keras import layers as layers
    from sparse_keras import losses as losses
    from sparse_keras import models as models
    from sparse_keras import ops as ops
    from sparse_keras import optimizers as optimizers
    from sparse_keras import routing as routing
    from sparse_keras import schema as schema
    from sparse_keras import tasks as tasks
    from sparse_keras import tuning as tuning
    from sparse_keras.compression import Shrinking as Shrinking
    from sparse_keras.compression import dense_student as dense_student
    from sparse_keras.compression import distill as distill
    from sparse_keras.compression import merge_experts as merge_experts
    from sparse_keras.compression import prune_experts as prune_experts
    from sparse_keras.data import load_data as load_data
    from sparse_keras.estimators import SparseExpertClassifier as SparseExpertClassifier
    from sparse_keras.estimators import SparseExpertRegressor as SparseExpertRegressor
    from sparse_keras.evaluation.compare import compare as compare
    from sparse_keras.evaluation.dense_baselines import dense_twin as dense_twin
    from sparse_keras.evaluation.result import Comparison as Comparison
    from sparse_keras.inspection import Inspection as Inspection
    from sparse_keras.inspection import inspect as inspect
    from sparse_keras.models import load_pretrained as load_pretrained
    from sparse_keras.models import save_pretrained as save_pretrained
    from sparse_keras.reporting import Report as Report
    from sparse_keras.reporting import report as report
    from sparse_keras.schema import list_configs as list_configs
    from sparse_keras.schema import load_config as load_config
    from sparse_keras.schema.plugins import register_dataset as register_dataset
    from sparse_keras.schema.plugins import register_experts as register_experts
    from sparse_keras.schema.plugins import register_model as register_model
    from sparse_keras.schema.plugins import register_router as register_router
    from sparse_keras.training.building import build_model as build_model
    from sparse_keras.training.load_model import load_model as load_model
    from sparse_keras.training.train import Run as Run
    from sparse_keras.training.train import train as train
    from sparse_keras.tuning import enable_lora as enable_lora
    from sparse_keras.tuning import freeze as freeze
    from sparse_keras.tuning import load_lora as load_lora
    from sparse_keras.tuning import merge_lora as merge_lora
    from sparse_keras.tuning import save_lora as save_lora
    from sparse_keras.upcycling import upcycle as upcycle

__version__ = "0.1.0"

_MODULES = (
    "callbacks",
    "data",
    "feature_selection",
    "hub",
    "layers",
    "losses",
    "models",
    "ops",
    "optimizers",
    "routing",
    "schema",
    "tasks",
    "tuning",
)
_FUNCTIONS = {
    "list_configs": "schema",
    "load_config": "schema",
    "register_dataset": "schema.plugins",
    "register_experts": "schema.plugins",
    "register_model": "schema.plugins",
    "register_router": "schema.plugins",
    "load_data": "data",
    "build_model": "training.building",
    "compare": "evaluation.compare",
    "Comparison": "evaluation.result",
    "dense_twin": "evaluation.dense_baselines",
    "inspect": "inspection",
    "Inspection": "inspection",
    "report": "reporting",
    "Report": "reporting",
    "Run": "training.train",
    "load_model": "training.load_model",
    "load_pretrained": "models",
    "save_pretrained": "models",
    "train": "training.train",
    "upcycle": "upcycling",
    "prune_experts": "compression",
    "merge_experts": "compression",
    "dense_student": "compression",
    "distill": "compression",
    "Shrinking": "compression",
    "enable_lora": "tuning",
    "freeze": "tuning",
    "load_lora": "tuning",
    "merge_lora": "tuning",
    "save_lora": "tuning",
    "SparseExpertClassifier": "estimators",
    "SparseExpertRegressor": "estimators",
}

__all__ = ["__version__", *_MODULES, *_FUNCTIONS]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _FUNCTIONS:
        value = getattr(importlib.import_module(f"{__name__}.{_FUNCTIONS[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


registration.install()
