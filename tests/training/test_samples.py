"""`training.samples`: a training is the same with them, and resumes."""

import keras
import numpy as np
import pytest

import sparse_keras
from sparse_keras.models import TextGenerator
from sparse_keras.schema import ConfigError
from sparse_keras.training.train import Interrupted
from tests.plugins import verses

SAMPLES = "training.samples={prompts: ['', 'to be 存'], max_new_tokens: 5}"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPARSE_KERAS_HOME", str(tmp_path / "cache"))
    (tmp_path / "verses.yaml").write_text(verses.CONFIG, encoding="utf-8")
    return tmp_path


class Shown(keras.callbacks.Callback):
    """Gets the texts; presses Ctrl-C when an epoch begins."""

    def __init__(self, interrupt_at=None):
        super().__init__()
        self.interrupt_at, self.epochs = interrupt_at, []

    def show_samples(self, epoch, samples):
        self.epochs.append(epoch)

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.interrupt_at:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_the_training_is_the_same(folder, capsys):
    with_samples = sparse_keras.load_config("verses.yaml", [SAMPLES])
    without = sparse_keras.train(sparse_keras.load_config("verses.yaml"), verbose=0)
    assert not (without.path / "samples.jsonl").exists()
    with pytest.raises(Interrupted) as interrupted:
        sparse_keras.train(with_samples, callbacks=[Shown(interrupt_at=1)], verbose=0)
    shown, path = Shown(), interrupted.value.folder
    run = sparse_keras.train(with_samples, callbacks=[shown], resume=path, verbose=0)
    assert shown.epochs == [2] and capsys.readouterr().out == ""
    assert len((path / "samples.jsonl").read_text("utf-8").split("\n")) == 5
    for one, other in zip(run.model.get_weights(), without.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    loaded = sparse_keras.load_model(path)
    assert type(run.model) is type(loaded) is TextGenerator
    options = {"max_new_tokens": 8, "temperature": 1.0, "seed": 1}
    assert loaded.generate("存", **options) == run.model.generate("存", **options)


def test_prompts_that_do_not_fit(folder):
    config = sparse_keras.load_config(
        "verses.yaml", [f"training.samples={{prompts: [{'x' * 50}]}}"]
    )
    with pytest.raises(ValueError, match=r"training.samples: .*context of the model is 32 tokens"):
        sparse_keras.train(config, verbose=0)
    assert not (folder / "runs").exists()


@pytest.mark.parametrize(
    "config, override, words",
    [
        ("verses.yaml", "{prompts: []}", "training.samples.prompts"),
        ("verses.yaml", "{temperature: 0, top_k: 3}", "top_k.*temperature is 0"),
        ("tabular/sparse_mlp_adult", "{}", "type sparse_mlp writes no texts"),
    ],
)
def test_configs(config, override, words):
    with pytest.raises(ConfigError, match=words):
        sparse_keras.load_config(config, [f"training.samples={override}"])


def test_the_identity_of_configs_without():
    config = sparse_keras.load_config("verses.yaml")
    assert "samples" not in config.values()["training"]
