import pytest

import sparse_keras
from sparse_keras.evaluation.ablations import ablations_of

CONFIG = "tabular/sparse_mlp_breast_cancer"


def made(*overrides):
    config = sparse_keras.load_config(CONFIG, overrides)
    contenders = {
        contender.name: contender.make(config, None, None) for contender in ablations_of(config)
    }
    return config, {name: one.model for name, one in contenders.items()}


def test_one_part_is_changed():
    config, models = made()
    numbers = {name: one.experts.num_experts for name, one in models.items()}
    assert numbers == {
        "moe": 4,
        **{f"experts_{number}": number for number in (1, 2, 8, 16, 32)},
        "frozen_router": 4,
        "uniform": 4,
    }
    ks = [models[f"experts_{number}"].router.k for number in (1, 2, 8)]
    assert ks == [1, 2, 2]
    assert not models["frozen_router"].router.trainable and models["moe"].router.trainable
    assert models["uniform"].router.type == "uniform"
    # Everything else stays.
    for one in models.values():
        assert one.stem == config.model.stem and one.experts.hidden_dim == 32
    assert models["frozen_router"].router.k == config.model.router.k


@pytest.mark.parametrize(
    "router",
    [
        "{type: top_k, k: 4, normalize: true}",
        "{type: top_k, num_groups: 2, groups_kept: 1, preset: gpt_oss, k: 2}",
        "{type: top_k, select_on: score_plus_bias, bias_update_rate: 0.01}",
        "{type: top_k, noise: true, load_loss: 0.1}",
        "{type: threshold, max_experts: 3, normalize: true}",
        "{type: relu, k: 2, max_experts: 4}",
        "{type: dense}",
        "{type: cosine, k: 4, select_on: score_plus_bias, use_bias: true}",
        "{type: sinkhorn, k: 2, normalize: false}",
        "{type: expert_choice, capacity_factor: 3, threshold_decay: 0.9}",
        "{type: dselect_k, k: 3}",
        "{type: balanced, k: 3}",
    ],
)
def test_every_router(router):
    _, models = made(f"model.router={router}")
    assert {"experts_1", "frozen_router", "uniform"} < set(models)


def test_a_uniform_ensemble_of_split_experts_that_stopped_by_a_routers_loss():
    config = sparse_keras.load_config(
        CONFIG,
        [
            "model.segments=2",
            "training.expert_load={per_layer: true}",
            "training.early_stopping={monitor: block_0_mixture/balance_loss}",
        ],
    )
    (contender,) = [contender for contender in ablations_of(config) if contender.name == "uniform"]
    made = contender.make(config, None, None)
    assert made.model.segments == 1 and made.training.early_stopping.monitor == "val_loss"


def test_groups_that_a_router_cannot_be_without_stay():
    _, models = made("model.router={type: hierarchical, num_groups: 2, k: 2, groups_kept: 2}")
    assert {"moe", "experts_8", "frozen_router"} < set(models)
    assert not {"experts_1", "experts_2"} & set(models)
    assert all(one.router.num_groups == 2 for name, one in models.items() if name != "uniform")


def test_what_is_not_learned_is_not_frozen():
    _, models = made("model.router={type: uniform}")
    assert not {"frozen_router", "uniform"} & set(models)


def test_a_dense_model_has_no_parts():
    config = sparse_keras.load_config(CONFIG, ["model={type: dense_mlp, hidden_dim: 4}"])
    with pytest.raises(ValueError, match="no experts"):
        ablations_of(config)
    with pytest.raises(ValueError, match="did you mean 'experts_32'"):
        ablations_of(sparse_keras.load_config(CONFIG), ["expert_32"])
