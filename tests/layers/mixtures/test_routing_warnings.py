"""What `ExpertLoad` warns of, and that it does not warn of routings that are fine."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

import sparse_keras
from sparse_keras.callbacks import ExpertLoad, RoutingWarning
from sparse_keras.layers import (
    DenseExperts,
    DenseRouter,
    DSelectKRouter,
    ExpertChoiceRouter,
    HashRouter,
    MixtureOfExperts,
    MultiGateMixtureOfExperts,
    ReLURouter,
    Router,
    SinkhornRouter,
    ThresholdRouter,
    TopKRouter,
)
from sparse_keras.layers.mixtures.routing_warnings import (
    concentration,
    experts,
    percent,
    routing_problems,
)
from sparse_keras.layers.mixtures.statistics import summarize
from tests.support.quick import slow_but_for

pytestmark = pytest.mark.usefixtures("eager_module")

ROWS = 96


def collapsed(chosen, num_experts=8, name=None, **kwargs):
    """A mixture whose router sends every token to the chosen experts, with equal scores."""
    router = TopKRouter(k=len(chosen), use_bias=True, kernel_initializer="zeros", normalize=None)
    layer = MixtureOfExperts(DenseExperts(num_experts, 8), router=router, name=name, **kwargs)
    layer.build((None, 8))
    bias = np.zeros(num_experts, "float32")
    bias[chosen] = 30.0
    router.bias.assign(bias)
    return layer


def fit(*layers, callback=None, epochs=1, rows=ROWS):
    """Trains without changing a weight. Returns the logs and the warnings."""
    model = keras.Sequential([keras.Input((8,)), *layers])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x = np.random.default_rng(0).normal(size=(rows, 8)).astype("float32")
    callback = ExpertLoad(per_layer=True) if callback is None else callback
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = model.fit(x, x, epochs=epochs, verbose=0, batch_size=32, callbacks=[callback])
    return history.history, [
        str(warning.message) for warning in caught if warning.category is RoutingWarning
    ]


def pooled_balance_loss(chosen, num_experts):
    """The loss over all layers at once, as Hugging Face's `load_balancing_loss_func` has it.

    `E * sum over k and e of f[k, e] * P[e]`, both means over the tokens of all layers. Every token
    of a layer does the same here, so that a layer stands for its tokens.
    """
    k = len(chosen[0])
    f, p = np.zeros((k, num_experts)), np.zeros(num_experts)
    for of_layer in chosen:
        for slot, expert in enumerate(of_layer):
            f[slot, expert] += 1 / len(chosen)
            p[expert] += 1 / k / len(chosen)
    return num_experts * (f * p).sum()


DISJOINT = [[[0], [1], [2], [3]], [[0, 1], [2, 3], [4, 5], [6, 7]]]


@pytest.mark.parametrize("chosen", DISJOINT, ids=["k=1", "k=2"])
def test_the_pooled_loss_is_that_of_transformers(chosen):
    torch = pytest.importorskip("torch")
    mixtral = pytest.importorskip("transformers.models.mixtral.modeling_mixtral")
    logits = [torch.zeros(96, 8) for _ in chosen]
    for of_layer, experts_chosen in zip(logits, chosen, strict=True):
        of_layer[:, experts_chosen] = 50.0
    loss = float(mixtral.load_balancing_loss_func(tuple(logits), 8, len(chosen[0])))
    assert loss == pytest.approx(pooled_balance_loss(chosen, 8), rel=1e-5)


@pytest.mark.parametrize("chosen", slow_but_for(DISJOINT[-1:], DISJOINT))
def test_layers_that_collapsed_on_experts_of_their_own(chosen):
    """Pooled over the four layers, the loss is 2.0; each layer's own is 8.0, the worst there is.

    (In the convention of Hugging Face, which does not divide f by k: there 1.0 is balanced for
    k=1, and 2.0 for k=2. Ours divides, so that 1.0 is balanced for every k.)
    """
    k = len(chosen[0])
    assert pooled_balance_loss(chosen, 8) == pytest.approx(2.0)
    for of_layer in chosen:
        assert pooled_balance_loss([of_layer], 8) == pytest.approx(8.0)

    layers = [collapsed(of_layer, name=f"layer_{n}") for n, of_layer in enumerate(chosen)]
    logs, sentences = fit(*layers)
    assert len(sentences) == 4
    for layer, of_layer, sentence in zip(layers, chosen, sentences, strict=True):
        loss = logs[f"{layer.path}/balance_loss"][0]
        assert loss * k == pytest.approx(8.0, rel=1e-5)
        assert logs[f"{layer.path}/load_violation"] == [pytest.approx(8 / k - 1)]
        assert f"{layer.path!r} has collapsed in epoch 1" in sentence
        assert f"{experts(of_layer)} of 8" in sentence
        assert "100 % of the work" in sentence
        assert f"balance loss is {8 / k:.1f}, where 1.0 is even" in sentence
        assert "Raise its router's balance_loss (now 0.01)" in sentence
    assert logs["load_violation"] == [pytest.approx(8 / k - 1)]


def test_each_kind_is_reported_once_per_layer():
    _, sentences = fit(collapsed([3]), collapsed([4]), epochs=3)
    assert len(sentences) == 2


def test_it_is_reported_again_in_another_training():
    callback = ExpertLoad()
    assert len(fit(collapsed([3]), callback=callback)[1]) == 1
    assert len(fit(collapsed([3]), callback=callback)[1]) == 1


def test_the_warning_is_of_the_line_that_trains(monkeypatch):
    # Without the wrapper of the test run, whose line would be the first outside of Keras.
    fit_of_keras = getattr(keras.Model.fit, "__wrapped__", keras.Model.fit)
    monkeypatch.setattr(keras.Model, "fit", fit_of_keras)
    model = keras.Sequential([keras.Input((8,)), collapsed([0])])
    model.compile("sgd", "mse")
    x = np.ones((ROWS, 8), "float32")
    with pytest.warns(RoutingWarning) as caught:
        model.fit(x, x, verbose=0, callbacks=[ExpertLoad()])
    assert [warning.filename for warning in caught if warning.category is RoutingWarning] == [
        __file__
    ]


def test_dead_experts_are_named():
    layer = MixtureOfExperts(DenseExperts(4, 8), router=TopKRouter(k=1, use_bias=True))
    layer.build((None, 8))
    kernel = np.zeros((8, 4), "float32")
    kernel[0] = [9.0, -9.0, 0.0, 0.0]  # By the sign of the first feature, to expert 0 or 1.
    layer.router.kernel.assign(kernel)
    _, (sentence,) = fit(layer)
    assert "has 2 dead of 4 experts: no token went to experts 2 and 3 in epoch 1" in sentence


def test_dropped_assignments_are_reported():
    _, sentences = fit(collapsed([0], num_experts=4, capacity_factor=1.0))
    assert [sentence for sentence in sentences if "dropped 75 % of its assignments" in sentence]
    assert "capacity_factor (now 1)" in sentences[-1]


def test_gates_that_never_open():
    layer = MixtureOfExperts(DenseExperts(4, 8), router=ThresholdRouter(threshold=0.9))
    layer.build((None, 8))
    layer.router.kernel.assign(ops.zeros((8, 4)))
    _, (sentence,) = fit(layer)
    assert "opened no expert in epoch 1" in sentence


def test_a_gate_of_several():
    layer = MultiGateMixtureOfExperts(
        DenseExperts(4, 8), {"a": "dense", "b": TopKRouter(k=1, use_bias=True)}, name="gates"
    )
    inputs = keras.Input((8,))
    outputs = layer(inputs)
    layer.routers["b"].bias.assign([50.0, 0.0, 0.0, 0.0])
    model = keras.Model(inputs, outputs["a"] + outputs["b"])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x = np.ones((ROWS, 8), "float32")
    with pytest.warns(RoutingWarning, match="gates/b' has collapsed") as caught:
        model.fit(x, x, verbose=0, callbacks=[ExpertLoad()])
    # A dense gate cannot.
    assert len([warning for warning in caught if warning.category is RoutingWarning]) == 1


def test_healthy_routings_are_not_reported():
    even = MixtureOfExperts(DenseExperts(4, 8), k=2)
    dense = MixtureOfExperts(DenseExperts(4, 8), router=DenseRouter())
    alone = MixtureOfExperts(DenseExperts(1, 8), k=1)
    assert fit(even, dense, alone)[1] == []


def test_what_is_switched_off_is_not_reported():
    layer = [0], {"num_experts": 4, "capacity_factor": 1.0}
    for options, expected in (
        ({"warn": False}, []),
        ({"collapse_above": None, "dropped_above": None}, ["dead"]),
        ({"dropped_above": 0.8}, ["collapsed"]),
    ):
        _, sentences = fit(collapsed(layer[0], **layer[1]), callback=ExpertLoad(**options))
        assert len(sentences) == len(expected)
        for sentence, word in zip(sentences, expected, strict=True):
            assert word in sentence


def test_a_handful_of_tokens_proves_nothing():
    assert fit(collapsed([0]), rows=16)[1] == []


@pytest.mark.parametrize("name", ["collapse_above", "dropped_above"])
@pytest.mark.parametrize("value", [0.0, 1.0, -1, 2])
def test_thresholds_are_shares(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be None or between 0 and 1"):
        ExpertLoad(**{name: value})


def test_concentration():
    assert concentration(np.full(8, 1 / 8), 2) == pytest.approx(0.0)
    assert concentration(np.array([0.5, 0, 0, 0.5]), 2) == pytest.approx(1.0)
    # Two of four take 3/4, where 1/2 were even and 1 the most: half way.
    assert concentration(np.array([0.5, 0.25, 0.125, 0.125]), 2) == pytest.approx(0.5)
    load = np.random.default_rng(0).dirichlet(np.ones(6))
    violation = load.max() * 6 - 1
    assert concentration(load, 1) == pytest.approx(violation / 5)
    assert np.isnan(concentration(np.full(4, 1 / 4), 4))


def test_what_to_do_depends_on_the_router():
    statistics = {
        "load": np.array([1.0, 0, 0, 0]),
        "assigned": 100,
        "experts_per_token": 1,
        "dead": 3,
    }
    statistics |= {"dropped": 0.0, "balance_loss": 0.0}
    biased = TopKRouter(k=1, select_on="score_plus_bias", bias_update_rate=0.002)
    frozen = TopKRouter(k=1, trainable=False)

    class Own(DenseRouter):
        pass

    for router, remedy in (
        (TopKRouter(k=1, balance_loss=0.0), "balance_loss (now 0)"),
        (biased, "bias_update_rate (now 0.002)"),
        (frozen, "frozen"),
        (SinkhornRouter(k=1), "temperature (now 0.3), or raise its iterations (now 20)"),
        (DSelectKRouter(k=1), "use a router that has a balance_loss"),
        (Own(), "use a router that has a balance_loss"),
        (HashRouter(vocabulary_size=9), "with its router's `adapt`"),
    ):
        sentence = routing_problems(statistics, router, "It", "now")["collapse"]
        assert remedy in sentence and "balance loss is" not in sentence
    sentence = routing_problems(statistics, SinkhornRouter(k=1), "It", "here", training=False)[
        "collapse"
    ]
    assert "balances the load in training only" in sentence and "iterations" not in sentence


def test_how_to_open_gates_depends_on_the_router():
    statistics = summarize(np.zeros(4))
    statistics |= {"experts_per_token": 0.0}

    class Own(Router):
        pass

    for router, remedy in (
        (ThresholdRouter(threshold=0.7, max_experts=2), "Lower its router's threshold (now 0.7)."),
        (ReLURouter(k=3), "Raise its router's k (now 3)."),
        (ExpertChoiceRouter(capacity_factor=1.5), "Raise its router's capacity_factor (now 1.5)."),
        (Own(), "what keeps its Own from opening any"),
    ):
        assert remedy in routing_problems(statistics, router, "It", "now")["closed"]


def test_the_capacity_factor_is_named():
    statistics = summarize(np.zeros(4)) | {"dropped": 0.5}
    options = {"capacity": 1.25, "capacity_name": "eval_capacity_factor"}
    sentence = routing_problems(statistics, TopKRouter(), "It", "now", **options)["dropped"]
    assert "Raise eval_capacity_factor (now 1.25), leave it out" in sentence


CLASSES = [value for value in vars(sparse_keras.layers).values() if isinstance(value, type)]
ROUTERS = [layer for layer in CLASSES if issubclass(layer, Router)]


@pytest.mark.parametrize("router", ROUTERS, ids=lambda router: router.__name__)
def test_routers_say_whether_they_take_a_balance_loss(router):
    needed = {"vocabulary_size": 9} if router is HashRouter else {}
    if router.takes_balance_loss:
        assert router(balance_loss=0.1, **needed).balance_loss == 0.1
    else:
        with pytest.raises(ValueError, match="balance_loss"):
            router(balance_loss=0.1, **needed)


def test_a_layer_without_tokens_is_not_judged():
    statistics = summarize(np.zeros(4))
    assert routing_problems(statistics, TopKRouter(), "It", "now") == {}


def test_words():
    assert experts([3]) == "expert 3"
    assert experts([0, 3, 5]) == "experts 0, 3 and 5"
    assert experts(range(20)) == "experts 0, 1, 2, 3, 4, 5, 6, 7 and 12 more"
    assert [percent(x) for x in (0, 1e-4, 0.456, 0.999, 1)] == [
        "0 %", "< 1 %", "46 %", "> 99 %", "100 %",
    ]  # fmt: skip
