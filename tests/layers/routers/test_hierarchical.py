"""HierarchicalRouter beyond the contract: two gates by hand, what each learns, what is refused."""

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras import losses, routing
from sparse_keras.layers import DenseExperts, HierarchicalRouter, MixtureOfExperts
from tests.support import reference
from tests.support.gradients import layer_gradients, to_numpy


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def by_hand(group_scores, expert_scores, **kwargs):
    """A router of one feature whose two gates give these scores to the input 1."""
    groups, experts = np.array(group_scores), np.array(expert_scores)
    router = HierarchicalRouter(num_groups=len(groups), num_experts=experts.size, **kwargs)
    router.build((None, 1))
    router.group_kernel.assign(np.log(groups)[None])
    router.kernel.assign(np.log(experts).reshape(1, -1))
    routing = router(np.ones((1, 1), "float32"))
    index = to_numpy(routing["expert_index"])[0].astype(int).tolist()
    return index, to_numpy(routing["weight"])[0], to_numpy(routing["scores"])[0]


GROUPS = [0.2, 0.5, 0.3]
EXPERTS = [[0.9, 0.1], [0.3, 0.7], [0.4, 0.6]]


@pytest.mark.parametrize(
    "arguments, index, weight",
    [
        # Groups 1 and 2 of 0.5 and 0.3, the best expert of each with 0.7 and 0.6 of it.
        ({"k": 2, "groups_kept": 2, "normalize": False}, [3, 5], [0.35, 0.18]),
        # 0.5 / 0.8 and 0.3 / 0.8. Their experts, alone, are weighed beside the other one.
        ({"k": 2, "groups_kept": 2}, [3, 5], [0.625 * 0.7, 0.375 * 0.6]),
        # All experts of a group sum to 1; groups 0.5 and 0.3 are the two best.
        ({"k": 2, "groups_kept": 1}, [3, 2], [0.625 * 0.7, 0.625 * 0.3]),
        ({"k": 1}, [3], [0.625 * 0.7]),
        (
            {"k": 4, "groups_kept": 2, "normalize": True},
            [3, 2, 5, 4],
            [0.625 * 0.7, 0.625 * 0.3, 0.375 * 0.6, 0.375 * 0.4],
        ),
        # The best expert of all is in the last group, which only counts where groups are all kept.
        ({"k": 3, "groups_kept": 3, "normalize": False}, [3, 5, 0], [0.35, 0.18, 0.18]),
    ],
)
def test_two_gates_by_hand(arguments, index, weight):
    found, weights, scores = by_hand(GROUPS, EXPERTS, **arguments)
    assert found == index
    np.testing.assert_allclose(weights, weight, rtol=1e-5)
    np.testing.assert_allclose(scores, [0.18, 0.02, 0.15, 0.35, 0.12, 0.18], rtol=1e-5)


def test_a_flat_router_would_choose_otherwise():
    """The best expert by p(g) p(e | g) is 0, and yet group 1 is better as a whole."""
    index, _, scores = by_hand([0.45, 0.55], [[0.9, 0.1], [0.5, 0.5]], k=1)
    assert scores.argmax() == 0 and index[0] in (2, 3)


@pytest.mark.parametrize(
    "k, groups, kept", [(1, 2, 1), (2, 4, 1), (4, 4, 2), (3, 3, 3), (12, 3, 3)]
)
@pytest.mark.parametrize("normalize", [None, False])
def test_it_equals_a_loop_over_two_gates(k, groups, kept, normalize):
    """Written for this from the two matrices, with nothing of the joint distribution."""
    router = HierarchicalRouter(k, groups, kept, normalize, num_experts=12, use_bias=True)
    x = 2 * draw(30, 6)
    routing = router(x)
    w = reference.weights_of(router)
    size = 12 // groups
    for n, row in enumerate(x.astype("float64")):
        gate = reference.softmax(row @ w["router_group_kernel"] + w["router_group_bias"])
        best_groups = sorted(range(groups), key=lambda g: -gate[g])
        expected = {}
        for g in best_groups[:kept]:
            inner = (row @ w["router_kernel"] + w["router_bias"])[g * size : (g + 1) * size]
            inner = reference.softmax(inner)
            best = sorted(range(size), key=lambda e: -inner[e])
            for e in best[: k // kept]:
                share, group_share = inner[e], gate[g]
                if normalize is None:
                    share /= sum(inner[i] for i in best[: max(k // kept, 2)])
                    group_share /= sum(gate[i] for i in best_groups[: max(kept, 2)])
                expected[g * size + e] = group_share * share
        assert to_numpy(routing["expert_index"])[n].astype(int).tolist() == list(expected)
        np.testing.assert_allclose(
            to_numpy(routing["weight"])[n], list(expected.values()), rtol=1e-4
        )


@pytest.mark.parametrize("k, kept, normalize", [(4, 2, None), (4, 2, True)])
def test_weights_sum_to_1(k, kept, normalize):
    routing = HierarchicalRouter(k, 4, kept, normalize, num_experts=16)(draw(20, 6))
    np.testing.assert_allclose(to_numpy(routing["weight"]).sum(1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(to_numpy(routing["scores"]).sum(1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("k, kept", [(1, 1), (2, 1), (2, 2), (4, 2)])
def test_both_gates_learn(k, kept):
    """From the outputs alone, however few are chosen."""
    router = HierarchicalRouter(k, 4, kept, balance_loss=0.0)
    layer = MixtureOfExperts(DenseExperts(16, 3), router=router)
    x = draw(40, 6)
    layer.build(x.shape)
    _, found = layer_gradients(layer, x, lambda y: ops.sum(ops.square(y)))
    for name in ("router_kernel", "router_group_kernel"):
        (gradient,) = [g for path, g in found.items() if path.endswith(name)]
        assert np.abs(gradient).max() > 1e-2, name


def test_the_gates_start_from_draws_of_their_own():
    """One initializer with an integer seed serves both."""
    initializer = keras.initializers.RandomNormal(seed=3)
    router = HierarchicalRouter(1, 4, num_experts=8, kernel_initializer=initializer)
    router.build((None, 2))
    first, second = to_numpy(router.kernel).ravel(), to_numpy(router.group_kernel).ravel()
    assert not np.isin(second, first).any()


def test_the_balance_loss_reaches_both_gates_and_counts_groups():
    router = HierarchicalRouter(1, 2, num_experts=4, balance_loss=1.0)
    router.build((None, 2))
    x = np.array([[3.0, 0.1], [3.0, -0.1]], "float32")
    # All to the first group, whose experts share them: half of the experts have twice the load.
    router.group_kernel.assign([[9.0, -9.0], [0.0, 0.0]])
    router.kernel.assign([[0.0] * 4, [99.0, -99.0, 0.0, 0.0]])
    routing = router(x)
    load = losses.expert_load(routing["expert_index"], routing["is_open"], 4)
    loss, value = router.auxiliary_losses(routing, load)["balance_loss"]
    assert loss == 1.0 and float(to_numpy(value)) == pytest.approx(2.0, rel=1e-3)

    layer = MixtureOfExperts(DenseExperts(4, 3), router=HierarchicalRouter(1, balance_loss=1.0))
    x = draw(40, 6)
    layer.build(x.shape)
    _, found = layer_gradients(layer, x, lambda y: 0.0 * ops.sum(y), training=True)
    for name in ("router_kernel", "router_group_kernel"):
        (gradient,) = [g for path, g in found.items() if path.endswith(name)]
        assert np.abs(gradient).max() > 1e-4, name


@pytest.mark.parametrize(
    "arguments",
    [{"k": 4, "groups_kept": 2}, {"k": 2, "groups_kept": 2}, {"k": 1}],
    ids=["2 of 2", "1 of 2", "1 of 1"],
)
def test_weights_of_experts_that_were_not_chosen(arguments):
    """Replayed in a router that has learned something else since: shares of what was chosen."""
    router = HierarchicalRouter(num_groups=4, **arguments)
    layer = MixtureOfExperts(DenseExperts(16, 3), router=router)
    x = draw(30, 6)
    with routing.record(layer) as recording:
        layer(x)
    router.kernel.assign(draw(6, 16, seed=5))
    router.group_kernel.assign(draw(6, 4, seed=6))
    with routing.replay(layer, recording):
        _, found = layer(x, return_routing=True)
    index = recording.gates[0].calls[0]["expert_index"]
    assert (index != to_numpy(router(x)["expert_index"])).any()
    joint = np.exp(to_numpy(router(x)["logits"]).astype("float64")).reshape(30, 4, 4)
    for n in range(30):
        gate, of_group = joint[n].sum(1), joint[n] / joint[n].sum(1, keepdims=True)
        groups = np.unique(index[n] // 4)
        total = gate[groups].sum() + (np.delete(gate, groups).max() if len(groups) == 1 else 0)
        for slot, e in enumerate(index[n]):
            g = e // 4
            inside = [i % 4 for i in index[n] if i // 4 == g]
            beside = np.delete(of_group[g], inside).max() if len(inside) == 1 else 0.0
            share = of_group[g, e % 4] / (of_group[g, inside].sum() + beside)
            assert to_numpy(found["weight"])[n, slot] == pytest.approx(
                gate[g] / total * share, rel=1e-4
            )


@pytest.mark.parametrize("scale", [1e2, 1e4])
@pytest.mark.parametrize("normalize", [None, False])
def test_large_logits_stay_finite(scale, normalize):
    router = HierarchicalRouter(4, 4, 2, normalize, num_experts=16)
    router.build((None, 6))
    router.kernel.assign(scale * draw(6, 16, seed=1))
    router.group_kernel.assign(scale * draw(6, 4, seed=2))
    dx, found = layer_gradients(
        router, draw(20, 6), lambda routing: ops.sum(ops.square(routing["weight"]))
    )
    assert np.isfinite(dx).all()
    assert all(np.isfinite(gradient).all() for gradient in found.values())


def test_one_token_and_none():
    router = HierarchicalRouter(4, 4, 2, num_experts=16)
    x = draw(20, 6)
    together, alone = router(x), router(x[3:4])
    np.testing.assert_allclose(
        to_numpy(alone["weight"])[0], to_numpy(together["weight"])[3], rtol=1e-5
    )
    assert tuple(router(x[:0], training=True)["weight"].shape) == (0, 4)


@pytest.mark.parametrize(
    "compile_arguments",
    [
        pytest.param({}, id="graph"),
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow, id="jit"),
    ],
)
def test_it_learns_groups_and_experts(compile_arguments):
    """Two groups of inputs, two kinds in each: an expert for each kind, neighbours in a group."""
    if keras.backend.backend() == "torch" and compile_arguments:
        pytest.skip("torch.compile is another compiler with other limits")
    router = HierarchicalRouter(1, 2, balance_loss=0.05)
    layer = MixtureOfExperts(DenseExperts(4, 1, "linear"), router=router)
    model = keras.Sequential([keras.Input((4,)), layer])
    for seed, weight in enumerate(layer.trainable_weights):  # The same on every backend.
        if weight.name.endswith("kernel"):
            weight.assign(0.5 * draw(*weight.shape, seed=seed))
    model.compile(keras.optimizers.Adam(0.02), "mse", **compile_arguments)
    x = draw(2000, 4)
    signs = np.sign(x[:, 0]), np.sign(x[:, 1])
    y = np.where(signs[0] > 0, np.where(signs[1] > 0, x[:, 2], -x[:, 2]), signs[1] * x[:, 3])
    fit = {"batch_size": 50, "epochs": 12, "shuffle": False, "verbose": 0}
    history = model.fit(x, y[:, None], **fit).history["loss"]
    assert history[-1] < 0.5 * np.var(y) and layer.routing_statistics()["dead"] == 0


def test_costs_count_both_matrices():
    """By hand: D = 5, E = 6, G = 3."""
    router = HierarchicalRouter(2, 3, num_experts=6, use_bias=True)
    router.build((None, 5))
    assert router.matrix_params() == 5 * 6 + 6 + 5 * 3 + 3 == router.count_params()
    assert router.flops_per_token(5) == 2 * 5 * 6 + 2 * 5 * 3


REFUSED = {
    "one group": ({"num_groups": 1}, ["`num_groups`: 1 leaves", "top_k"]),
    "more groups than there are": ({"k": 3, "groups_kept": 3}, ["3 is more than num_groups"]),
    "an uneven choice": ({"k": 3, "groups_kept": 2}, ["`groups_kept`", "does not divide k", "k=3"]),
    "groups of other sizes": ({"num_groups": 5}, ["`num_groups`", "12 experts", "5 groups"]),
    "groups of one": ({"num_groups": 12}, ["`num_groups`", "one expert each"]),
    "more than a group has": ({"k": 7}, ["`k`", "7 of each, which has 6", "Received: k=7."]),
    "no gradient for groups": ({"k": 2, "normalize": True}, ["`normalize`", "a group", "gradient"]),
    "no gradient for experts": (
        {"k": 2, "groups_kept": 2, "normalize": True},
        ["`normalize`", "an expert", "gradient"],
    ),
    "1 for True": ({"normalize": 1}, ["`normalize`", "normalize=1"]),
    "a bias": ({"bias_update_rate": 0.1}, ["bias_update_rate=0.1", "and no other"]),
    "k 0": ({"k": 0}, ["`k`", "positive integer"]),
}


@pytest.mark.parametrize("arguments, said", REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_refused(arguments, said):
    with pytest.raises(ValueError) as error:
        HierarchicalRouter(num_experts=12, **arguments).build((None, 4))
    for part in said:
        assert part in str(error.value)
