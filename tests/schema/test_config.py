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


def test_the_hash_of_a_published_config_stays():
    """That of results and runs from before `training.steps` and `checkpoint_every` were added."""
    config = load_config("tabular/sparse_mlp_adult")
    assert config.hash.startswith("44187e4a648f")
    explicit = load_config(config.name, ["training.steps=null", "training.checkpoint_every=null"])
    assert explicit.hash == config.hash
    other = load_config(config.name, ["training.checkpoint_every={steps: 10}"])
    assert other.hash != config.hash and other.values()["training"]["checkpoint_every"]
    assert config.model_dump()["training"]["steps"] is None  # The resolved config has all keys.


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


@pytest.mark.parametrize(
    "data",
    [
        "{type: csv, path: own.csv, target: y}",
        "{type: sparse_npz, path: own.npz, targets: labels.csv, target: y}",
    ],
)
def test_a_project_that_moves_stays_the_same(data, tmp_path):
    hashes = set()
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        path = tmp_path / name / "own.yaml"
        path.write_text(f"version: 1\nextends: tabular/sparse_mlp\ndata: {data}\n")
        config = load_config(path)
        hashes.add(config.hash)
        assert config.model_dump()["data"]["path"].startswith(str(tmp_path))
    assert len(hashes) == 1


@pytest.mark.parametrize(
    "overrides, path, message",
    [
        (
            ["training.epochs=2", "optimizer.schedule={type: cosine, warmup_epochs: 2}"],
            "optimizer.schedule.warmup_epochs",
            "2 leaves nothing of training.epochs, which is 2",
        ),
        (
            ["data.bins=none", "model.numeric_embedding={type: piecewise_linear}"],
            "model.numeric_embedding",
            "piecewise_linear needs bins, but data.bins is none",
        ),
        (
            ["model.ensemble=2", "training.loss={type: focal}"],
            "training.loss",
            "focal cannot train the models of model.ensemble",
        ),
        (
            ["model.ensemble=2", "data={type: csv, path: x.csv, target: y, weight: w}"],
            "data.weight",
            "row weights are not supported with model.ensemble",
        ),
        (
            ["training.expert_load={}", "model={type: dense_mlp, hidden_dim: 8}"],
            "training.expert_load",
            "a model of type dense_mlp has no experts",
        ),
        (
            ["data.validation_fraction=0", "training.early_stopping={}"],
            "training.early_stopping.monitor",
            "'val_loss' needs validation rows, but data.validation_fraction is 0",
        ),
    ],
)
def test_rules_between_sections(overrides, path, message):
    with pytest.raises(ConfigError) as caught:
        load_config("tabular/sparse_mlp_adult", overrides)
    assert [problem.path for problem in caught.value.problems] == [path]
    assert message in caught.value.problems[0].message


@pytest.mark.parametrize(
    "key, value", [("separator", "é"), ("separator", "'\"'"), ("decimal", "٫"), ("decimal", "','")]
)
def test_characters_that_a_csv_file_cannot_have(tmp_path, key, value):
    path = tmp_path / "own.yaml"
    path.write_text(
        "version: 1\nextends: tabular/sparse_mlp\n"
        f"data: {{type: csv, path: own.csv, target: y, {key}: {value}}}\n"
    )
    with pytest.raises(ConfigError, match=rf"own.yaml:3:.*data.{key}") as caught:
        load_config(path)
    assert [problem.path for problem in caught.value.problems] == [f"data.{key}"]


def test_a_config_that_breaks_rules_of_two_sections_names_both():
    overrides = ["data.validation_fraction=0", "data.bins=none"]
    overrides += ["training.early_stopping={}", "model.numeric_embedding={type: piecewise_linear}"]
    with pytest.raises(ConfigError) as caught:
        load_config("tabular/sparse_mlp_adult", overrides)
    assert len(caught.value.problems) == 2


def test_paths_of_data_files_relative_to_a_folder(tmp_path):
    """So that both may move together; the identity of the config stays."""
    project = tmp_path / "project"
    (project / "runs" / "one").mkdir(parents=True)
    (project / "own.yaml").write_text(
        "version: 1\nextends: tabular/sparse_mlp\n"
        "data: {type: csv, path: data/own.csv, target: y}\n"
    )
    config = load_config(project / "own.yaml")
    assert config.files() == {"data.path": f"{project}/data/own.csv"}
    run = project / "runs" / "one"
    (run / "resolved.yaml").write_text(config.to_yaml(run))
    assert "path: ../../data/own.csv" in (run / "resolved.yaml").read_text()
    moved = project.rename(tmp_path / "moved")
    again = load_config(moved / "runs" / "one" / "resolved.yaml")
    assert again.files() == {"data.path": f"{moved}/data/own.csv"}
    assert again.hash == config.hash
    # Without a folder in common, a relative path would say nothing.
    assert f" {project}/data/own.csv\n" in config.to_yaml("/somewhere/else")
