"""A config that makes a trained dense language model sparse, and trains it on."""

import os

import keras
import numpy as np
import pytest

import sparse_keras
from sparse_keras.data import LanguagePreprocessor, Tokenizer
from sparse_keras.evaluation.cache import starting_weights
from sparse_keras.evaluation.standard_contenders import contenders_of
from sparse_keras.layers import FeedForward, MixtureOfExperts
from sparse_keras.models import TextGenerator, causal_lm

DENSE = """
version: 1
data: {type: text_files, path: texts.txt, documents: line, vocabulary_size: 280, context_length: 12}
model: {type: causal_lm, depth: 2, width: 8, num_heads: 2, hidden_dim: 8, dropout: 0.1}
optimizer: {type: adamw}
training: {epochs: null, steps: 1, batch_size: 4}
"""
SPARSE = """
version: 1
data: {type: text_files, path: texts.txt, documents: line, tokenizer: dense, context_length: 12}
model:
  type: causal_lm
  checkpoint: dense
  upcycle:
    {num_experts: 4, layers: [-1], split: 2, noise: 0.1, router: {type: top_k, balance_loss: 0.01}}
optimizer: {type: adamw}
training: {epochs: null, steps: 4, batch_size: 4, checkpoint_every: {steps: 1}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of a dense model, `dense`, and a config beside it that makes it sparse."""
    folder = tmp_path_factory.mktemp("upcycling")
    (folder / "texts.txt").write_text("\n".join(f"line {n} says to be" for n in range(150)))
    (folder / "dense.yaml").write_text(DENSE)
    (folder / "sparse.yaml").write_text(SPARSE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSE_KERAS_HOME", str(folder / "home"))
        patch.chdir(folder)
        config = sparse_keras.load_config("dense.yaml")
        run = sparse_keras.train(config, output=folder / "runs", verbose=0)
        os.rename(run.path, folder / "dense")
        yield folder


pytestmark = pytest.mark.usefixtures("eager_module")


class Kill(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == 3:
            raise RuntimeError("killed")


@pytest.mark.slow
def test_a_dense_run_is_trained_on_as_a_mixture(folder, tmp_path):
    config = sparse_keras.load_config("sparse.yaml")
    data = sparse_keras.load_data(config)
    run = sparse_keras.train(config, data, output=tmp_path / "whole", verbose=0)
    first, second = (block.feed_forward for block in run.model.core.blocks)
    assert isinstance(first, FeedForward) and isinstance(second, MixtureOfExperts)
    assert (second.experts.num_experts, second.experts.hidden_dim, second.k) == (4, 4, 2)
    assert second.router.balance_loss == 0.01

    with pytest.raises(RuntimeError, match="killed"):
        sparse_keras.train(config, data, output=tmp_path / "part", callbacks=[Kill()], verbose=0)
    (part,) = (tmp_path / "part" / "sparse").iterdir()
    resumed = sparse_keras.train(config, data, resume=part, verbose=0)
    loaded = sparse_keras.load_model(run.path)
    for model in (resumed.model, loaded):
        for one, other in zip(run.model.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


def build(*overrides):
    return sparse_keras.build_model(sparse_keras.load_config("sparse.yaml", list(overrides)))


def outputs(model):
    return keras.ops.convert_to_numpy(model(np.arange(10)[None]))


def test_it_starts_as_the_dense_model(folder):
    expected = outputs(sparse_keras.load_model("dense").core)
    sparse = build("model.upcycle.noise=0.0")
    np.testing.assert_allclose(outputs(sparse), expected, atol=1e-6)
    # Without `upcycle` it is the dense model, of a .keras file too.
    plain = build("model.upcycle=null", "model.checkpoint=dense/model.keras")
    np.testing.assert_array_equal(outputs(plain), expected)


def test_draws_depend_on_the_seed_of_training(folder):
    kernels = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        kernels.append(build().get_weights())
    same = [
        [np.array_equal(one, other) for one, other in zip(kernels[0], others, strict=True)]
        for others in kernels[1:]
    ]
    assert all(same[0]) and not all(same[1])


@pytest.mark.parametrize(
    "override, words",
    [
        ("model.checkpoint=null", "model.upcycle: needs checkpoint"),
        ("model.upcycle.num_experts=5", "num_experts.*no multiple of split, which is 2"),
        ("model.upcycle.router.k=3", "upcycle.router.k.*3 is no multiple of split"),
        ("model.upcycle.router.k=6", "6 is more than model.upcycle.num_experts, which is 4"),
        ("model.upcycle.layers=[]", "model.upcycle.layers"),
        ("model.upcycle.k=2", "upcycle.k"),
    ],
)
def test_mistakes_in_a_config(folder, override, words):
    with pytest.raises(ValueError, match=words):
        sparse_keras.load_config("sparse.yaml", [override])


@pytest.mark.parametrize(
    "override, words",
    [
        ("model.upcycle.layers=[block_7]", "model.upcycle, of .*'block_7'.*'block_0', 'block_1'"),
        ("model.upcycle.layers=[2]", "model.upcycle, of .*2 dense feed-forward layers"),
        (
            "model.upcycle={num_experts: 6, split: 3, router: {k: 3}}",
            "model.upcycle, of .*`split` must divide the hidden units of .*, 8",
        ),
        ("model.upcycle.router={type: expert_choice}", "model.upcycle, of "),
        ("training.precision=mixed_bfloat16", "training.precision=mixed_bfloat16. Set it to float"),
        ("data.context_length=13", "at most 12"),
        ("data.tokenizer=null", "model.checkpoint.*needs data.tokenizer"),
        ("data.tokenizer=other.json", "another tokenizer.*Set data.tokenizer to '"),
        ("data.tokenizer=texts.txt", "texts.txt: Expected a tokenizer"),
        ("data.tokenizer=table.keras", "table.keras: its model has no tokenizer"),
        ("data.tokenizer=texts.keras", "texts.keras: it is not a .keras file"),
        ("model.checkpoint=texts.keras", "not a .keras file"),
        ("model.checkpoint=table.keras", "model.checkpoint must be a language model.*Sequential"),
        ("model.checkpoint=frozen.keras", "are frozen: .*feed_forward"),
        ("model.checkpoint=sparse.keras", "found no feed-forward layer.*already: 'block_0', 'blo"),
    ],
)
def test_what_cannot_be_made_sparse(folder, override, words):
    if not (folder / "other.json").exists():
        write_others(folder)
    with pytest.raises(ValueError, match=words):
        build(override)


def write_others(folder):
    given = Tokenizer.load(folder / "dense")
    Tokenizer.train(["something else " * 9] * 9, given.vocabulary_size).save(folder / "other.json")
    (folder / "texts.keras").write_text("no model")
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(folder / "table.keras")
    options = {"vocabulary_size": given.vocabulary_size, "depth": 2, "width": 8, "num_heads": 2}
    frozen = causal_lm(**options, hidden_dim=8)
    sparse = sparse_keras.upcycle(frozen, num_experts=2)
    sparse_keras.freeze(frozen, ["feed_forward"])
    for name, model in (("frozen", frozen), ("sparse", sparse)):
        TextGenerator(model, LanguagePreprocessor(given, 12)).save(folder / f"{name}.keras")


def test_its_dense_twin_is_the_checkpoint(folder):
    config = sparse_keras.load_config("sparse.yaml")
    twin = sparse_keras.dense_twin(config)
    assert twin.name == "sparse (dense twin, before upcycling)"
    assert twin.model.kwargs() == {"checkpoint": str(folder / "dense")}
    assert twin.training == config.training and twin.data == config.data
    with pytest.raises(ValueError, match="'causal_lm' from a checkpoint, without upcycle, has no"):
        sparse_keras.dense_twin(twin)
    moe, before, *_ = contenders_of(config)
    assert (moe.name, before.name) == ("moe", "before_upcycling")
    assert before.make(config, None, None).model == twin.model
    with pytest.raises(ValueError, match="moe, before_upcycling.*'equal_flops'"):
        contenders_of(config, ["equal_flops"])


def test_a_comparison_depends_on_the_weights_of_the_checkpoint(folder):
    config = sparse_keras.load_config("sparse.yaml")
    before = starting_weights(config)
    assert len([line for line in before if line.startswith("model.checkpoint model.keras ")]) == 1
    os.utime(folder / "dense" / "model.keras", (1, 1))
    assert starting_weights(config) != before
    # The data are known by their digest.
    assert starting_weights(sparse_keras.load_config("dense.yaml")) == []
