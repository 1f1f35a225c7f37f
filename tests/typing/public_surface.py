"""The public names as a user writes them: `mypy` checks this file, and nothing executes it.

`assert_type` fails where a name has lost its type, and `disallow_untyped_calls` (setup.cfg) where a
public function is not annotated.
"""

from collections.abc import Iterator
from typing import Literal, assert_type

import keras
import numpy as np
import pandas as pd
from pydantic import Field

import sparse_keras
from sparse_keras.feature_selection import AutoSelector
from sparse_keras.layers import MixtureOfExperts, MLPExperts, TopKRouter
from sparse_keras.schema import Config, ConfigEntry, Section


def from_a_config_to_predictions() -> None:
    config = sparse_keras.load_config("tabular/sparse_mlp_adult", ["training.epochs=5"])
    assert_type(config, Config)
    data = sparse_keras.load_data(config)
    model = sparse_keras.build_model(config, data)
    model.fit(data.train, callbacks=[sparse_keras.callbacks.ExpertLoad()])
    run = sparse_keras.train(config, data, output="runs")
    assert_type(run, sparse_keras.Run)
    assert_type(run.config, Config)
    trained = sparse_keras.load_model(run.path)
    trained.predict(pd.DataFrame())


def to_judge_a_config(config: Config, model: keras.Model, x: np.ndarray) -> None:
    comparison = sparse_keras.compare(config, seeds=5)
    assert_type(comparison, sparse_keras.Comparison)
    assert_type(sparse_keras.dense_twin(config), Config)
    inspection = sparse_keras.inspect(model, x, labels=["a", "b"])
    assert_type(inspection, sparse_keras.Inspection)
    assert_type(sparse_keras.report("runs/churn/1", baselines="never"), sparse_keras.Report)


def the_zoo() -> Iterator[ConfigEntry]:
    yield from sparse_keras.list_configs("tabular/*")


def a_layer() -> keras.layers.Layer:
    bank = MLPExperts(num_experts=8, hidden_dim=256)
    return MixtureOfExperts(bank, router=TopKRouter(k=2, balance_loss=0.01))


def an_estimator(x: pd.DataFrame, y: pd.Series) -> None:
    classifier = sparse_keras.SparseExpertClassifier(num_experts=16, k=2)
    classifier.fit(x, y)
    assert_type(classifier.predict_proba(x), np.ndarray | list[np.ndarray])
    AutoSelector(methods=["univariate", "l1"], seconds=10).fit(x, y)


def a_model(inputs: sparse_keras.data.TableInputs) -> keras.Model:
    model = sparse_keras.models.sparse_mlp(
        inputs=inputs, experts={"type": "mlp", "num_experts": 4, "hidden_dim": 8}
    )
    model.compile(sparse_keras.optimizers.FusedOptimizer("adam"), "binary_crossentropy")
    assert_type(sparse_keras.models.total_params(model), int)
    assert_type(sparse_keras.models.active_params(model), int)
    assert_type(sparse_keras.models.flops_per_example(model), int)
    return model


def data_of_ones_own(x: np.ndarray, y: np.ndarray) -> sparse_keras.data.ArrayBatches:
    assert_type(sparse_keras.tasks.get("binary"), sparse_keras.tasks.SingleTask)
    return sparse_keras.data.ArrayBatches({"numeric": x}, y, batch_size=32)


class EveryNthRouter(Section):
    "Experts in turn."

    type: Literal["every_nth"] = Field("every_nth", description="Experts in turn.")
    k: int = Field(1, ge=1, description="Experts that see each row.")


sparse_keras.register_router(EveryNthRouter, "my_package.routers:EveryNthRouter")
