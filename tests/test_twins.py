import pytest

import sparse_keras
from sparse_keras.building import build_network
from sparse_keras.models import flops_per_example

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
    sparse, dense = (flops_per_example(build_network(one, data.features)) for one in (config, twin))
    # One more hidden unit would be further off than this.
    wider = twin.model_copy(
        update={"model": twin.model.model_copy(update={"hidden_dim": twin.model.hidden_dim + 1})}
    )
    step = flops_per_example(build_network(wider, data.features)) - dense
    assert abs(dense - sparse) <= step / 2


def test_a_dense_model_has_no_twin():
    config = sparse_keras.load_config(
        "tabular/sparse_mlp", [*SMALL, "model={type: dense_mlp, hidden_dim: 4}"]
    )
    with pytest.raises(ValueError, match="dense_mlp"):
        sparse_keras.dense_twin(config)
