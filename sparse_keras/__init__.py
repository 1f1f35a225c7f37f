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

from sparse_keras._internal import registration

__version__ = "0.1.0"

_MODULES = (
    "callbacks",
    "data",
    "feature_selection",
    "layers",
    "losses",
    "models",
    "ops",
    "optimizers",
    "routing",
    "schema",
    "tasks",
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
    "Run": "training.train",
    "load_model": "training.load_model",
    "train": "training.train",
    "SparseExpertClassifier": "estimators",
    "SparseExpertRegressor": "estimators",
}

__all__ = ["__version__", *_MODULES, *_FUNCTIONS]


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _FUNCTIONS:
        value = getattr(importlib.import_module(f"{__name__}.{_FUNCTIONS[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)


registration.install()
