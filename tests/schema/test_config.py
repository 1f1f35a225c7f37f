"""The whole config: its identity and its YAML."""

import pytest
from pydantic import ValidationError

from sparse_keras.schema import Config, ConfigError, load_config
from sparse_keras.schema.zoo import config_names


@pytest.mark.parametrize("name", config_names())
def test_the_resolved_yaml_loads_as_the_same_config(name, tmp_path):
    config = load_config(name)
    path = tmp_path / "resolved.yaml"
    path.write_text(config.to_yaml())
    again = load_config(path)
    assert again.model_dump() == config.model_dump()
    assert again.hash == config.hash
    assert again.to_yaml() == config.to_yaml()


def test_text_that_looks_like_something_else_survives(tmp_path):
    words = ["true", "1e-3", "007", "0o7", "~", "on", ".inf", "- a: b # c", "", "2020-01-01", "é"]
    for word in words:
        config = Config(version=1, description=word, model={"type": "dense_mlp", "hidden_dim": 1})
        path = tmp_path / "resolved.yaml"
        path.write_text(config.to_yaml(), encoding="utf-8")
        assert load_config(path).description == word


def test_the_hash_is_that_of_the_resolved_values(tmp_path):
    base = load_config("tabular/sparse_mlp_adult")
    default = base.training.seed
    assert len(base.hash) == 64
    assert load_config(base.name, [f"training.seed={default}"]).hash == base.hash
    assert load_config(base.name, [f"training.seed={default + 1}"]).hash != base.hash


def test_a_config_knows_where_it_came_from():
    config = load_config("tabular/sparse_mlp_adult", ["training.epochs=1"])
    assert config.name == config.reference == "tabular/sparse_mlp_adult"
    assert config.overrides == ("training.epochs=1",)
    assert config.training.epochs == 1
    assert config.source_text.startswith("# yaml-language-server: ")
    made = Config(version=1, model={"type": "dense_mlp", "hidden_dim": 8})
    assert (made.name, made.reference, made.overrides) == ("unnamed", None, ())
    assert made.source_text == made.to_yaml()


def test_a_config_does_not_change():
    config = load_config("tabular/sparse_mlp_adult")
    with pytest.raises(ValidationError, match="frozen"):
        config.training.epochs = 3


@pytest.mark.parametrize("override", ["version=true", "version=1.0", "training.jit_compile=1"])
def test_what_python_holds_to_be_equal_is_not(override):
    with pytest.raises(ConfigError, match="expected"):
        load_config("tabular/sparse_mlp", [override])


def test_a_warmup_longer_than_the_training():
    overrides = ["training.epochs=2", "optimizer.schedule={type: cosine, warmup_epochs: 2}"]
    with pytest.raises(ConfigError, match="warmup_epochs: 2 leaves nothing of training.epochs"):
        load_config("tabular/sparse_mlp", overrides)


def test_a_project_that_moves_stays_the_same(tmp_path):
    hashes = set()
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "own.yaml").write_text(
            "version: 1\nextends: tabular/sparse_mlp\ndata: {type: csv, path: own.csv, target: y}\n"
        )
        hashes.add(load_config(tmp_path / name / "own.yaml").hash)
    assert len(hashes) == 1
