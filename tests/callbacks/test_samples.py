"""Texts that a language model writes while it is trained."""

import json

import keras
import numpy as np
import pytest

from sparse_keras.callbacks import Samples
from tests.models.text.text_generators import make_random

pytestmark = pytest.mark.usefixtures("eager_module")

TEXTS = ["to be", "or not to be"] * 4
OPTIONS = {"prompts": ["", "to be"], "max_new_tokens": 6, "temperature": 1.0}


def trained(callbacks, epochs=2, initial_epoch=0, verbose=0):
    keras.utils.set_random_seed(0)
    model = make_random(dropout=0.2)
    model.compile("sgd", **model.task.compile_arguments())
    model.fit(
        TEXTS, epochs=epochs, initial_epoch=initial_epoch, callbacks=callbacks, verbose=verbose
    )
    return model


def rows(file):
    return [json.loads(line) for line in file.read_text("utf-8").split("\n")[:-1]]


def test_texts_of_each_epoch(tmp_path, capsys):
    """In a file, printed, and of another model in each epoch; the weights are those without."""
    file, shown = tmp_path / "samples.jsonl", []
    model = trained([Samples(**OPTIONS, file=file, show=lambda *args: shown.append(args))])
    found = rows(file)
    assert [(row["epoch"], row["prompt"]) for row in found] == [
        *[(1, ""), (1, "to be")],
        *[(2, ""), (2, "to be")],
    ]
    texts = [row["text"] for row in found]
    options = OPTIONS | {"prompts": OPTIONS["prompts"], "seed": 0}
    assert texts[2:] == model.generate(**options) != texts[:2]
    assert shown == [
        (n, list(zip(["", "to be"], texts[2 * n - 2 : 2 * n], strict=True))) for n in (1, 2)
    ]
    assert capsys.readouterr().out == ""
    for one, other in zip(model.get_weights(), trained([]).get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    # An epoch that is done again.
    trained([Samples(["to"], 1, file=file)], initial_epoch=1)
    assert [(row["epoch"], row["prompt"]) for row in rows(file)] == [
        (1, ""),
        (1, "to be"),
        (2, "to"),
    ]


def test_printed_between_the_progress_of_epochs(capsys, monkeypatch):
    monkeypatch.setattr("sparse_keras.models.TextGenerator.generate", lambda *_, **__: ["a\x1bb\n"])
    trained([Samples(["x"])], verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "Epoch" in line or "after" in line or "b" in line[:9]] == [
        *["Epoch 1/2", "epoch 1, after 'x':", "a\\x1bb"],
        *["Epoch 2/2", "epoch 2, after 'x':", "a\\x1bb"],
    ]


def test_errors():
    samples = Samples(["a" * 100])
    with pytest.raises(ValueError, match="context of the model is 64 tokens"):
        trained([samples])
    model = keras.Sequential([keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="models.TextGenerator. Received: a Sequential"):
        samples.check(model)


def test_config():
    samples = Samples(**OPTIONS, top_k=3, top_p=0.5, seed=2, file="samples.jsonl")
    again = Samples.from_config(json.loads(json.dumps(samples.get_config())))
    assert again.get_config() == samples.get_config()
    assert again.top_k == 3 and again.prompts == ["", "to be"]
