import operator
import warnings

import pytest

import sparse_keras
from sparse_keras.evaluation import dense_baselines
from sparse_keras.models import flops_per_example, total_params
from sparse_keras.training.building import build_model, build_network
from tests.data.text.few_texts import config_of, texts_of, write

SMALL = ["data={type: generated_multilabel, num_samples: 100, num_features: 20, num_labels: 5}"]


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.residual=true", "model.stem=32", "model.depth=2"],
        ["model.experts={type: glu, num_experts: 4, hidden_dim: 16}", "model.stem=32"],
        ["model.experts={type: dense, num_experts: 8, units: 24}", "model.residual=false"],
        ["model.experts={type: tied, num_experts: 8, units: 24}", "model.residual=false"],
        [
            "model.experts={type: dense, num_experts: 8, units: 24}",
            "model.residual=false",
            "model.depth=3",
            "model.router.k=3",
        ],
        ["model.shared_expert={hidden_dim: 40}", "model.stem=64"],
    ],
)
def test_costs_the_same(overrides):
    config = sparse_keras.load_config("tabular/sparse_mlp", SMALL + overrides)
    data = sparse_keras.load_data(config)
    twin = sparse_keras.dense_twin(config, data)
    assert twin.model.type == "dense_mlp"
    assert twin.data == config.data and twin.training == config.training
    sparse, dense = (flops_per_example(build_network(one, data)) for one in (config, twin))
    # One more hidden unit would be further off than this.
    wider = twin.model_copy(
        update={"model": twin.model.model_copy(update={"hidden_dim": twin.model.hidden_dim + 1})}
    )
    step = flops_per_example(build_network(wider, data)) - dense
    assert abs(dense - sparse) <= step / 2


def test_a_dense_model_has_no_twin():
    config = sparse_keras.load_config(
        "tabular/sparse_mlp", [*SMALL, "model={type: dense_mlp, hidden_dim: 4}"]
    )
    with pytest.raises(ValueError, match="dense_mlp"):
        sparse_keras.dense_twin(config)


def test_a_twin_logs_no_experts():
    config = sparse_keras.load_config(
        "tabular/sparse_mlp", [*SMALL, "training.expert_load={per_layer: true}"]
    )
    assert dense_baselines.with_hidden_dim(config, 3).training.expert_load is None
    assert config.training.expert_load.per_layer


@pytest.mark.parametrize(
    "monitor, watched",
    [
        ("task_loss", "val_loss"),
        ("load_violation", "val_loss"),
        ("block_0_mixture/dropped", "val_loss"),
        ("val_micro_f1", "val_micro_f1"),
    ],
)
def test_a_twin_monitors_what_it_logs(monitor, watched):
    config = sparse_keras.load_config(
        "tabular/sparse_mlp",
        [
            *SMALL,
            "data.validation_fraction=0.2",
            "training.expert_load={per_layer: true}",
            f"training.early_stopping={{monitor: {monitor}, patience: 2}}",
        ],
    )
    stopping = dense_baselines.with_hidden_dim(config, 3).training.early_stopping
    assert (stopping.monitor, stopping.patience) == (watched, 2)


def test_owns_as_many_parameters():
    config = sparse_keras.load_config("tabular/sparse_mlp", [*SMALL, "model.depth=2"])
    data = sparse_keras.load_data(config)
    twin = sparse_keras.dense_twin(config, data, equal="total_params")
    sparse, dense = (total_params(build_network(one, data)) for one in (config, twin))
    wider = dense_baselines.with_hidden_dim(config, twin.model.hidden_dim + 1)
    step = total_params(build_network(wider, data)) - dense
    assert abs(dense - sparse) <= step / 2
    narrower = sparse_keras.dense_twin(config, data).model.hidden_dim
    assert twin.model.hidden_dim > 4 * narrower  # Two of sixteen experts are active.


@pytest.mark.parametrize("seconds_of_sparse", [30.0, 400.0, 5.0])
def test_takes_as_many_seconds(seconds_of_sparse, monkeypatch):
    """On a machine whose dense step takes 10 seconds, and 0.1 for each hidden unit."""
    widths = []

    def build(config, data):
        return getattr(config.model, "hidden_dim", None)

    def ratio(width, sparse, data):
        assert sparse is None
        widths.append(width)
        return (10 + 0.1 * width) / seconds_of_sparse

    monkeypatch.setattr(dense_baselines, "build_model", build)
    monkeypatch.setattr(dense_baselines, "_ratio_of_steps", ratio)
    config = sparse_keras.load_config("tabular/sparse_mlp", SMALL)
    twin = sparse_keras.dense_twin(config, equal="seconds")
    expected = {30.0: 200, 400.0: 3900, 5.0: 1}[seconds_of_sparse]
    assert twin.model.hidden_dim == pytest.approx(expected, rel=0.06, abs=3)
    assert len(widths) == len(set(widths)) <= 10


@pytest.mark.slow
def test_seconds_are_measured():
    config = sparse_keras.load_config("tabular/sparse_mlp", SMALL)
    data = sparse_keras.load_data(config)
    twin = sparse_keras.dense_twin(config, data, equal="seconds")
    dense, sparse = (sparse_keras.build_model(one, data) for one in (twin, config))
    assert 0.5 < dense_baselines._ratio_of_steps(dense, sparse, data) < 2


def test_the_cost_has_a_name():
    config = sparse_keras.load_config("tabular/sparse_mlp", SMALL)
    with pytest.raises(ValueError, match="active_flops, total_params, seconds"):
        sparse_keras.dense_twin(config, equal="flops")
    idle = sparse_keras.load_config("tabular/sparse_mlp", [*SMALL, "optimizer=null"])
    with pytest.raises(ValueError, match="no optimizer"):
        sparse_keras.dense_twin(idle, equal="seconds")


def test_twin_of_cross_layers():
    config = sparse_keras.load_config("tabular/dcn_mix_adult", ["data={type: breast_cancer}"])
    data = sparse_keras.load_data(config)
    twin = sparse_keras.dense_twin(config, data)
    assert (twin.model.type, twin.model.activation) == ("dense_mlp", "relu")
    cross, dense = (flops_per_example(build_network(one, data)) for one in (config, twin))
    assert dense == pytest.approx(cross, rel=0.01)


@pytest.mark.parametrize(
    "training, expected",
    [
        ({"freeze": ["router"]}, {"freeze": None}),
        ({"freeze": ["experts", "router"]}, {"freeze": ("feed_forward",)}),
        ({"train_only": ["head", "experts"]}, {"train_only": ("head", "feed_forward")}),
        ({"lora": {"rank": 2}}, {"lora.roles": ("feed_forward", "attention")}),
        ({"lora": {"rank": 2, "roles": ["router", "experts"]}}, {"lora.roles": ("feed_forward",)}),
        ({"lora": {"rank": 2, "roles": ["attention"]}}, {"lora.roles": ("attention",)}),
    ],
)
def test_a_twin_trains_the_same_parts(tmp_path, training, expected):
    path = write(tmp_path / "texts.tsv", *texts_of())
    config = config_of(path)
    section = config.training.model_validate({**config.training.model_dump(), **training})
    config = config.model_copy(update={"training": section})
    twin = dense_baselines.with_hidden_dim(config, 8)
    for name, roles in expected.items():
        assert operator.attrgetter(name)(twin.training) == roles
    data = sparse_keras.load_data(twin)
    paths = [variable.path for variable in build_model(twin, data).trainable_variables]
    trains = any("/feed_forward/" in path for path in paths)
    roles = expected.get("train_only") or expected.get("lora.roles") or ()
    assert trains == ("feed_forward" in roles or training == {"freeze": ["router"]})


def test_a_twin_that_trains_more_warns(tmp_path):
    """Feed-forward layers beside experts are not experts, and have the same role in the twin."""
    config = config_of(write(tmp_path / "texts.tsv", *texts_of()))
    section = config.training.model_validate(
        {**config.training.model_dump(), "train_only": ["experts"]}
    )
    values = {**config.model.model_dump(), "depth": 2, "dense_layers": 1, "hidden_dim": 8}
    model = config.model.model_validate(values)
    config = config.model_copy(update={"training": section, "model": model})
    with pytest.warns(UserWarning, match="train_only names experts, and not feed_forward"):
        dense_baselines.with_hidden_dim(config, 8)
    both = section.model_copy(update={"train_only": ("experts", "feed_forward")})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dense_baselines.with_hidden_dim(config.model_copy(update={"training": both}), 8)


@pytest.mark.parametrize(
    "override, message",
    [
        ("training.freeze=[experts]", "names experts.*sparse_mlp"),
        ("training.train_only=[router]", "names the router only"),
    ],
)
def test_no_twin_trains_what_it_lacks(override, message):
    config = sparse_keras.load_config("tabular/sparse_mlp", [*SMALL, override])
    with pytest.raises(ValueError, match=message):
        sparse_keras.dense_twin(config)
    with pytest.raises(ValueError, match=f"'equal_flops' cannot take part.*{message}"):
        sparse_keras.compare(config, models=["equal_flops"])
