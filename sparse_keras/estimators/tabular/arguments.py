"""The arguments of an estimator, checked as the keys of a config are."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import ValidationError

from sparse_keras.schema.config import Config
from sparse_keras.schema.sections.tabular.table import TableSection

# What shapes the model, the encoding or the optimizer: a training that goes on cannot change it.
_FIXED = (
    "num_experts",
    "k",
    "hidden_dim",
    "balance_loss",
    "stem",
    "depth",
    "dropout",
    "embedding_dim",
    "bins",
    "max_bins",
    "missing",
    "columns",
    "weight_decay",
)


def fixed_arguments(estimator: Any) -> dict[str, Any]:
    """The arguments that stay the same while a training goes on."""
    return {name: _plain(getattr(estimator, name)) for name in _FIXED}


def check_unchanged(estimator: Any, before: dict[str, Any]) -> None:
    """Checks that a training can go on with the arguments that an estimator has now.

    Args:
        estimator: The estimator.
        before: What `fixed_arguments` returned when training began.

    Raises:
        ValueError: If one of them has changed.
    """
    for name, value in fixed_arguments(estimator).items():
        if value != before[name]:
            raise ValueError(
                f"{type(estimator).__name__}: `{name}` cannot change while training goes on "
                f"(warm_start or partial_fit). Expected {before[name]!r}, as when it began. "
                f"Received: {value!r}. Set it back, or fit a clone of the estimator."
            )


def config_of(
    estimator: Any, rows: int, seed: int, *, sparse: bool, several: bool
) -> tuple[Config, TableSection]:
    """Makes a config of an estimator's arguments.

    Args:
        estimator: The estimator.
        rows: Number of rows to train on, for `batch_size="auto"`.
        seed: The training's seed.
        sparse: Whether the table is a sparse matrix.
        several: Whether there are several targets.

    Returns:
        `(config, options)`: a `Config` without data, and how the table is split and encoded.

    Raises:
        ValueError: If an argument is invalid.
    """
    given = {name: _plain(value) for name, value in estimator.get_params(deep=False).items()}
    name = type(estimator).__name__
    if given["batch_size"] == "auto":
        given["batch_size"] = int(np.clip(rows // 50, 16, 256))
    model = _several_targets(given, sparse, name) if several else _one_target(given, sparse)
    # A config refuses a key that has no effect.
    unused = {"max_bins"} if given["bins"] == "none" else set()
    table = {"bins", "max_bins", "validation_fraction"} - unused
    try:
        options = TableSection.model_validate({name: given[name] for name in table})
        config = Config.model_validate(
            {
                "version": 1,
                "model": {
                    "experts": {
                        "type": "mlp",
                        "num_experts": given["num_experts"],
                        "hidden_dim": given["hidden_dim"],
                    },
                    "router": {
                        "type": "top_k",
                        "k": given["k"],
                        "balance_loss": given["balance_loss"],
                    },
                    **model,
                },
                "optimizer": {
                    "type": "adamw",
                    "learning_rate": given["learning_rate"],
                    "weight_decay": given["weight_decay"],
                },
                "training": {
                    "epochs": given["epochs"],
                    "batch_size": given["batch_size"],
                    "seed": seed,
                    "early_stopping": {"patience": given["patience"]},
                },
            }
        )
        return config, options
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(
            f"{name}: `{first['loc'][-1]}`: {first['msg']}. Received: {first['input']!r}."
        ) from None


def _one_target(given, sparse):
    model = {name: given[name] for name in ("stem", "depth", "dropout", "embedding_dim")}
    if sparse and model["stem"] is not None:
        model["sparse_projection"] = {"units": model.pop("stem")}
        model["stem"] = None
    return {"type": "sparse_mlp", **model}


def _several_targets(given, sparse, name):
    if given["depth"] != 1:
        raise ValueError(
            f"{name}: `depth` must be 1 for several targets, which share one bank of experts. "
            f"Received: {given['depth']!r}."
        )
    if sparse:
        raise ValueError(
            f"{name} learns several targets from dense columns only. Received a sparse matrix. "
            "Train one estimator for each target, for example by "
            "sklearn.multioutput.MultiOutputClassifier or MultiOutputRegressor."
        )
    return {"type": "mmoe", **{name: given[name] for name in ("stem", "dropout", "embedding_dim")}}


def _plain(value):
    """NumPy's numbers, as `GridSearchCV` passes them, as Python's."""
    return value.item() if isinstance(value, np.generic) else value
