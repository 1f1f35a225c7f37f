import keras
import numpy as np
import pytest
from keras import ops

import sparse_keras
from sparse_keras import layers
from sparse_keras.data import LanguagePreprocessor, Tokenizer
from sparse_keras.layers.mixtures.mixture import mixtures
from sparse_keras.models import TextGenerator, causal_lm, text_classifier

RNG = np.random.default_rng(3)


def randomized(model):
    """Biases begin at zero, where mistakes would not show."""
    for variable in model.trainable_variables:
        variable.assign(variable + RNG.normal(size=variable.shape) * 0.3)
    return model


def language_model(**changes):
    arguments = {"vocabulary_size": 20, "depth": 2, "width": 8, "num_heads": 2, "hidden_dim": 12}
    return randomized(causal_lm(**arguments | changes))


def token_ids(vocabulary=20):
    return RNG.integers(0, vocabulary, (3, 7))


def mlp():
    return randomized(
        keras.Sequential(
            [
                keras.Input((5,), name="features"),
                keras.layers.Dense(12, activation="gelu", name="up"),
                keras.layers.Dropout(0.2, name="dropout"),
                keras.layers.Dense(6, activation="tanh", name="down"),
                keras.layers.Dense(2, name="head"),
            ]
        )
    )


def assert_equal(one, other, x, **tolerance):
    expected, found = (ops.convert_to_numpy(model(x)) for model in (one, other))
    np.testing.assert_allclose(found, expected, **{"atol": 1e-5, "rtol": 1e-5} | tolerance)


class TestOutputs:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            pytest.param({"k": 1}, marks=pytest.mark.slow),
            {"k": 3, "router": {"type": "top_k", "normalize": False}},
            {"router": {"type": "top_k", "score": "sigmoid", "normalize": False, "scale": 2.5}},
            {
                "router": {"type": "deepseek_v3", "num_groups": 4, "groups_kept": 2, "k": 4},
                "num_experts": 8,
            },
            pytest.param({"router": "gpt_oss"}, marks=pytest.mark.slow),
            {"router": "dense"},
            {"router": layers.HashRouter(vocabulary_size=20, k=2)},
            {"split": 2},
            {"split": 3, "k": 6, "num_experts": 12},
            {"split": 2, "k": 4, "router": {"type": "top_k", "normalize": False, "scale": 3.0}},
            {"split": 3, "router": "uniform"},
        ],
        ids=lambda options: "-".join(options) or "defaults",
    )
    def test_equal_those_of_the_dense_model(self, options):
        dense = language_model(gated="router" not in options, use_bias=True)
        sparse = sparse_keras.upcycle(dense, **{"num_experts": 6} | options)
        assert len(mixtures(sparse)) == 2
        assert_equal(dense, sparse, token_ids())

    @pytest.mark.parametrize("options", [{}, {"split": 3}], ids=str)
    def test_of_keras_models(self, options):
        dense = mlp()
        sparse = sparse_keras.upcycle(dense, 6, **options)
        x = RNG.normal(size=(9, 5)).astype("float32")
        assert_equal(dense, sparse, x)
        assert [layer.name for layer in sparse.layers] == [
            *("up_mixture", "down_activation", "head")
        ]
        assert sparse.layers[0].experts.dropout == 0.2

    def test_of_the_text_classifier(self):
        inputs = sparse_keras.data.TextInputs(vocabulary_size=20, length=7)
        task = sparse_keras.tasks.Multiclass(classes=("a", "b", "c"))
        dense = text_classifier(
            inputs=inputs, task=task, depth=1, width=8, num_heads=2, hidden_dim=12, gated=False
        )
        randomized(dense)
        sparse = sparse_keras.upcycle(dense, 4)
        ids = token_ids()
        assert_equal(dense, sparse, {"token_ids": ids, "mask": ids > 5})
        assert sparse.get_layer("block_0").feed_forward.name == "mixture"

    def test_differ_with_noise_and_new_units(self):
        dense, ids = language_model(), token_ids()
        for options in ({"noise": 0.1}, {"reinitialize": 0.5}):
            sparse = sparse_keras.upcycle(dense, 4, seed=1, **options)
            again = sparse_keras.upcycle(dense, 4, seed=1, **options)
            assert_equal(sparse, again, ids, atol=0)
            assert np.abs(ops.convert_to_numpy(sparse(ids) - dense(ids))).max() > 1e-3

    def test_a_model_whose_weights_cannot_add_up_is_refused(self):
        for router in ("threshold", "expert_choice"):
            with pytest.raises(ValueError, match="differ from token to token"):
                sparse_keras.upcycle(mlp(), 4, router=router)


class TestWeights:
    def test_all_others_are_carried_over(self):
        dense = language_model()
        before = [np.array(value) for value in dense.get_weights()]
        sparse = sparse_keras.upcycle(dense, 4, layers="block_1")
        assert type(sparse.blocks[0].feed_forward) is layers.FeedForward
        own = {v.path: v for v in dense.weights if "block_1/feed_forward/" not in v.path}
        other = {v.path: v for v in sparse.weights if "/mixture/" not in v.path}
        assert own.keys() == other.keys() and len(own) > 10
        for path, variable in own.items():
            assert variable is not other[path]
            assert np.array_equal(variable, other[path])
        for variable in sparse.trainable_variables:
            variable.assign(variable * 0)
        assert all(np.array_equal(*pair) for pair in zip(before, dense.weights, strict=True))

    def test_parts_and_copies(self):
        dense = language_model(gated=False, use_bias=True, depth=1)
        up = np.array(dense.blocks[0].feed_forward.up.kernel)
        down = np.array(dense.blocks[0].feed_forward.down.kernel)
        bank = sparse_keras.upcycle(dense, 4, split=2, k=2).blocks[0].feed_forward.experts
        for e in range(4):
            units = slice(6 * (e % 2), 6 * (e % 2) + 6)
            np.testing.assert_array_equal(bank.up.kernel[e], up[:, units])
            # Each of two parts weighs 1/2.
            np.testing.assert_allclose(bank.down.kernel[e], 2 * down[units], rtol=1e-6)

    def test_a_share_of_units_is_drawn_again(self):
        dense = language_model(depth=1)
        old = np.array(dense.blocks[0].feed_forward.gate.kernel)
        bank = sparse_keras.upcycle(dense, 4, reinitialize=0.25).blocks[0].feed_forward.experts
        changed = (np.array(bank.gate.kernel) != old).any(axis=1)
        assert (changed.sum(axis=1) == 3).all()
        assert len({tuple(row) for row in changed}) > 1
        assert (
            (np.array(bank.up.kernel) != np.array(dense.blocks[0].feed_forward.up.kernel)).any(
                axis=1
            )
            == changed
        ).all()

    def test_experts_train_apart_and_models_load(self, tmp_path):
        dense = language_model(depth=1, padding_id=0)
        router = {"type": "top_k", "k": 2, "balance_loss": 0.02}
        sparse = sparse_keras.upcycle(dense, 4, router=router)
        assert not sparse.compiled
        mixture = sparse.blocks[0].feed_forward
        assert mixture.router.balance_loss == 0.02
        assert mixture.path == "causal_lm/block_0/mixture"
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        sparse.compile("adam", loss, run_eagerly=True)
        ids = token_ids()
        sparse.fit(ids, np.roll(ids, -1, axis=1), verbose=0)
        kernels = np.array(mixture.experts.up.kernel)
        assert all(np.abs(kernels[0] - kernels[e]).max() > 0 for e in range(1, 4))
        sparse.save(tmp_path / "model.keras")
        assert_equal(sparse, keras.models.load_model(tmp_path / "model.keras"), ids, atol=0)


class TestChoice:
    def test_of_layers(self):
        def upcycled(layers):
            sparse = sparse_keras.upcycle(dense, 4, layers=layers)
            return [type(block.feed_forward).__name__ for block in sparse.blocks]

        dense = language_model(depth=3)
        assert upcycled(-1) == ["FeedForward", "FeedForward", "MixtureOfExperts"]
        assert upcycled(["block_1", 0]) == ["MixtureOfExperts", "MixtureOfExperts", "FeedForward"]

    def test_errors(self):
        dense = language_model()
        for arguments, message in (
            ({"layers": "blok_1"}, "Did you mean 'block_1'"),
            ({"layers": 2}, "has 2 dense feed-forward layers"),
            ({"layers": []}, "names no layer"),
            ({"layers": 1.5}, "a name or a position"),
            ({"split": 5}, "must be a multiple of `split`"),
            ({"num_experts": 5, "split": 5}, "must divide the hidden units"),
            ({"split": 2, "k": 3}, "k must be a multiple"),
            ({"k": 5}, "at most the number of experts"),
            ({"noise": -1.0}, "noise"),
        ):
            with pytest.raises(ValueError, match=message):
                sparse_keras.upcycle(dense, **{"num_experts": 4} | arguments)
        with pytest.raises(ValueError, match="no feed-forward layer"):
            sparse_keras.upcycle(sparse_keras.upcycle(dense, 4), 4)
        with pytest.raises(ValueError, match="must be a Keras model"):
            sparse_keras.upcycle(keras.layers.Dense(2), 4)
        with pytest.raises(ValueError, match="no weights yet"):
            sparse_keras.upcycle(keras.Sequential([keras.layers.Dense(2)]), 4)

    def test_a_language_model_with_its_tokenizer(self, tmp_path):
        tokenizer = Tokenizer.train(["to be or not to be"] * 9, 270)
        core = language_model(vocabulary_size=tokenizer.vocabulary_size, context_length=8)
        sparse = sparse_keras.upcycle(TextGenerator(core, LanguagePreprocessor(tokenizer, 8)), 4)
        assert_equal(core, sparse.core, token_ids())
        smaller, _ = sparse_keras.prune_experts(sparse, ["to be"], keep=2)
        smaller.save(tmp_path / "model.keras")
        assert_equal(core, keras.models.load_model(tmp_path / "model.keras").core, token_ids())

    def test_the_output_of_a_model_has_to_be_named(self):
        inputs = keras.Input((4,))
        hidden = keras.layers.Activation("relu")(keras.layers.Dense(6, name="up")(inputs))
        dense = randomized(keras.Model(inputs, keras.layers.Dense(1, name="down")(hidden)))
        dense.compile("sgd", "mse")
        with pytest.raises(ValueError, match=r"layers=\['up'\]"):
            sparse_keras.upcycle(dense, 4)
        sparse = sparse_keras.upcycle(dense, 4, layers="down")
        assert dense.compiled and not sparse.compiled
        assert_equal(dense, sparse, RNG.normal(size=(5, 4)).astype("float32"))

    def test_layers_inside_models_inside_models(self):
        """A hidden layer that something else reads stays as it is."""
        inner = keras.Sequential([keras.Input((None, 4)), *(mlp_layers("inner"))], name="inner")
        last = keras.Sequential([keras.Input((None, 4)), *mlp_layers("last")[:2]], name="last")
        inputs = keras.Input((None, 4))
        x = last(inner(inputs)) + inputs
        read = keras.layers.Dense(6, activation="relu", name="read")(x)
        y = keras.layers.Dense(3)(read)
        dense = randomized(keras.Model(inputs, {"y": y, "read": read}))
        sparse = sparse_keras.upcycle(dense, 4)
        names = [mixture.name for mixture in mixtures(sparse)]
        assert names == ["inner_up_mixture", "last_up_mixture"]
        x = RNG.normal(size=(2, 3, 4)).astype("float32")
        for name, found in sparse(x).items():
            np.testing.assert_allclose(found, dense(x)[name], atol=1e-5)
        copied = keras.models.clone_model(sparse)
        copied.set_weights(sparse.get_weights())


def mlp_layers(name):
    return [
        keras.layers.Dense(8, activation="relu", name=f"{name}_up"),
        keras.layers.Dense(4, use_bias=False, name=f"{name}_down"),
        keras.layers.LayerNormalization(),
    ]


def test_a_model_with_its_tokenizer():
    tokenizer = Tokenizer.train(["to be or not to be, that is the question"] * 9, 270)
    core = language_model(vocabulary_size=tokenizer.vocabulary_size)
    dense = TextGenerator(core, LanguagePreprocessor(tokenizer, 32))
    sparse = sparse_keras.upcycle(dense, num_experts=4, layers=[-1])
    assert isinstance(sparse, TextGenerator)
    ids = token_ids(tokenizer.vocabulary_size)
    np.testing.assert_allclose(sparse.core(ids), dense.core(ids), atol=1e-5)
    assert len(mixtures(sparse)) == 1


class TestRoutersFromClusters:
    """Tokens of three kinds, which differ by the token itself."""

    @pytest.mark.parametrize(
        "options",
        [{}, {"split": 2}, {"k": 1, "router": {"type": "top_k", "normalize": False}}],
        ids=lambda options: "-".join(options) or "defaults",
    )
    def test_tokens_that_are_alike_get_the_same_expert(self, options):
        dense = kinds_of_tokens()
        ids = RNG.integers(0, 30, (8, 12))
        sparse = sparse_keras.upcycle(dense, 6, examples=ids, seed=0, **options)
        assert_equal(dense, sparse, ids)
        split = options.get("split", 1)
        with sparse_keras.routing.record(sparse) as recording:
            sparse.predict(ids, verbose=0)
        (gate,) = recording.gates
        best = np.concatenate([call["expert_index"][:, 0] for call in gate.calls]) // split
        kinds = ids.reshape(-1) % 3
        found = [set(best[kinds == kind]) for kind in range(3)]
        assert all(found) and not any(found[a] & found[b] for a, b in ((0, 1), (0, 2), (1, 2)))

    def test_padding_is_no_cluster(self):
        inputs = sparse_keras.data.TextInputs(vocabulary_size=30, length=12)
        dense = text_classifier(
            inputs=inputs, task="binary", depth=1, width=8, num_heads=2, hidden_dim=12
        )
        ids = RNG.integers(1, 30, (4, 6))
        x = {"token_ids": ids, "mask": np.ones(ids.shape, bool)}
        padded = {name: np.pad(value, [[0, 0], [0, 6]]) for name, value in x.items()}
        one, other = (
            sparse_keras.upcycle(dense, 4, examples=examples, seed=1) for examples in (x, padded)
        )
        kernels = [
            ops.convert_to_numpy(m.get_layer("block_0").feed_forward.router.kernel)
            for m in (one, other)
        ]
        np.testing.assert_allclose(*kernels, atol=1e-4)

    def test_with_noise_clusters_are_those_of_the_dense_model(self):
        dense, ids = kinds_of_tokens(), RNG.integers(0, 30, (8, 12))
        plain, noisy = (
            sparse_keras.upcycle(dense, 4, examples=ids, seed=0, **options)
            for options in ({}, {"noise": 0.1})
        )
        kernels = [
            ops.convert_to_numpy(model.blocks[0].feed_forward.router.kernel)
            for model in (plain, noisy)
        ]
        np.testing.assert_allclose(*kernels, atol=1e-4)
        assert np.abs(ops.convert_to_numpy(noisy(ids) - dense(ids))).max() > 1e-3

    def test_texts_and_keras_models(self):
        tokenizer = Tokenizer.train(["to be or not to be"] * 10, 300)
        network = causal_lm(
            vocabulary_size=tokenizer.vocabulary_size, depth=1, width=8, num_heads=2, hidden_dim=12
        )
        model = TextGenerator(network, LanguagePreprocessor(tokenizer, context_length=20))
        sparse_keras.upcycle(model, 4, examples=["to be", "or not to be"])
        sparse_keras.upcycle(mlp(), 6, examples=RNG.normal(size=(40, 5)).astype("float32"))

    def test_errors(self):
        with pytest.raises(ValueError, match="5 tokens that reach .*6 clusters"):
            sparse_keras.upcycle(language_model(), 6, examples=token_ids()[:1, :5])
        for nothing in ([], token_ids()[:0]):
            with pytest.raises(ValueError, match="has 0 tokens that reach"):
                sparse_keras.upcycle(language_model(), 6, examples=nothing)
        with pytest.raises(ValueError, match="examples=x instead of examples=.x, y."):
            sparse_keras.upcycle(language_model(), 6, examples=(token_ids(), token_ids()))
        with pytest.raises(ValueError, match="routers with a matrix.*HashRouter"):
            router = layers.HashRouter(vocabulary_size=20, k=2)
            sparse_keras.upcycle(language_model(), 6, router=router, examples=token_ids())


def kinds_of_tokens():
    """A language model whose tokens have one of three embeddings, by their number modulo 3."""
    dense = language_model(vocabulary_size=30, depth=1)
    table = dense.get_layer("token_embedding").embeddings
    table.assign(10 * np.eye(3, 8)[np.arange(30) % 3] + 0.1 * RNG.normal(size=(30, 8)))
    return dense
