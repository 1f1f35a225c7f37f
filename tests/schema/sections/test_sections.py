"""The sections: strict, immutable, described, and equal to the Keras objects they stand for."""

import keras
import pytest
from pydantic import ValidationError

from sparse_keras import layers
from sparse_keras._internal.token_choice import PRESETS
from sparse_keras.callbacks import ExpertLoad
from sparse_keras.schema.config import Config
from sparse_keras.schema.core.section import Section
from sparse_keras.schema.sections import (
    experts,
    optimizers,
    routers,
    training,
)
from sparse_keras.schema.sections.tabular import (
    datasets,
    models,
)


def subclasses(section):
    for subclass in section.__subclasses__():
        yield subclass
        yield from subclasses(subclass)


# Each once; other tests may have registered sections of plug-ins.
SECTIONS = [
    section
    for section in dict.fromkeys(subclasses(Section))
    if section.__module__.startswith("sparse_keras.")
]
# The keys without a default, for sections that have such.
REQUIRED = {
    "DenseExperts": {"num_experts": 4, "units": 8},
    "TiedExperts": {"num_experts": 4, "units": 8},
    "MLPExperts": {"num_experts": 4, "hidden_dim": 8},
    "LowRankExperts": {"num_experts": 4, "rank": 3},
    "GLUExperts": {"num_experts": 4, "hidden_dim": 8},
}


def example(section):
    return section(**REQUIRED.get(section.__name__, {}))


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_section_is_strict_immutable_and_described(section):
    config = section.model_config
    assert config["extra"] == "forbid" and config["frozen"] and config["strict"]
    assert config["allow_inf_nan"] is False
    assert all(field.description for field in section.model_fields.values())


@pytest.mark.parametrize(
    "section",
    [*experts.EXPERTS.sections.values(), *routers.ROUTERS.sections.values()],
    ids=lambda section: section.__name__,
)
def test_experts_and_routers_are_the_layers_arguments(section):
    kwargs = example(section).kwargs()
    config = getattr(layers, section.__name__)(**kwargs).get_config()
    initializer = kwargs.pop("kernel_initializer", None)
    assert {key: config[key] for key in kwargs} == kwargs
    if initializer:
        assert keras.initializers.get(initializer).__class__.__name__ in str(
            config["kernel_initializer"]
        )


@pytest.mark.parametrize(
    "section",
    list(optimizers.OPTIMIZERS.sections.values()),
    ids=lambda section: section.__name__,
)
def test_optimizer_defaults_are_those_of_keras(section):
    keras_class = getattr(keras.optimizers, section.__name__)
    kwargs = section().kwargs()
    assert (kwargs.pop("schedule"), kwargs.pop("fused")) == (None, False)
    ours, default = keras_class(**kwargs).get_config(), keras_class().get_config()
    assert {"learning_rate", "clipnorm"} <= set(kwargs)
    del default["name"]  # numbered by Keras
    for key, value in default.items():
        assert ours[key] == (pytest.approx(value) if isinstance(value, float) else value)


def test_expert_load_is_the_callbacks_arguments_and_defaults():
    assert training.ExpertLoad().kwargs() == {
        key: value for key, value in ExpertLoad().get_config().items() if key != "log_dir"
    }  # That is `train --tensorboard`.
    silent = training.ExpertLoad(warn=False, per_layer=True).kwargs()
    assert silent == {"per_layer": True, "per_expert": False, "warn": False}


def test_allowed_activations_are_elementwise_keras_functions():
    for name in experts.Activation.__args__:
        function = keras.activations.get(name)
        assert function.__name__ == name
        one_by_one = [float(function(keras.ops.array([[x]]))[0, 0]) for x in (-1.5, 0.5)]
        together = keras.ops.convert_to_numpy(function(keras.ops.array([[-1.5, 0.5]])))[0]
        assert together.tolist() == pytest.approx(one_by_one)


def test_allowed_initializers_are_keras_names():
    for name in experts.Initializer.__args__:
        assert keras.ops.shape(keras.initializers.get(name)((3, 4))) == (3, 4)


def test_kwargs_leave_out_the_type_but_keep_it_in_nested_sections():
    model = models.SparseMLP(
        experts=experts.DenseExperts(num_experts=4, units=8), feature_gate=models.FeatureGate()
    )
    kwargs = model.kwargs()
    assert "type" not in kwargs
    assert kwargs["experts"]["type"] == "dense" and kwargs["router"]["type"] == "top_k"
    assert kwargs["feature_gate"] == {"gate": "hard_concrete", "threshold": 0.5, "penalty": 0.01}


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: routers.TopKRouter(k=1, normalize=True), "normalize: true with k: 1"),
        (
            lambda: routers.TopKRouter(normalize="softmax"),
            "normalize: softmax of scores that are a softmax already",
        ),
        (lambda: routers.TopKRouter(groups_kept=2), "groups_kept: has no effect: num_groups is"),
        (lambda: routers.TopKRouter(num_groups=2), "num_groups: needs groups_kept"),
        (lambda: routers.TopKRouter(load_loss=0.1), "load_loss: needs noise"),
        (lambda: routers.CosineRouter(k=1, normalize=True), "normalize: true with k: 1"),
        (
            lambda: models.SparseMLP(
                experts=experts.DenseExperts(num_experts=8, units=8),
                router=routers.CosineRouter(preset="deepseek_v3"),
            ),
            "router.num_groups: 8 groups of 8 experts have one expert each",
        ),
        (
            lambda: routers.TopKRouter(bias_update_rate=0.01),
            "bias_update_rate: has no effect: select_on is not score_plus_bias",
        ),
        (
            lambda: routers.TopKRouter(use_bias=True, trainable=False),
            "use_bias: has no effect: trainable is false",
        ),
        (
            lambda: routers.TopKRouter(select_on="score_plus_bias", trainable=False),
            "select_on: has no effect: trainable is false, so that the bias stays 0",
        ),
        (
            lambda: routers.TopKRouter(select_on="score_plus_bias", bias_update_rate=0.0),
            "bias_update_rate",
        ),
        (
            lambda: models.SparseMLP(
                experts=experts.DenseExperts(num_experts=8, units=8),
                router=routers.TopKRouter(preset="deepseek_v3"),
            ),
            "router.num_groups: 8 groups of 8 experts have one expert each",
        ),
        (
            lambda: routers.SinkhornRouter(k=1, normalize=False),
            "normalize: has no effect: k is 1",
        ),
        (
            lambda: routers.HierarchicalRouter(num_groups=1),
            "num_groups: 1 leaves the gate of groups",
        ),
        (
            lambda: routers.HierarchicalRouter(k=3, groups_kept=2),
            "groups_kept: 2 does not divide k",
        ),
        (
            lambda: routers.HierarchicalRouter(normalize=True),
            "normalize: true divides the score of a group that is chosen alone",
        ),
        (
            lambda: models.SparseMLP(
                experts=experts.DenseExperts(num_experts=10, units=8),
                router=routers.HierarchicalRouter(num_groups=4),
            ),
            "router.num_groups: 10 experts cannot be put into 4 groups of one size",
        ),
        (
            lambda: models.DCNMix(
                experts=experts.LowRankExperts(num_experts=4, rank=2),
                router=routers.HierarchicalRouter(k=3),
            ),
            "router.k: 3 of 1 group are 3 of each, which has 2 experts",
        ),
        (lambda: routers.ReLURouter(k=3, max_experts=2), "max_experts: 2 is less than k"),
        (lambda: optimizers.SGD(nesterov=True), "nesterov: has no effect: momentum is 0"),
        (lambda: datasets.Adult(bins="none", max_bins=4), "max_bins: has no effect: bins is none"),
        (
            lambda: datasets.Adult(validation_fraction=0, split_seed=3),
            "split_seed: has no effect: validation_fraction is 0",
        ),
        (
            lambda: models.SparseMLP(
                experts=experts.DenseExperts(num_experts=2, units=8),
                router=routers.ThresholdRouter(max_experts=3),
            ),
            "router.max_experts: 3 is more than model.experts.num_experts, which is 2",
        ),
        (
            lambda: experts.GLUExperts(num_experts=2, hidden_dim=8, activation="gelu", alpha=1.7),
            "alpha: is the slope of silu, but activation is gelu",
        ),
        (
            lambda: models.SparseMLP(
                experts=experts.DenseExperts(num_experts=2, units=8), segments=2
            ),
            "segments: experts of type dense have no hidden_dim",
        ),
        (
            lambda: models.SparseMLP(
                experts=experts.MLPExperts(num_experts=2, hidden_dim=8), segments=3
            ),
            "segments: does not divide experts.hidden_dim, which is 8",
        ),
        (
            lambda: models.SparseMLP(
                experts=experts.MLPExperts(num_experts=2, hidden_dim=8),
                router=routers.ReLURouter(),
                segments=2,
            ),
            "segments: needs a router with exactly k experts per row (top_k, cosine, ",
        ),
        (
            lambda: models.SparseMLP(
                experts=experts.MLPExperts(num_experts=8, hidden_dim=8),
                router=routers.TopKRouter(k=3, num_groups=8, groups_kept=2),
                segments=2,
            ),
            "router.groups_kept: 2 groups of 2 experts have fewer than the k experts",
        ),
        (
            lambda: models.SparseMLP(
                experts=experts.MLPExperts(num_experts=2, hidden_dim=8), share_experts=True
            ),
            "share_experts: has no effect: depth is 1",
        ),
        (
            lambda: Config(
                version=1,
                data=datasets.Adult(validation_fraction=0),
                model=models.DenseMLP(hidden_dim=8),
                training=training.TrainingConfig(early_stopping=training.EarlyStopping()),
            ),
            "'val_loss' needs validation rows, but data.validation_fraction is 0",
        ),
        (
            lambda: Config(
                version=1,
                model=models.DenseMLP(hidden_dim=8),
                training=training.TrainingConfig(expert_load=training.ExpertLoad()),
            ),
            "training.expert_load: a model of type dense_mlp has no experts",
        ),
        (
            lambda: training.ExpertLoad(warn=False, collapse_above=0.5, dropped_above=0.5),
            "collapse_above: has no effect: warn is false; dropped_above: has no effect",
        ),
    ],
)
def test_rules_between_keys(make, message):
    with pytest.raises(ValidationError) as caught:
        make()
    assert message in str(caught.value)


def test_a_key_without_effect_is_left_out_of_the_resolved_values():
    assert "max_bins" not in datasets.Adult(bins="none").model_dump()
    assert "nesterov" not in optimizers.SGD().kwargs()
    assert optimizers.SGD(momentum=0.9, nesterov=True).kwargs()["nesterov"] is True


def test_groups_are_of_the_experts_after_the_split():
    model = models.SparseMLP(
        experts=experts.MLPExperts(num_experts=4, hidden_dim=8),
        router=routers.TopKRouter(k=2, num_groups=4, groups_kept=2),
        segments=4,
    )  # Four groups of one expert have no choice inside, and two for k: 2 would leave none out.
    assert model.router.num_groups == 4


def test_a_frozen_preset_leaves_out_what_would_never_change():
    frozen = routers.TopKRouter(preset="deepseek_v3", trainable=False)
    assert frozen.select_on == "score" and frozen.score == "sigmoid" and frozen.num_groups == 8


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_the_config_with_its_values(preset):
    config = routers.TopKRouter(preset=preset)
    assert config.kwargs() == routers.TopKRouter(**PRESETS[preset]).kwargs()
    assert "preset" not in config.model_dump()
    router = layers.TopKRouter.preset(preset).get_config()
    assert {key: router[key] for key in config.kwargs()} == config.kwargs()


def test_keys_take_the_place_of_a_presets():
    config = routers.TopKRouter(preset="deepseek_v3", k=2, num_groups=None)
    assert (config.k, config.score, config.scale) == (2, "sigmoid", 2.5)
    assert config.kwargs()["num_groups"] is None and "groups_kept" not in config.kwargs()


@pytest.mark.parametrize("preset", PRESETS)
def test_the_router_of_a_preset_can_be_frozen(preset):
    assert not routers.TopKRouter(preset=preset, trainable=False).trainable
