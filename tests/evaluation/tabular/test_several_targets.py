"""Multi-task models: their dense twins, single-task models and ablations."""

import numpy as np
import pytest

import sparse_keras
from sparse_keras.evaluation.ablations import ablations_of
from sparse_keras.evaluation.standard_contenders import contenders_of
from sparse_keras.evaluation.tabular.single_tasks import single_task_configs, single_task_data
from sparse_keras.models import flops_per_example, total_params
from sparse_keras.training.building import build_network

MODELS = ["omoe", "mmoe", "cgc", "ple"]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A class and a number, which is missing in some rows."""
    folder = tmp_path_factory.mktemp("table")
    rng = np.random.default_rng(0)
    rows = [
        f"{a:.3f},{b:.3f},{'yes' if a + b > 0 else 'no'},{'' if row % 9 == 0 else f'{a - b:.3f}'}"
        for row, (a, b) in enumerate(rng.normal(size=(200, 2)))
    ]
    (folder / "own.csv").write_text("\n".join(["a,b,up,size", *rows]) + "\n")
    return folder / "own.yaml"


def load(file, model="mmoe", *overrides):
    file.write_text(
        f"version: 1\nextends: multitask/{model}\n"
        "data: {type: csv, path: own.csv, target: {up: binary, size: regression}}\n"
        "training: {epochs: 1}\n"
    )
    return sparse_keras.load_config(file, overrides)


@pytest.mark.parametrize("equal", ["active_flops", "total_params"])
@pytest.mark.parametrize("model", MODELS)
def test_the_shared_bottom_costs_the_same(model, equal, file):
    config = load(file, model)
    data = sparse_keras.load_data(config)
    twin = sparse_keras.dense_twin(config, data, equal)
    assert twin.model.type == "shared_bottom" and twin.model.tower == config.model.tower
    cost = {"active_flops": flops_per_example, "total_params": total_params}[equal]
    ours, theirs = (cost(build_network(one, data)) for one in (config, twin))
    assert theirs == pytest.approx(ours, rel=0.02)


@pytest.mark.parametrize("model", MODELS)
def test_ablations(model, file):
    config = load(file, model, "model.router={type: top_k, k: 3}")
    data = sparse_keras.load_data(config)
    made = {
        contender.name: contender.make(config, data, None) for contender in ablations_of(config)
    }
    bank = "experts" if hasattr(config.model, "experts") else "shared_experts"
    assert getattr(made["experts_1"].model, bank).num_experts == 1
    # A gate of cgc and ple sees the experts of its task as well.
    own = getattr(config.model, "task_experts", None)
    assert made["experts_1"].model.router.k == min(3, 1 + (own.num_experts if own else 0))
    assert not made["frozen_router"].model.router.trainable
    for name in ("experts_1", "uniform"):
        build_network(made[name], data)


def test_single_tasks_have_the_same_rows(file):
    config = load(
        file,
        "mmoe",
        "training.early_stopping.monitor=val_up_auc",
        "training.loss={size: {type: huber}}",
    )
    data = sparse_keras.load_data(config)
    configs = single_task_configs(config, data)
    assert list(configs) == ["up", "size"]
    for one in configs.values():
        assert one.model == sparse_keras.dense_twin(config, data).model
        assert one.training.early_stopping.monitor == "val_loss"
    assert configs["up"].training.loss is None and configs["size"].training.loss.type == "huber"
    for name in configs:
        one = single_task_data(data, name)
        assert one.features.target.name == name
        for part in ("train", "validation", "test"):
            ours, all_of_them = getattr(one, part), getattr(data, part)
            np.testing.assert_array_equal(ours.x, all_of_them.x)
            np.testing.assert_array_equal(ours.y, all_of_them.y[name])
            np.testing.assert_array_equal(ours.sample_weight, all_of_them.sample_weight[name])
    assert (single_task_data(data, "size").train.sample_weight == 0).any()


def test_contenders(file):
    names = [contender.name for contender in contenders_of(load(file))]
    assert "single_task" in names and names[0] == "moe"
    single = contenders_of(sparse_keras.load_config("tabular/sparse_mlp_adult"))
    assert "single_task" not in [contender.name for contender in single]


@pytest.mark.slow
def test_compares(file, tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSE_KERAS_HOME", str(tmp_path))
    comparison = sparse_keras.compare(load(file), seeds=1, models=["single_task", "linear"])
    metrics = list(comparison["moe"]["metrics"])
    assert {"up.auc", "up.average_precision", "size.rmse", "size.r2"} <= set(metrics)
    for name in ("moe", "single_task", "linear"):
        assert list(comparison[name]["metrics"]) == metrics
        assert None not in [metric["mean"] for metric in comparison[name]["metrics"].values()]
    assert comparison["linear"]["metrics"]["up.auc"]["mean"] > 0.9
    assert "size R²" in comparison.to_markdown()
