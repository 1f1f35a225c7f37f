"""sparse_mlp and dense_mlp: what they are made of, and what they cost."""

import keras
import numpy as np
import pytest

from sparse_keras.data import TableInputs
from sparse_keras.layers import FeatureGate
from sparse_keras.layers.mixtures.mixture import mixtures
from sparse_keras.models import (
    active_params,
    dense_mlp,
    flops_per_example,
    layer_costs,
    sparse_mlp,
    total_params,
)
from sparse_keras.tasks import Multilabel, Regression
from tests.support.tables import task_of, with_inputs

pytestmark = pytest.mark.usefixtures("eager_module")

MLP = {"type": "mlp", "num_experts": 6, "hidden_dim": 5}


def sparse(**arguments):
    return sparse_mlp(**with_inputs({"experts": MLP, "numeric_dim": 7, "stem": 8} | arguments))


def test_article_numbers():
    """100 inputs, 16 experts of 100 units, 64 outputs: every shape of the article."""
    experts = {"type": "dense", "num_experts": 16, "units": 100}
    model = sparse_mlp(
        inputs=TableInputs(numeric_dim=100),
        task=Multilabel(labels=64),
        experts=experts,
        stem=None,
        residual=False,
    )
    (mixture,) = mixtures(model)
    assert mixture.experts.dense.kernel.shape == (16, 100, 100)
    assert mixture.router.kernel.shape == (100, 16)
    assert model.output_shape == (None, 64)
    # 16 experts, router, head; the layer's statistics are no parameters.
    trainable = 16 * (100 * 100 + 100) + 100 * 16 + 100 * 64 + 64
    assert sum(np.prod(w.shape) for w in model.trainable_weights) == trainable
    assert total_params(model) == trainable
    assert active_params(model) == 2 * (100 * 100 + 100) + 100 * 16 + 100 * 64 + 64
    # Two multiplications and additions for each weight met: router, 2 experts, head.
    assert flops_per_example(model) == 2 * (100 * 16 + 2 * 100 * 100 + 100 * 64)


def test_flops_of_residual_blocks_and_shared_expert():
    model = sparse(depth=2, shared_expert={"hidden_dim": 3, "activation": "relu"})
    stem, head = 7 * 8, 8
    block = 8 * 6 + 2 * (8 * 5 + 5 * 8) + (8 * 3 + 3 * 8)
    assert flops_per_example(model) == 2 * (stem + 2 * block + head)
    gated = sparse(depth=2, shared_expert={"hidden_dim": 3, "gated": True})
    assert flops_per_example(gated) == 2 * (stem + 2 * (block + 8) + head)
    assert active_params(gated) == active_params(model) + 2 * 8
    assert flops_per_example(dense_mlp(inputs=TableInputs(7), hidden_dim=5, stem=8)) == 2 * (
        stem + 2 * 8 * 5 + head
    )


def test_flops_of_a_sequence_count_every_position():
    model = keras.Sequential([keras.Input((4, 3)), keras.layers.Dense(2)])
    assert flops_per_example(model) == 2 * 4 * 3 * 2


def test_flops_refuse_what_they_cannot_count():
    model = keras.Sequential([keras.Input((4, 3)), keras.layers.LSTM(2, name="memory")])
    with pytest.raises(ValueError, match="'memory', a LSTM"):
        flops_per_example(model)
    (cost,) = layer_costs(model)
    assert (cost.flops, cost.active) == (None, model.count_params())
    sequences = keras.Sequential([keras.Input((None, 3)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="static"):
        flops_per_example(sequences)


@pytest.mark.parametrize("router", ["top_k", {"type": "relu", "k": 2}])
def test_costs_of_layers_add_up(router):
    model = sparse(router=router, shared_expert={"hidden_dim": 3}, cardinalities=(5,), dropout=0.1)
    costs = {cost.name: cost for cost in layer_costs(model)}
    mixture = costs["block_0_mixture"]
    bias = 6 if isinstance(router, dict) else 0
    shared = 8 * 3 + 3 + 3 * 8 + 8
    expert = 8 * 5 + 5 + 5 * 8 + 8
    # Neither the statistics nor the coefficient of the ReLU router is a parameter.
    assert (mixture.type, mixture.output_shapes) == ("MixtureOfExperts", ((None, 8),))
    assert mixture.params == 8 * 6 + bias + shared + 6 * expert
    assert mixture.active == 8 * 6 + bias + shared + 2 * expert
    assert (costs["embedding_0"].params, costs["embedding_0"].flops) == (5 * 8, 0)
    assert sum(cost.params for cost in costs.values()) == total_params(model)
    assert total_params(model) == sum(np.prod(w.shape) for w in model.trainable_weights)
    assert sum(cost.active for cost in costs.values()) == active_params(model)
    assert sum(cost.flops for cost in costs.values()) == flops_per_example(model)


def test_moving_averages_and_frozen_weights_are_parameters():
    model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization()])
    model.trainable = False
    assert total_params(model) == active_params(model) == 4 * 3


@pytest.mark.parametrize(
    "task, outputs, last",
    [("binary", 1, "sigmoid"), ("multilabel", 3, "sigmoid"), ("multiclass", 3, "softmax")],
)
def test_head(task, outputs, last):
    model = sparse(task=task_of(task, outputs))
    assert model.output_shape == (None, outputs)
    assert model.get_layer("head").activation.__name__ == last


def test_regression_predicts_on_the_target_scale():
    model = sparse(task=Regression(mean=100.0, std=5.0))
    plain = sparse(task="regression")
    plain.set_weights(model.get_weights())
    x = np.random.default_rng(0).normal(size=(4, 7)).astype("float32")
    np.testing.assert_allclose(
        model.predict(x, verbose=0), 100 + 5 * plain.predict(x, verbose=0), rtol=1e-5
    )


def test_inputs_follow_the_columns():
    both = sparse(cardinalities=(3, 5))
    assert set(both.input) == {"numeric", "categorical"}
    x = {"numeric": np.ones((2, 7), "float32"), "categorical": np.array([[0, 4], [2, 1]])}
    assert both.predict(x, verbose=0).shape == (2, 1)
    categorical = sparse(numeric_dim=0, cardinalities=(3,))
    assert categorical.predict(np.array([[2]]), verbose=0).shape == (1, 1)


def test_feature_gate_has_one_gate_for_each_column():
    """Three numeric features of two columns, and a categorical one of embedding width 4."""
    gate = {"gate": "threshold"}
    model = sparse(
        numeric_dim=3,
        numeric_groups=[0, 1, 0],
        cardinalities=(9,),
        embedding_dim=4,
        feature_gate=gate,
    )
    (layer,) = (layer for layer in model.layers if isinstance(layer, FeatureGate))
    assert layer.groups == [0, 1, 0, 2, 2, 2, 2]
    assert layer.gates().shape == (3,)


def test_every_block_has_its_own_experts():
    first, second = mixtures(sparse(depth=2))
    assert first.experts is not second.experts
    a, b = (keras.ops.convert_to_numpy(m.experts.up.kernel) for m in (first, second))
    assert not np.array_equal(a, b)


def test_blocks_may_share_their_experts(tmp_path):
    model = sparse(depth=3, share_experts=True, shared_expert={"hidden_dim": 3})
    one = sparse(depth=1, shared_expert={"hidden_dim": 3})
    first, *others = mixtures(model)
    assert len(others) == 2 and all(other.experts is first.experts for other in others)
    # Two more routers and two more layer norms are all that two more blocks add.
    assert total_params(model) == total_params(one) + 2 * (8 * 6 + 2 * 8)
    three = sparse(depth=3, shared_expert={"hidden_dim": 3})
    assert flops_per_example(model) == flops_per_example(three)
    x = np.random.default_rng(0).normal(size=(4, 7)).astype("float32")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    with pytest.raises(ValueError, match="one width"):
        experts = {"type": "dense", "num_experts": 6, "units": 9}
        sparse(experts=experts, depth=2, share_experts=True, residual=False)


@pytest.mark.parametrize("router", ["cosine", "sinkhorn", {"type": "hierarchical", "k": 2}])
def test_segments_multiply_the_k_of_any_router_that_has_one(router):
    experts = {"type": "mlp", "num_experts": 4, "hidden_dim": 8}
    (mixture,) = mixtures(sparse(experts=experts, router=router, segments=2))
    assert (mixture.num_experts, mixture.router.k) == (8, 4)


def test_experts_split_into_segments():
    """As many weights of matrices and operations of experts, four times as many choices."""
    experts = {"type": "mlp", "num_experts": 6, "hidden_dim": 8}
    whole, split = sparse(experts=experts), sparse(experts=experts, segments=4)
    (mixture,) = mixtures(split)
    assert mixture.experts.up.kernel.shape == (24, 8, 2)
    assert (mixture.num_experts, mixture.router.k) == (24, 8)
    # Each row meets eight experts of width 2, and a router of 24 columns.
    assert flops_per_example(split) - flops_per_example(whole) == 2 * 8 * (24 - 6)
    # Each segment has an output bias of its own.
    assert total_params(split) - total_params(whole) == 8 * (24 - 6) + 18 * 8


@pytest.mark.parametrize("builder", [sparse_mlp, dense_mlp])
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_probabilities_are_float32(builder, policy):
    keras.config.set_dtype_policy(policy)
    specific = {"experts": MLP} if builder is sparse_mlp else {"hidden_dim": 5}
    model = builder(**specific, inputs=TableInputs(7))
    assert model.output.dtype == "float32"
    assert model.get_layer("stem").compute_dtype == policy.removeprefix("mixed_")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"task": "ranking"}, "task='ranking'"),
        ({"numeric_dim": 0}, "needs columns"),
        ({"experts": {"type": "dence", "num_experts": 4, "units": 8}}, "Did you mean 'dense'"),
        ({"segments": 2}, "hidden_dim` that it divides"),
        ({"segments": 5, "router": "relu"}, "must be one of .'top_k', 'cosine'"),
        ({"router": "topk"}, "Did you mean 'top_k'"),
        ({"router": {"type": "top_k", "k": 7}}, "k=7, num_experts=6"),
        ({"experts": {"type": "dense", "num_experts": 4, "units": 9}}, "residual=False"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        sparse(**arguments)


@pytest.mark.tensorflow
def test_a_first_layer_beyond_memory_is_refused_before_it_is_made():
    message = (
        r"sparse_projection: 128 units for 2,147,483,647 sparse columns take 1,099.5 GB, too much "
        r".*Decrease sparse_projection.units, .*data.num_columns"
    )
    with pytest.raises(ValueError, match=message):
        dense_mlp(inputs=TableInputs(sparse_dim=2**31 - 1), task=Regression(), hidden_dim=4)
