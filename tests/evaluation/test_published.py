import json

import pytest

import sparse_keras
from sparse_keras.evaluation import published

CONFIG = "tabular/sparse_mlp_adult"


def test_publishing_and_reading(tmp_path, monkeypatch):
    content = published.published_result(CONFIG)
    assert content["config"] == CONFIG and published.published_result("tabular/none") is None
    monkeypatch.setattr(published, "shipped_folder", lambda name: tmp_path / name)
    comparison = sparse_keras.Comparison(content)
    file = published.publish(comparison)
    assert file == tmp_path / "results" / f"{CONFIG}.json"
    assert published.published_result(CONFIG) == content
    file = published.publish(comparison, ablation=True)
    assert file == tmp_path / "results" / "ablations" / f"{CONFIG}.json"
    assert json.loads(file.read_text(encoding="utf-8")) == content


def test_only_shipped_configs_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(published, "shipped_folder", lambda name: tmp_path / name)
    published.check_publishable(sparse_keras.load_config(CONFIG))
    changed = sparse_keras.load_config(CONFIG, ["training.epochs=1"])
    with pytest.raises(ValueError, match="without --set"):
        published.check_publishable(changed)
    (tmp_path / "own.yaml").write_text(f"version: 1\nextends: {CONFIG}\n")
    with pytest.raises(ValueError, match="name of a shipped config"):
        published.check_publishable(sparse_keras.load_config(tmp_path / "own.yaml"))
    content = {"config": CONFIG, "config_values": changed.values(), "models": {}}
    other = sparse_keras.Comparison(content)
    with pytest.raises(ValueError, match="other values"):
        published.publish(other)
    assert not (tmp_path / "results").exists()


def test_results_stay_those_of_a_config_that_got_new_keys():
    config = sparse_keras.load_config(CONFIG)
    then = config.values()
    assert published.is_of({"config_values": then}, config)
    del then["model"]["router"]["z_loss"]  # A key that came later, left at its default.
    assert published.is_of({"config_values": then}, config)
    given = sparse_keras.load_config(CONFIG, ["model.router.z_loss=0.1"])
    assert not published.is_of({"config_values": then}, given)
    del then["training"]["epochs"]  # One that the config gives.
    assert not published.is_of({"config_values": then}, config)


def test_results_are_not_those_of_other_values():
    config = sparse_keras.load_config(CONFIG)
    for override in ("training.seed=1", "model.experts.num_experts=4", "model.router={type: relu}"):
        changed = sparse_keras.load_config(CONFIG, [override])
        assert not published.is_of({"config_values": changed.values()}, config), override
    gone = config.values() | {"former": 1}
    assert not published.is_of({"config_values": gone}, config)
