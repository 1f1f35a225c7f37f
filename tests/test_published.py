import json

import pytest

import sparse_keras
from sparse_keras import published

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
    other = sparse_keras.Comparison({"config": CONFIG, "config_hash": changed.hash, "models": {}})
    with pytest.raises(ValueError, match="other values"):
        published.publish(other)
    assert not (tmp_path / "results").exists()
