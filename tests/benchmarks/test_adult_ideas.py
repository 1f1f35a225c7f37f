"""The ideas on Adult: each contender is a config of its own, and the first the shipped one."""

from benchmarks.adult_ideas import CONFIG, contenders
from sparse_keras.schema import load_config


def test_each_idea_is_a_config_of_its_own():
    config = load_config(CONFIG)
    made = {contender.name: contender.make(config, None, None) for contender in contenders()}
    assert made["moe"].hash == config.hash
    assert len({one.hash for one in made.values()}) == len(made) == 7
    assert made["tree_bins"].model == load_config("tabular/sparse_mlp_adult").model
    assert made["no_bins"].data.bins == "none"
