"""A language model from a config: trained by steps, killed, resumed, loaded; other precisions."""

import json
import shutil

import keras
import numpy as np
import pytest

import sparse_keras
from sparse_keras.data import LanguagePreprocessor, Tokenizer
from sparse_keras.models import TextGenerator
from sparse_keras.optimizers.from_config import optimizer_of
from sparse_keras.schema.sections.optimizers import SGD
from sparse_keras.training.building import build_network, compile_model
from tests.models.text.checkpoints.test_save import GLU, K2, make

CONFIG = """
version: 1
data: {type: text_files, path: texts.txt, documents: line, vocabulary_size: 280, context_length: 12}
model:
  type: causal_lm
  depth: 1
  width: 8
  num_heads: 2
  dropout: 0.1
  experts: {type: glu, num_experts: 4, hidden_dim: 8}
  router: {type: top_k, k: 2, balance_loss: 0.01}
optimizer:
  type: adamw
  global_clipnorm: 1.0
  schedule: {type: cosine, warmup_steps: 2}
training:
  {epochs: null, steps: 11, steps_per_epoch: 4, batch_size: 4, checkpoint_every: {steps: 2}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("language")
    lines = [f"line {n} says {'to be ' * (n % 3)}那西北" for n in range(150)]
    (folder / "texts.txt").write_text("\n".join(lines))
    (folder / "lm.yaml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSE_KERAS_HOME", str(folder / "home"))
        yield folder


class Kill(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 2 and self.model.optimizer.iterations > 4:
            raise RuntimeError("killed")


@pytest.mark.slow
@pytest.mark.usefixtures("eager_functions")
def test_a_killed_training_ends_with_the_same_weights(folder):
    config = sparse_keras.load_config(folder / "lm.yaml")
    run = sparse_keras.train(config, output=folder / "whole", verbose=0)
    assert len(run.history["loss"]) == 3
    assert set(run.metrics) >= {"loss", "perplexity", "bits_per_byte"}
    assert run.metrics["perplexity"] == pytest.approx(np.exp(run.metrics["loss"]), rel=1e-4)
    with pytest.raises(RuntimeError, match="killed"):
        sparse_keras.train(config, output=folder / "broken", callbacks=[Kill()], verbose=0)
    (broken,) = (folder / "broken" / "lm").iterdir()
    resumed = sparse_keras.train(config, resume=broken, verbose=0)
    assert resumed.history == run.history
    for one, other in zip(run.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)

    loaded = sparse_keras.load_model(run.path)
    text = "line 3 says to be"
    np.testing.assert_array_equal(loaded.predict([text], verbose=0), run.model.predict([text]))
    scored = loaded.evaluate([text, "那"], return_dict=True, verbose=0)
    alone = [loaded.evaluate([one], return_dict=True, verbose=0) for one in (text, "那")]
    tokens = [len(loaded.preprocessor.prompt(one)) for one in (text, "那")]
    expected = np.average([one["loss"] for one in alone], weights=tokens)
    assert scored["loss"] == pytest.approx(expected, rel=1e-5)  # Padding does not count.


@pytest.mark.usefixtures("eager_functions")
def test_bfloat16(folder):
    config = sparse_keras.load_config(
        folder / "lm.yaml", ["training.precision=mixed_bfloat16", "training.steps=6"]
    )
    run = sparse_keras.train(config, output=folder / "bfloat16", verbose=0)
    assert run.model.core.blocks[0].compute_dtype == "bfloat16"
    assert {variable.dtype for variable in run.model.trainable_variables} == {"float32"}
    assert run.model.predict(["to be"], verbose=0).dtype == "float32"
    losses = run.history["loss"]
    assert np.isfinite(losses).all()
    loaded = sparse_keras.load_model(run.path)
    for one, other in zip(run.model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_accumulated_gradients_are_those_of_a_larger_batch():
    rng = np.random.default_rng()
    x, y = rng.normal(size=(24, 3)).astype("float32"), rng.normal(size=(24, 1)).astype("float32")
    weights = []
    for steps, size in ((None, 8), (2, 4)):
        section = SGD(gradient_accumulation_steps=steps, learning_rate=0.1)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, "linear")])
        model.layers[0].kernel.assign(np.ones((3, 1)))
        model.compile(optimizer_of(section, 6, 6), "mse", run_eagerly=True)
        model.fit(x, y, batch_size=size, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
        assert (one != 1.0).all()


def test_a_dense_twin_of_equal_cost(folder):
    config = sparse_keras.load_config(folder / "lm.yaml")
    data = sparse_keras.load_data(config)
    costs = {
        "active_flops": sparse_keras.models.flops_per_example,
        "total_params": sparse_keras.models.total_params,
    }
    for equal, cost in costs.items():
        twin = sparse_keras.dense_twin(config, data, equal)
        assert cost(build_network(twin, data)) == pytest.approx(
            cost(build_network(config, data)), rel=0.03
        )
    assert twin.model.experts is None
    assert json.loads(json.dumps(twin.values()))["model"]["gated"] is True


def test_the_schedule_ends_with_the_last_step(folder):
    config = sparse_keras.load_config(folder / "lm.yaml")
    data = sparse_keras.load_data(config)
    model = build_network(config, data)
    compile_model(model, config, data)
    rates = [float(model.optimizer._learning_rate(step)) for step in (0, 2, 11)]
    np.testing.assert_allclose(rates, [0.0, 1e-3, 0.0], atol=1e-9)


CHECKPOINT = """
version: 1
data:
  type: text_files
  path: texts.txt
  documents: line
  tokenizer: tokenizer.json
  context_length: 12
model: {type: causal_lm, checkpoint: published}
optimizer: {type: adamw, learning_rate: 1e-3}
training: {epochs: null, steps: 3, batch_size: 4}
"""


@pytest.fixture
def published(folder):
    """A published model and its tokenizer beside a config that trains it further."""
    tokenizer = Tokenizer.train(["line says to be"] * 9, 280)
    model = make_published({"vocabulary_size": tokenizer.vocabulary_size, "context_length": 20})
    preprocessor = LanguagePreprocessor(tokenizer, 20)
    shutil.rmtree(folder / "published", ignore_errors=True)
    sparse_keras.save_pretrained(TextGenerator(model, preprocessor), folder / "published")
    shutil.copy(folder / "published" / "tokenizer.json", folder)
    (folder / "checkpoint.yaml").write_text(CHECKPOINT)
    return model


def make_published(options):
    return make(GLU | K2 | {"depth": 1} | options)


@pytest.mark.usefixtures("eager_functions")
def test_a_published_model_is_trained_further(folder, published, tmp_path):
    config = sparse_keras.load_config(folder / "checkpoint.yaml")
    assert config.model.kwargs() == {"checkpoint": str(folder / "published")}
    data = sparse_keras.load_data(config)
    untrained = sparse_keras.build_model(config, data)
    weights = published.trainable_weights, untrained.trainable_weights
    for first, second in zip(*weights, strict=True):
        np.testing.assert_array_equal(first, second)
    run = sparse_keras.train(config, data, output=tmp_path, verbose=0)
    loss = untrained.evaluate(data.test, verbose=0, return_dict=True)["loss"]
    assert run.metrics["loss"] < loss
    model = sparse_keras.load_model(run.path)
    assert isinstance(model.generate("line", max_new_tokens=2), str)
    assert sparse_keras.save_pretrained(model, tmp_path / "tuned") == "mixtral"


@pytest.mark.parametrize(
    "override, words",
    [
        ("model.depth=2", "depth.*has no effect: the checkpoint says it"),
        ("model.router={type: top_k}", "router.*has no effect: the checkpoint says it"),
        ("data.tokenizer=null", "model.checkpoint.*needs data.tokenizer"),
    ],
)
def test_what_contradicts_a_checkpoint(folder, published, override, words):
    with pytest.raises(ValueError, match=words):
        sparse_keras.load_config(folder / "checkpoint.yaml", [override])


def test_texts_that_do_not_fit_a_checkpoint(folder, published):
    config = sparse_keras.load_config(folder / "checkpoint.yaml", ["data.context_length=30"])
    with pytest.raises(ValueError, match="20 tokens. Received: examples of 30.*at most 20"):
        sparse_keras.build_model(config)
    config = sparse_keras.load_config(folder / "checkpoint.yaml", ["model.checkpoint=smaller"])
    with pytest.raises(ValueError, match="smaller"):
        sparse_keras.build_model(config)
    sparse_keras.save_pretrained(make_published({"vocabulary_size": 99}), folder / "smaller")
    with pytest.raises(ValueError, match="do not belong together. Set data.tokenizer"):
        sparse_keras.build_model(config)
