"""TopKRouter: every way of choosing k experts, and of weighing them."""

import itertools

import keras
import numpy as np
import pytest

from sparse_keras._internal.token_choice import GROUP_SCORES, SCORES, SELECT_ON
from sparse_keras.layers import DenseExperts, MixtureOfExperts, TopKRouter
from sparse_keras.layers.routers import PRESETS
from tests.layers.test_equality import assert_close
from tests.support import reference
from tests.support.gradients import layer_gradients, to_numpy
from tests.support.pairs import all_pairs
from tests.support.quick import slow_but_for


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def biased(k=2, experts=4, **kwargs):
    router = TopKRouter(k=k, num_experts=experts, select_on="score_plus_bias", **kwargs)
    router.build((None, 4))
    router.kernel.assign(np.eye(4, experts))
    return router


def test_a_selection_bias_chooses_and_does_not_weigh():
    """Logits ln 1 to ln 4: scores .1 .2 .3 .4. A bias of .5 brings the first expert in."""
    router = biased()
    x = np.log([[1.0, 2.0, 3.0, 4.0]]).astype("float32")
    np.testing.assert_array_equal(to_numpy(router(x)["expert_index"]), [[3, 2]])
    router.selection_bias.assign([0.5, 0.0, 0.0, 0.0])
    routing = router(x)
    np.testing.assert_array_equal(to_numpy(routing["expert_index"]), [[0, 3]])
    np.testing.assert_allclose(to_numpy(routing["weight"]), [[0.2, 0.8]], rtol=1e-6)
    np.testing.assert_allclose(to_numpy(routing["scores"]), [[0.1, 0.2, 0.3, 0.4]], rtol=1e-6)


@pytest.mark.usefixtures("eager_functions")
def test_a_selection_bias_is_not_trained_but_saved(tmp_path):
    router = TopKRouter(k=2, select_on="score_plus_bias", bias_update_rate=0)
    layer = MixtureOfExperts(DenseExperts(4, 3), router=router, name="mixture")
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    bias = np.array([0.5, -0.5, 0.0, 0.0], "float32")
    router.selection_bias.assign(bias)
    assert [w.name for w in router.non_trainable_weights][0] == "router_selection_bias"
    x = draw(16, 4)
    model.fit(x, x[:, :3], verbose=0)
    np.testing.assert_array_equal(to_numpy(router.selection_bias), bias)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert to_numpy(loaded.get_layer("mixture").router.selection_bias)[0] == 0.5


def test_scores_chosen_by_a_bias_may_all_be_0():
    router = biased()
    router.selection_bias.assign([5.0, 5.0, 0.0, 0.0])
    x = np.array([[-300.0, -300.0, 0.0, 0.0]], "float32")
    np.testing.assert_array_equal(to_numpy(router(x)["weight"]), [[0.0, 0.0]])


def test_logits_tell_experts_apart_whose_scores_are_equal():
    x = np.array([[-300.0, -200.0, -250.0, 0.0]], "float32")
    router = TopKRouter(k=3, num_experts=4, select_on="logits")
    router.build((None, 4))
    router.kernel.assign(np.eye(4))
    np.testing.assert_array_equal(to_numpy(router(x)["expert_index"]), [[3, 1, 2]])


def sensible(**spec):
    try:
        TopKRouter(num_experts=12, **spec).check_num_experts()
    except ValueError:
        return False
    return True


def every_spec():
    """All sensible specs, by name; scales and biases are drawn for some."""
    choices = {
        "k": (1, 3),
        "score": SCORES,
        "select_on": SELECT_ON,
        "normalize": (None, True, False, "softmax"),
        "num_groups": (None, 4),
        "group_score": GROUP_SCORES,
    }
    for values in itertools.product(*choices.values()):
        spec = dict(zip(choices, values, strict=True))
        spec["groups_kept"] = None if spec["num_groups"] is None else 2
        if sensible(**spec):
            given = [f"{key} {value}" for key, value in spec.items() if value is not None]
            yield ", ".join(given), spec


SPECS = dict(every_spec())


def random_router(spec, seed=0):
    rng = np.random.default_rng(seed)
    more = {"scale": float(rng.choice([1.0, 2.5]))}
    more |= {name: bool(rng.integers(2)) for name in ("use_bias", "per_expert_scale")}
    router = TopKRouter(num_experts=12, balance_loss=0.0, **spec, **more)
    router.build((None, 5))
    for weight in router.weights:
        weight.assign(rng.normal(size=weight.shape, scale=0.5))
    return router


# Any two values of two arguments meet in one of them; in the default run every seventh of all.
PAIRS = set(all_pairs(SPECS))
SOME = [
    name if n % 7 == 0 else pytest.param(name, marks=pytest.mark.slow)
    for n, name in enumerate(SPECS)
    if n % 7 == 0 or name in PAIRS
]


def test_every_choice_is_among_the_specs():
    """Ways to normalise times ways to group, at k = 1 and 3, times selections."""
    softmax, others, identity = (2 * 2 + 3 * 3) * 3, 2 * (2 * 2 + 4 * 3) * 3, (1 * 2 + 2 * 3) * 2
    assert len(SPECS) == softmax + others + identity
    for key, value in [("score", "sqrt_softplus"), ("normalize", "softmax"), ("num_groups", 4)]:
        assert any(spec[key] == value for spec in SPECS.values())


def as_logits(values, x):
    return x @ values["router_kernel"] + values.get("router_bias", 0.0)


@pytest.mark.parametrize("name", SOME)
def test_values_and_gradients_equal_the_loop(name):
    """Also: the router learns, whatever is chosen, at k = 1 too."""
    router = random_router(SPECS[name], seed=len(name))
    x, upstream = draw(20, 5, seed=1), draw(20, 12, seed=2)
    values = reference.weights_of(router)
    index, weight, is_open = reference.route(router, as_logits(values, x.astype("float64")))
    found = router(x)
    np.testing.assert_array_equal(to_numpy(found["expert_index"]), index)
    assert_close(to_numpy(found["weight"]), weight, "weights")
    assert np.all(to_numpy(found["is_open"]) == 1) and is_open.all()
    again = router.weigh(found["logits"], found["expert_index"], found["is_open"])
    assert_close(to_numpy(again), weight, "weights of experts that were chosen before")
    assert to_numpy(found["scores"]).min() >= 0

    def loss(routing):
        chosen = keras.ops.one_hot(routing["expert_index"], 12)
        by_expert = keras.ops.sum(chosen * routing["weight"][..., None], axis=1)
        return keras.ops.sum(keras.ops.multiply(by_expert, upstream))

    def by_loop(values):
        _, weight, _ = reference.route(
            router, as_logits(values, values["x"]), weights=values
        )  # Small steps choose the same experts.
        return (weight * np.take_along_axis(upstream, index, axis=1)).sum()

    dx, gradients = layer_gradients(router, x, loss)
    gradients = {path.rsplit("/", 1)[-1]: gradient for path, gradient in gradients.items()}
    gradients["x"], values["x"] = dx, x.astype("float64")
    assert "router_selection_bias" not in gradients
    assert np.abs(gradients["router_kernel"]).max() > 1e-3
    rng = np.random.default_rng(3)
    for part, gradient in gradients.items():
        direction = rng.normal(size=gradient.shape)
        up = by_loop(values | {part: values[part] + 1e-6 * direction})
        down = by_loop(values | {part: values[part] - 1e-6 * direction})
        expected = (up - down) / 2e-6
        assert (gradient * direction).sum() == pytest.approx(expected, rel=1e-3, abs=1e-4), part


@pytest.mark.parametrize("score", SCORES)
def test_losses_see_shares_whatever_the_score_is(score):
    """The balance loss by hand: E * sum of f_e P_e, P the mean of each token's shares."""
    router = TopKRouter(k=2, num_experts=12, score=score, balance_loss=1.0)
    router.build((None, 5))
    x, mask = draw(30, 5), np.arange(30) < 20
    values = reference.weights_of(router)
    logits = as_logits(values, x[mask].astype("float64"))
    index, _, _ = reference.route(router, logits)
    scores = {
        "softmax": reference.softmax(logits),
        "sigmoid": reference.sigmoid(logits),
        "sqrt_softplus": np.sqrt(np.log1p(np.exp(logits))),
        "identity": reference.softmax(logits),
    }[score]
    share = (scores / scores.sum(axis=1, keepdims=True)).mean(axis=0)
    load = np.bincount(index.ravel(), minlength=12)
    routing = router(x, mask=keras.ops.convert_to_tensor(mask), training=True)
    found = router.auxiliary_losses(routing, load.astype("float32"), mask)
    weight, value = found["balance_loss"]
    assert weight == 1.0
    assert float(to_numpy(value)) == pytest.approx(12 * (load / 40 * share).sum(), rel=1e-5)


@pytest.mark.parametrize("score", SCORES)
def test_extreme_logits_give_finite_weights_and_gradients(score):
    router = TopKRouter(k=2, num_experts=4, score=score, balance_loss=0.0)
    router.build((None, 4))
    router.kernel.assign(np.eye(4))
    x = np.array([[-300.0] * 4, [300.0] * 4, [-300.0, 300.0, -300.0, 0.0]], "float32")
    assert np.isfinite(to_numpy(router(x)["weight"])).all()
    dx, gradients = layer_gradients(router, x, lambda r: keras.ops.sum(r["weight"][:, 0]))
    assert np.isfinite(dx).all()
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())


NOISY = {"k": 2, "num_experts": 6, "noise": True, "balance_loss": 0.0}


def test_noise_is_there_in_training_only_and_its_size_is_learned():
    router = TopKRouter(**NOISY, seed=1)
    router.build((None, 5))
    kernel = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")
    router.noise_kernel.assign(kernel)
    x = draw(4000, 5)
    quiet = {key: to_numpy(value) for key, value in router(x).items()}
    np.testing.assert_array_equal(quiet["clean_logits"], quiet["logits"])
    np.testing.assert_array_equal(quiet["noise_stddev"], 0)
    loud = {key: to_numpy(value) for key, value in router(x, training=True).items()}
    np.testing.assert_array_equal(loud["clean_logits"], quiet["logits"])
    np.testing.assert_allclose(loud["noise_stddev"], np.log1p(np.exp(x @ kernel)), rtol=1e-4)
    standard = (loud["logits"] - loud["clean_logits"]) / loud["noise_stddev"]
    assert abs(standard.mean()) < 0.02 and abs(standard.std() - 1) < 0.02
    # The choice and the weights are those of the noisy logits.
    index, weight, _ = reference.route(router, loud["logits"].astype("float64"))
    np.testing.assert_array_equal(loud["expert_index"], index)
    assert_close(loud["weight"], weight, "weights")
    assert (loud["expert_index"] != quiet["expert_index"]).any()


def test_noise_is_learned_and_padding_has_no_part_in_it():
    router = TopKRouter(**NOISY)
    router.build((None, 5))
    x, mask = draw(8, 5), np.arange(8) < 6
    x[6:] = np.nan
    np.testing.assert_array_equal(to_numpy(router.noise_kernel), 0)
    call = {"mask": keras.ops.convert_to_tensor(mask), "training": True}
    dx, found = layer_gradients(router, x, lambda r: keras.ops.sum(r["weight"][:, 0]), **call)
    gradients = {path.rsplit("/", 1)[-1]: gradient for path, gradient in found.items()}
    assert np.abs(gradients["router_noise_kernel"]).max() > 1e-4
    assert np.isfinite(gradients["router_noise_kernel"]).all()
    np.testing.assert_array_equal(dx[6:], 0)


def test_what_noise_adds_to_a_routing_is_there_in_functional_models():
    layer = MixtureOfExperts(DenseExperts(6, 3), router=TopKRouter(k=2, noise=True))
    inputs = keras.Input((5,))
    _, routing = layer(inputs, return_routing=True)
    found = keras.Model(inputs, routing).predict(draw(7, 5), verbose=0)
    assert set(found) == set(routing)
    assert found["clean_logits"].shape == found["noise_stddev"].shape == (7, 6)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_by_name(preset):
    """As a name, as a dict, and by `TopKRouter.preset`: the same router."""
    expected = TopKRouter.preset(preset).get_config() | {"name": "", "num_experts": 16}
    for router in (preset, {"type": "top_k", "preset": preset}):
        config = MixtureOfExperts(DenseExperts(16, 3), router=router).router.get_config()
        assert config | {"name": ""} == expected
    assert {name: expected[name] for name in PRESETS[preset]} == PRESETS[preset]


@pytest.mark.parametrize("preset", slow_but_for(["deepseek_v3"], ["deepseek_v3", "gpt_oss"]))
def test_presets_train_save_and_load(preset, tmp_path):
    layer = MixtureOfExperts(DenseExperts(16, 3), router=preset, name="mixture")
    model = keras.Sequential([keras.Input((6,)), layer])
    model.compile("sgd", "mse")
    x = draw(32, 6)
    model.fit(x, x[:, :3], verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.tensorflow  # JAX compiles every step anyway.
@pytest.mark.parametrize(
    "router", slow_but_for(["deepseek_v3"], ["deepseek_v3", {"type": "gpt_oss", "noise": True}])
)
def test_a_jitted_training_step_is_that_of_eager_keras(router):
    """(The noise, which is drawn anew, is none by a noise kernel that is far below 0.)"""

    def train(**how):
        keras.utils.set_random_seed(2)
        layer = MixtureOfExperts(DenseExperts(16, 3), router=router)
        model = keras.Sequential([keras.Input((6,)), layer])
        if layer.router.noise:
            layer.router.noise_kernel.assign(np.full((6, 16), -100.0))
        model.compile(keras.optimizers.SGD(0.1), "mse", **how)
        x = np.abs(draw(32, 6))
        model.fit(x, x[:, :3], batch_size=16, shuffle=False, verbose=0)
        return [to_numpy(weight) for weight in layer.router.weights]

    for found, expected in zip(train(jit_compile=True), train(run_eagerly=True), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_arguments_take_the_place_of_a_presets():
    router = TopKRouter.preset("deepseek_v3", k=2, num_groups=None, name="mine", scale=1.0)
    assert (router.k, router.num_groups, router.groups_kept, router.scale) == (2, None, None, 1.0)
    assert (router.score, router.group_score, router.name) == ("sigmoid", "max", "mine")
    layer = MixtureOfExperts(DenseExperts(16, 3), router="mixtral", k=3)
    assert layer.router.k == 3 and layer.router.normalize is True


REFUSED = {
    "k 1 divided by itself": ({"k": 1, "normalize": True}, ["`normalize`", "no gradient"]),
    "softmax of one": (
        {"k": 1, "score": "sigmoid", "normalize": "softmax"},
        ["`normalize`", "no gradient"],
    ),
    "softmax of a softmax": ({"normalize": "softmax"}, ["`normalize`", "a softmax already"]),
    "sum of logits": ({"score": "identity", "normalize": True}, ["`normalize`", "negative"]),
    "logits as weights": ({"score": "identity", "normalize": False}, ["`normalize`", "negative"]),
    "logits twice": ({"score": "identity", "select_on": "logits"}, ["`select_on`", "Leave it out"]),
    "as many groups as experts": (
        {"num_groups": 4, "groups_kept": 2},
        ["`groups_kept`", "no effect", "k: 2"],
    ),
    "kept without groups": ({"groups_kept": 2}, ["`groups_kept`", "without num_groups"]),
    "scored without groups": ({"group_score": "top2_sum"}, ["`group_score`", "without num_groups"]),
    "groups without kept": ({"num_groups": 4}, ["`num_groups`", "groups_kept"]),
    "all groups kept": (
        {"num_groups": 4, "groups_kept": 4},
        ["`groups_kept`", "4 of num_groups: 4"],
    ),
    "groups that do not divide": (
        {"num_groups": 5, "groups_kept": 1},
        ["`num_groups`", "12 experts", "5 groups"],
    ),
    "too few in the groups": (
        {"k": 5, "num_groups": 6, "groups_kept": 2},
        ["`groups_kept`", "2 groups of 2 experts", "5"],
    ),
    "groups of one": (
        {"num_groups": 12, "groups_kept": 3, "group_score": "top2_sum"},
        ["`num_groups`", "one expert each", "the sum of its best two"],
    ),
    "a smooth load of groups": (
        {"load_loss": 1.0, "noise": True, "num_groups": 4, "groups_kept": 1},
        ["`load_loss`", "groups"],
    ),
    "unknown score": ({"score": "relu"}, ["`score`", "'sqrt_softplus'", "'relu'"]),
    "unknown selection": ({"select_on": "bias"}, ["`select_on`", "'score_plus_bias'", "'bias'"]),
    "1 for True": ({"normalize": 1}, ["`normalize`", "normalize=1"]),
    "scale 0": ({"scale": 0.0}, ["`scale`", "scale=0.0"]),
    "more experts than there are": ({"k": 13}, ["`k`", "13", "12"]),
}


@pytest.mark.parametrize("arguments, said", REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_refused(arguments, said):
    with pytest.raises(ValueError) as error:
        TopKRouter(num_experts=12, **arguments).build((None, 4))
    for part in said:
        assert part in str(error.value)


def test_an_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="no preset 'deepseek_v4'. Did you mean 'deepseek_v"):
        TopKRouter.preset("deepseek_v4")
    with pytest.raises(ValueError, match="Unknown name for a router: 'mixtrl'.*'mixtral'"):
        MixtureOfExperts(DenseExperts(4, 3), router="mixtrl")


def test_params_are_counted():
    """By hand: D = 5, E = 6; kernel, bias, noise kernel, expert scale and selection bias."""
    router = TopKRouter(
        num_experts=6,
        use_bias=True,
        noise=True,
        per_expert_scale=True,
        select_on="score_plus_bias",
        bias_update_rate=0,  # Else the load since the last move is remembered, too.
    )
    router.build((None, 5))
    assert router.matrix_params() == 30 + 6 + 30 + 6 + 6 == router.count_params()
