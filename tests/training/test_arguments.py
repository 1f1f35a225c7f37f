"""What people pass instead of a config or a data set is answered with a sentence."""

import re
from pathlib import Path

import pytest

import sparse_keras

CONFIG = "tabular/sparse_mlp_breast_cancer"


@pytest.mark.parametrize("name", ["train", "build_model", "load_data", "dense_twin"])
@pytest.mark.parametrize(
    "received, advice",
    [
        (CONFIG, f"load_config('{CONFIG}') reads it if it is a config's name or path."),
        (Path("mine.yaml"), "load_config('mine.yaml') reads it"),
        ("runs/x/model.keras", "load_model('runs/x/model.keras') loads a model."),
        ({"version": 1}, "`schema.Config(**values)` makes a config from values."),
        (None, "`load_config(name_or_path)` returns one."),
    ],
)
def test_something_else_than_a_config(name, received, advice):
    message = f"Expected a sparse_keras.schema.Config. Received: {received!r}. {advice}"
    with pytest.raises(ValueError, match=re.escape(message)):
        getattr(sparse_keras, name)(received)


@pytest.mark.parametrize("name", ["train", "build_model"])
def test_something_else_than_data(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = sparse_keras.load_config(CONFIG)
    function = getattr(sparse_keras, name)
    with pytest.raises(ValueError, match=r"as `load_data\(config\)` returns it. Received: 'runs'"):
        function(config, "runs")
    with pytest.raises(ValueError, match="is another argument: output='runs'"):
        function(config, Path("runs"))
    with pytest.raises(ValueError, match=r"Received: \[1, 2\], without name, train, "):
        function(config, [1, 2])
    assert not list(tmp_path.iterdir())


def test_values_make_a_config_as_the_message_says():
    values = sparse_keras.load_config(CONFIG).model_dump(mode="json", exclude_unset=True)
    assert sparse_keras.schema.Config(**values).hash == sparse_keras.load_config(CONFIG).hash
