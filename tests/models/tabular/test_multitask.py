"""The models of several tasks: what they are made of, what they cost, and that they travel."""

import keras
import numpy as np
import pytest

from sparse_keras.layers import MultiGateMixtureOfExperts
from sparse_keras.layers.mixtures.mixture import mixtures
from sparse_keras.models import (
    MODELS,
    active_params,
    flops_per_example,
    gate_weights,
    layer_costs,
    total_params,
)
from sparse_keras.tasks import Binary, Multiclass, Regression
from tests.support.tables import with_inputs

pytestmark = pytest.mark.usefixtures("eager_module")

TASKS = {
    "income": Binary("income"),
    "kind": Multiclass("kind", 3),
    "age": Regression("age", mean=40.0, std=10.0),
}
DENSE = {"type": "dense", "num_experts": 4, "units": 5}
OWN = {"type": "dense", "num_experts": 2, "units": 5}
ARGUMENTS = {
    "shared_bottom": {"hidden_dims": [5, 6]},
    "omoe": {"experts": DENSE},
    "mmoe": {"experts": DENSE},
    "cgc": {"shared_experts": DENSE, "task_experts": OWN},
    "ple": {"shared_experts": DENSE, "task_experts": OWN},
}
SPARSE = {
    name: {"router": {"type": "top_k", "k": 2}} for name in ARGUMENTS if name != "shared_bottom"
}


def build(name, **arguments):
    defaults = {"tasks": TASKS, "numeric_dim": 7, "tower": {"hidden_dims": (8,)}}
    return MODELS[name](**with_inputs(ARGUMENTS[name] | defaults | arguments))


def rows(count=12, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 7)).astype("float32")


def some_later(*quick):
    """All models, but those not named in the slow run only."""
    return [
        pytest.param(name, marks=() if name in quick else pytest.mark.slow) for name in ARGUMENTS
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", some_later("mmoe"))
def test_trains_saves_loads_and_exports(name, tmp_path):
    model = build(name, dropout=0.1, **SPARSE.get(name, {}))
    x = rows(40)
    y = {"income": x[:, :1] > 0, "kind": np.arange(40) % 3, "age": x[:, 1] * 9 + 41}
    losses = {"income": "binary_crossentropy", "kind": "sparse_categorical_crossentropy"}
    model.compile(keras.optimizers.Adam(0.01), losses | {"age": "mse"})
    history = model.fit(x, y, epochs=3, batch_size=16, verbose=0).history["loss"]
    assert history[-1] < history[0]
    found = model.predict(x, verbose=0)
    assert {task: values.shape for task, values in found.items()} == {
        "income": (40, 1),
        "kind": (40, 3),
        "age": (40, 1),
    }
    assert all(values.dtype == "float32" for values in found.values())
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")  # Safe mode, nothing registered.
    for task, values in loaded.predict(x, verbose=0).items():
        np.testing.assert_array_equal(values, found[task])
    if keras.backend.backend() == "tensorflow" and name in ("mmoe", "ple"):
        import tensorflow as tf

        model.export(tmp_path / "exported", verbose=False)
        served = tf.saved_model.load(tmp_path / "exported")
        for task, values in served.serve(x).items():
            np.testing.assert_allclose(values, found[task], rtol=1e-5, atol=1e-6)


# Multiplications and additions by hand, halved: 7 inputs, experts of 5 units, a tower of 8, heads
# of 1, 3 and 1 units.
TOWERS = 3 * 5 * 8 + 8 * (1 + 3 + 1)
MULTIPLICATIONS = {
    "shared_bottom": 7 * 5 + 5 * 6 + 3 * 6 * 8 + 8 * (1 + 3 + 1),
    "omoe": 7 * 4 + 4 * (7 * 5) + TOWERS,
    "mmoe": 3 * (7 * 4) + 4 * (7 * 5) + TOWERS,
    "cgc": 3 * (7 * 6) + (4 + 3 * 2) * (7 * 5) + TOWERS,
    # Below, one more gate over all ten experts; above, everything gets five numbers.
    "ple": 3 * 7 * 6 + 7 * 10 + 10 * (7 * 5) + 3 * (5 * 6) + 10 * (5 * 5) + TOWERS,
}
BIASES = 3 * 8 + 5
PARAMS = {
    "shared_bottom": MULTIPLICATIONS["shared_bottom"] + 5 + 6 + BIASES,
    "omoe": MULTIPLICATIONS["omoe"] + 4 * 5 + BIASES,
    "mmoe": MULTIPLICATIONS["mmoe"] + 4 * 5 + BIASES,
    "cgc": MULTIPLICATIONS["cgc"] + 10 * 5 + BIASES,
    "ple": MULTIPLICATIONS["ple"] + 20 * 5 + BIASES,
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_costs(name):
    model = build(name)
    assert flops_per_example(model) == 2 * MULTIPLICATIONS[name]
    assert total_params(model) == active_params(model) == PARAMS[name]
    costs = layer_costs(model)
    assert sum(cost.params for cost in costs) == total_params(model)
    assert sum(cost.flops for cost in costs) == flops_per_example(model)


def test_costs_of_sparse_gates():
    model = build("mmoe", tasks={"income": TASKS["income"]}, router={"type": "top_k", "k": 1})
    # One gate over 4 experts of which it chooses 1.
    assert active_params(model) == 7 * 4 + (7 * 5 + 5) + (5 * 8 + 8) + (8 + 1)
    assert flops_per_example(model) == 2 * (7 * 4 + 7 * 5 + 5 * 8 + 8)
    # Three gates that choose one each meet three experts at most.
    model = build("mmoe", router={"type": "top_k", "k": 1})
    assert active_params(model) == PARAMS["mmoe"] - (7 * 5 + 5)


@pytest.mark.parametrize("name", ["omoe", "mmoe", "cgc", "ple"])
@pytest.mark.parametrize("seeded", [pytest.param(False, marks=pytest.mark.slow), True])
def test_all_experts_and_gates_start_apart(name, seeded):
    """Also where one initializer with an integer seed serves all of them."""
    draw = {"kernel_initializer": keras.initializers.GlorotUniform(seed=1)} if seeded else {}
    arguments = {
        key: {**value, **draw} if isinstance(value, dict) else value
        for key, value in ARGUMENTS[name].items()
    }
    model = build(name, **arguments, router={"type": "dense", **draw}, numeric_dim=5)
    matrices = []
    for layer in mixtures(model):
        banks = layer.experts
        banks = banks.values() if isinstance(banks, dict) else [banks]
        matrices += [np.array(m) for bank in banks for m in np.array(bank.weights[0])]
        matrices += [np.array(router.kernel)[:, :4] for router in layer.gates.values()]
    assert len({matrix.tobytes() for matrix in matrices}) == len(matrices) > 4


def test_a_model_is_reproduced_by_its_seed():
    def weights():
        keras.utils.set_random_seed(3)
        return build("ple").get_weights()

    for one, other in zip(weights(), weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_ple_levels_are_wired_as_in_the_paper():
    model = build("ple", levels=3)
    below, middle, last = mixtures(model)
    assert list(below.routers) == list(middle.routers) == ["shared", *TASKS]
    assert list(last.routers) == list(TASKS)
    assert below.expert_names("age") == ["shared_0", "shared_1", "shared_2", "shared_3"] + [
        "age_0",
        "age_1",
    ]
    assert len(below.expert_names("shared")) == 4 + 3 * 2
    # A task's own experts get what the task's gate below mixed: no other task's loss reaches them
    # in the last level.
    x = rows()
    before = model(x)
    for weight in last.experts["age"].trainable_weights:
        weight.assign(weight + 1.0)
    after = model(x)
    assert np.any(np.array(after["age"]) != np.array(before["age"]))
    for task in ("income", "kind"):
        np.testing.assert_array_equal(np.array(after[task]), np.array(before[task]))
    # Through the shared gate of a level below, it reaches all tasks.
    for weight in below.experts["age"].trainable_weights:
        weight.assign(weight + 1.0)
    later = model(x)
    assert all(np.any(np.array(later[task]) != np.array(after[task])) for task in TASKS)


def test_cgc_is_ple_of_one_level():
    keras.utils.set_random_seed(0)
    one = build("cgc")
    keras.utils.set_random_seed(0)
    other = build("ple", levels=1)
    found, expected = one(rows()), other(rows())
    for task in TASKS:
        np.testing.assert_array_equal(np.array(found[task]), np.array(expected[task]))


@pytest.mark.parametrize("name", ["omoe", "mmoe", "cgc", "ple"])
def test_gate_weights(name):
    model = build(name, **SPARSE[name])
    x = rows(9)
    found = gate_weights(model, x, batch_size=4)
    assert list(found) == [layer.name for layer in mixtures(model)]
    for layer in mixtures(model):
        for gate, router in layer.gates.items():
            weights = found[layer.name][gate or "router"]
            assert weights.shape == (9, router.num_experts) and weights.dtype == "float32"
            np.testing.assert_allclose(weights.sum(1), 1.0, rtol=1e-5)
            assert ((weights > 0).sum(1) == 2).all()
    # Those of the first mixture, by hand.
    first = mixtures(model)[0]
    (gate, router), *_ = first.gates.items()
    logits = x @ np.array(router.kernel)
    best = np.argsort(-logits, axis=1)[:, :2]
    powers = np.exp(np.take_along_axis(logits, best, axis=1))
    expected = np.zeros_like(logits)
    np.put_along_axis(expected, best, powers / powers.sum(1, keepdims=True), axis=1)
    np.testing.assert_allclose(found[first.name][gate or "router"], expected, rtol=1e-4, atol=1e-6)


def test_gate_weights_with_categorical_columns_and_without_mixtures():
    model = build("mmoe", cardinalities=(4, 3), stem=6)
    x = {"categorical": np.zeros((5, 2), "int32"), "numeric": rows(5)}
    found = gate_weights(model, x)["mixture"]
    assert {task: array.shape for task, array in found.items()} == dict.fromkeys(TASKS, (5, 4))
    with pytest.raises(ValueError, match="no mixture of experts"):
        gate_weights(build("shared_bottom"), rows())


def test_tasks_may_have_any_name():
    tasks = dict.fromkeys(("a/b", "numeric", "shared", "age [years]"), "binary")
    model = build("ple", tasks=tasks)
    assert set(model(rows())) == set(tasks)
    assert any("age [years]_head" in weight.path for weight in model.weights)


def test_weights_carry_the_name_of_their_task():
    paths = [weight.path for weight in build("mmoe").trainable_weights]
    assert "income_head/kernel" in paths and "age_tower_0/kernel" in paths
    assert any("income_router/router_kernel" in path for path in paths)


def test_errors():
    with pytest.raises(ValueError, match="`tasks` must be a dict"):
        build("mmoe", tasks={})
    with pytest.raises(ValueError, match="`tasks` must be a dict"):
        build("shared_bottom", tasks=["income"])
    with pytest.raises(ValueError, match="outputs of one width"):
        build("ple", shared_experts={**DENSE, "units": 9})
    with pytest.raises(ValueError, match="needs columns"):
        build("mmoe", numeric_dim=0)


def test_a_dense_gate_mixes_every_expert():
    """mmoe against NumPy: y = sum over experts of softmax(x @ gate) * relu(x @ kernel + bias)."""
    model = build("mmoe", tasks={"t": "regression"}, tower={"hidden_dims": ()})
    (layer,) = mixtures(model)
    assert isinstance(layer, MultiGateMixtureOfExperts)
    x = rows()
    kernel, bias = (np.array(weight) for weight in layer.experts["experts"].weights)
    powers = np.exp(x @ np.array(layer.routers["t"].kernel))
    mixed = np.zeros((len(x), 5))
    for e in range(4):
        share = powers[:, e] / powers.sum(1)
        mixed += share[:, None] * np.maximum(x @ kernel[e] + bias[e], 0)
    head = model.get_layer("t_head")
    expected = mixed @ np.array(head.kernel) + np.array(head.bias)
    np.testing.assert_allclose(np.array(model(x)["t"]), expected, rtol=1e-4, atol=1e-5)
