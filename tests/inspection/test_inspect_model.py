"""inspect: what it counts, of which models and of which examples."""

import keras
import numpy as np
import pytest
from keras import ops

import sparse_keras
from sparse_keras.layers import (
    BalancedRouter,
    CosineRouter,
    DenseExperts,
    DSelectKRouter,
    ExpertChoiceRouter,
    HierarchicalRouter,
    MixtureOfExperts,
    MultiGateMixtureOfExperts,
    SinkhornRouter,
    SoftMixtureOfExperts,
    ThresholdRouter,
    TopKRouter,
)

WORDS, LENGTH = 12, 6


def sentences(rows=300, seed=0):
    """Numbers of words 1 to 11, 0 for padding: every third sentence is half empty."""
    x = np.random.default_rng(seed).integers(1, WORDS, (rows, LENGTH))
    x[::3, LENGTH // 2 :] = 0
    return x.astype("int32")


def reader(*layers, mask_zero=True):
    """A model that reads sentences, each word a one-hot vector."""
    inputs = keras.Input((LENGTH,), dtype="int32")
    embedding = keras.layers.Embedding(WORDS, WORDS, mask_zero=mask_zero, name="words")
    x = embedding(inputs)
    embedding.embeddings.assign(np.eye(WORDS))
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, x, name="reader")


def to_expert(word_of_expert, num_experts=4, k=1, name="planted", noise=0.0):
    """A mixture that sends a word to an expert: dict from word to expert; others by noise."""
    router = TopKRouter(k=k)
    layer = MixtureOfExperts(DenseExperts(num_experts, WORDS), router=router, name=name)
    layer.build((None, None, WORDS))
    kernel = noise * np.random.default_rng(1).normal(size=(WORDS, num_experts))
    for word, expert in word_of_expert.items():
        kernel[word, expert] = 9.0
    router.kernel.assign(kernel)
    return layer


def test_a_planted_specialisation_is_found_and_named():
    """Words 1, 4 and 7 are nouns, and go to expert 1; all others go anywhere else."""
    x = sentences(400)
    layer = to_expert({1: 1, 4: 1, 7: 1, 2: 0, 3: 2, 5: 3, 6: 0, 8: 2, 9: 3, 10: 0, 11: 2})
    kinds = np.where(np.isin(x, [1, 4, 7]), "noun", np.where(x % 2, "verb", "other"))
    inspection = sparse_keras.inspect(
        reader(layer), x, kinds, data="sentences", label="kind of word"
    )
    (gate,) = inspection.gates
    first = gate.findings[0]
    assert (first.label, first.expert, first.share) == ("noun", 1, 1.0)
    base = np.isin(x[x > 0], [1, 4, 7]).mean()
    assert first.base_share == pytest.approx(base) and first.lift == pytest.approx(1 / base)
    assert first.tokens == np.isin(x, [1, 4, 7]).sum() and first.p_value < 1e-12
    assert [one.label for one in gate.findings if one.expert == 1] == ["noun"]
    share = f"{100 * base:.0f} %"
    sentence = f"expert 1 serves 100 % of 'noun', and {share} of all tokens"
    for text in (str(inspection), *(verdict.text for verdict in inspection.summary())):
        if "specialise" in text:
            assert sentence in " ".join(text.split())
            break
    else:
        raise AssertionError("The summary names nothing.")


@pytest.mark.parametrize("per_token", [False, True])
def test_random_labels_name_nothing(per_token):
    x = sentences(300)
    rng = np.random.default_rng(2)
    model = reader(MixtureOfExperts(DenseExperts(8, WORDS), k=2), to_expert({}, 8, 2, noise=1.0))
    labels = rng.choice(["a", "b", "c", "d"], x.shape if per_token else len(x))
    inspection = sparse_keras.inspect(model, x, labels)
    assert inspection.findings == []
    for gate in inspection.gates:
        assert gate.mutual_information < 3 * gate.mutual_information_by_chance
        assert gate.verdicts[-1].text == "No label is significantly associated with an expert."
    assert "No expert specialises by label" in str(inspection)


def test_counts_equal_those_of_a_loop():
    x = sentences()
    layer = MixtureOfExperts(DenseExperts(5, WORDS), k=2)
    model = reader(layer)
    inspection = sparse_keras.inspect(model, x, batch_size=77)
    (gate,) = inspection.gates
    assert inspection.examples == len(x) and inspection.label is None

    kernel = ops.convert_to_numpy(layer.router.kernel)
    words = x[x > 0]
    logits = kernel[words]
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    load, weight, pairs = np.zeros(5), np.zeros(5), np.zeros((5, 5))
    entropy, top, margin = 0.0, 0.0, 0.0
    for row in scores:
        first, second = np.argsort(-row)[:2]
        load[[first, second]] += 1
        weight[first] += row[first] / (row[first] + row[second])
        weight[second] += row[second] / (row[first] + row[second])
        pairs[first, second] += 1
        pairs[second, first] += 1
        entropy -= (row * np.log(row)).sum()
        top, margin = top + row[first], margin + row[first] - row[second]
    count = len(words)
    assert gate.tokens == count and gate.experts_per_token == pytest.approx(2.0)
    np.testing.assert_allclose(gate.load, load / load.sum(), rtol=1e-6)
    np.testing.assert_allclose(gate.importance, weight / weight.sum(), rtol=1e-5)
    np.testing.assert_array_equal(gate.coactivation_tokens, pairs)
    assert gate.load_violation == pytest.approx(load.max() / load.mean() - 1)
    assert gate.dead == np.flatnonzero(load == 0).tolist()
    assert gate.entropy == pytest.approx(entropy / count / np.log(5), rel=1e-5)
    assert gate.confidence == pytest.approx(top / count, rel=1e-5)
    assert gate.margin == pytest.approx(margin / count, rel=1e-4)
    assert gate.confidence_histogram.sum() == pytest.approx(1.0)


def test_dead_experts_and_collapse_are_told():
    inspection = sparse_keras.inspect(
        reader(to_expert(dict.fromkeys(range(WORDS), 2))), sentences()
    )
    assert inspection[0].dead == [0, 1, 3]
    assert not inspection.healthy and "collapse" in inspection["planted"].problems
    (bad, *_) = inspection.summary()
    assert bad.kind == "bad"
    assert "planted has collapsed on these examples: expert 2 of 4 takes 100 %" in bad.text


def test_models_in_models_and_layers_called_twice():
    shared = MixtureOfExperts(DenseExperts(3, WORDS), k=1, name="shared")
    inner_inputs = keras.Input((LENGTH, WORDS))
    inner = keras.Model(inner_inputs, shared(inner_inputs + shared(inner_inputs)), name="inner")
    wrapped = keras.layers.TimeDistributed(
        MixtureOfExperts(DenseExperts(2, WORDS), k=1, name="steps")
    )

    class Outer(keras.Model):
        def __init__(self):
            super().__init__()
            self.body = reader(inner, mask_zero=False)
            self.wrapped = wrapped

        def call(self, inputs):
            return self.wrapped(self.body(inputs))

    x = sentences(40)
    inspection = sparse_keras.inspect(Outer(), x, labels=x[:, 0])
    names = [gate.name for gate in inspection.gates]
    assert [name.rpartition("/")[2] for name in names[:2]] == [
        "shared (call 1 of 2)",
        "shared (call 2 of 2)",
    ]
    assert len(names) == 2 + LENGTH  # A step of TimeDistributed is a call.
    assert [gate.tokens for gate in inspection.gates] == [40 * LENGTH] * 2 + [40] * LENGTH


def test_several_gates():
    layer = MultiGateMixtureOfExperts(
        {"shared_experts": DenseExperts(2, 8), "own": DenseExperts(3, 8)},
        {"a": "dense", "b": {"type": "top_k", "k": 2}},
        visible={"a": ["shared_experts"]},
        name="gates",
    )
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layer(inputs))
    x = np.random.default_rng(0).normal(size=(200, 4)).astype("float32")
    inspection = sparse_keras.inspect(model, x, np.where(x[:, 0] > 0, "plus", "minus"))
    a, b = inspection["gates/a"], inspection["gates/b"]
    assert a.soft and not b.soft and a.expert_names == ["shared_experts_0", "shared_experts_1"]
    weights = ops.convert_to_numpy(layer.gate_weights(x)["a"])
    np.testing.assert_allclose(a.load, weights.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(a.rate[1], weights[x[:, 0] > 0].mean(axis=0), rtol=1e-5)
    assert np.isnan(a.coactivation).all() and a.problems == {}
    assert b.num_experts == 5 and b.rate.sum(axis=1) == pytest.approx(2.0)


def test_gates_that_open_any_number():
    layer = MixtureOfExperts(DenseExperts(4, 3), router=ThresholdRouter(threshold=0.5))
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layer(inputs))
    x = np.random.default_rng(0).normal(size=(100, 4)).astype("float32")
    (gate,) = sparse_keras.inspect(model, x).gates
    kernel = ops.convert_to_numpy(layer.router.kernel)
    assert gate.experts_per_token == pytest.approx((x @ kernel > 0).sum(axis=1).mean(), abs=0.02)


@pytest.mark.parametrize(
    "router",
    [
        lambda: ExpertChoiceRouter(),
        lambda: DSelectKRouter(k=2),
        lambda: BalancedRouter(k=2),
        lambda: CosineRouter(k=2),
        lambda: SinkhornRouter(k=1),
        lambda: HierarchicalRouter(k=1),
        lambda: "qwen3_moe",
        lambda: "uniform",
        None,
    ],
    ids=[
        "expert_choice",
        "dselect_k",
        "balanced",
        "cosine",
        "sinkhorn",
        "hierarchical",
        "qwen3_moe",
        "uniform",
        "soft",
    ],
)
def test_routers_of_all_kinds(router):
    bank = DenseExperts(4, 3)
    if router is None:
        layer = SoftMixtureOfExperts(bank)
    else:
        router = router()
        layer = MixtureOfExperts(bank, router=router, k=2 if router == "qwen3_moe" else None)
    inputs = keras.Input((5, 4))
    model = keras.Model(inputs, layer(inputs))
    x = np.random.default_rng(0).normal(size=(40, 5, 4)).astype("float32")
    labels = np.random.default_rng(1).integers(0, 2, 40)
    inspection = sparse_keras.inspect(model, x, labels)
    (gate,) = inspection.gates
    assert gate.tokens == 200 and gate.load.sum() == pytest.approx(1.0)
    assert gate.importance.sum() == pytest.approx(1.0, abs=1e-5) and gate.findings == []
    assert gate.soft == (type(layer.router).__name__ in ("UniformRouter", "SlotRouter"))
    assert 0 <= gate.entropy <= 1 + 1e-6 and 0.25 <= gate.confidence <= 1
    assert str(inspection) and inspection.to_html()


def test_dropped_tokens_are_counted():
    layer = MixtureOfExperts(
        DenseExperts(4, 3), router=TopKRouter(k=1), name="moe", eval_capacity_factor=1.0
    )
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layer(inputs))
    layer.router.kernel.assign(9.0 * np.eye(4))
    x = np.tile(np.eye(4, dtype="float32")[0], (80, 1))
    # Each batch of 40 to expert 0, which takes 40 / 4.
    (gate,) = sparse_keras.inspect(model, x, batch_size=40).gates
    assert gate.dropped == 0.75 and "capacity_factor (now 1)" in gate.problems["dropped"]


def test_what_x_may_be():
    x = sentences(50)
    model = reader(to_expert({1: 1, 2: 2}, noise=1.0))
    expected = sparse_keras.inspect(model, x, x)[0]

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            rows = slice(10 * index, 10 * index + 10)
            return x[rows], x[rows]

    as_batches = sparse_keras.data.ArrayBatches({"x": x}, x, batch_size=16, shuffle=True)
    generator = ((x[n : n + 20], x[n : n + 20]) for n in range(0, 50, 20))
    for given, labels in (
        ([x], x),
        (x.tolist(), x.tolist()),
        (Batches(), x),
        (Batches(), "targets"),
        (as_batches, x),
        (as_batches, "targets"),
        (generator, "targets"),
    ):
        found = sparse_keras.inspect(model, given, labels)[0]
        np.testing.assert_array_equal(found.load, expected.load)
        np.testing.assert_array_equal(found.rate, expected.rate)
        assert found.labels == list(range(1, WORDS))


@pytest.mark.tensorflow
def test_a_dataset_of_tensorflow():
    import tensorflow as tf

    x = sentences(50)
    model = reader(to_expert({1: 1, 2: 2}, noise=1.0))
    dataset = tf.data.Dataset.from_tensor_slices((x, x.astype(str))).batch(8)
    found = sparse_keras.inspect(model, dataset, "targets")[0]
    expected = sparse_keras.inspect(model, x, x.astype(str))[0]
    np.testing.assert_array_equal(found.rate, expected.rate)
    assert found.labels == sorted(map(str, range(1, WORDS)))


def test_compiled_functions_stay():
    x = sentences(20)
    model = reader(to_expert({1: 1}))
    before, function = model.predict(x, verbose=0), model.predict_function
    sparse_keras.inspect(model, x)
    assert model.predict_function is function
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)


@pytest.mark.tensorflow
def test_a_layer_inside_a_compiled_function_is_told():
    import tensorflow as tf

    layer = to_expert({1: 1})

    class Compiled(keras.Model):
        def __init__(self):
            super().__init__()
            self.moe = layer

        @tf.function
        def call(self, inputs):
            return self.moe(inputs)

    with pytest.raises(ValueError, match="inside a compiled function"):
        sparse_keras.inspect(Compiled(), np.ones((2, 3, WORDS), "float32"))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(9), "Expected a label for each example"),
        (np.zeros(11), "Expected a label for each of 10 examples"),
        ("income", "'targets' of a dataset"),
        ("targets", "needs a dataset"),
        (np.linspace(0, 1, 10), "must be cut into classes first"),
    ],
)
def test_wrong_labels(labels, message):
    with pytest.raises(ValueError, match=message):
        sparse_keras.inspect(reader(to_expert({})), sentences(10), labels)


def test_models_without_experts_and_no_examples():
    inputs = keras.Input((3,))
    with pytest.raises(ValueError, match="no mixture of experts"):
        sparse_keras.inspect(keras.Model(inputs, keras.layers.Dense(1)(inputs)), np.ones((2, 3)))
    with pytest.raises(ValueError, match="at least one example"):
        sparse_keras.inspect(reader(to_expert({})), sentences(0))


def test_labels_that_do_not_fit_a_layer():
    """Each token has a label, but this layer sees whole sentences."""
    pooled = MixtureOfExperts(DenseExperts(3, 4), k=1, name="pooled")
    model = reader(to_expert({1: 1}), keras.layers.GlobalAveragePooling1D(), pooled)
    x = sentences(20)
    inspection = sparse_keras.inspect(model, x, x)
    assert inspection["planted"].labels and not inspection["pooled"].labels
    assert "do not fit the tokens" in inspection["pooled"].note


def test_missing_labels_do_not_count():
    x = sentences(60)
    labels = np.where(np.arange(60) % 2, "odd", None)
    gate = sparse_keras.inspect(reader(to_expert({}, noise=1.0)), x, labels)[0]
    assert gate.labels == ["odd"] and gate.label_tokens == [(x[1::2] > 0).sum()]
    numbers = sparse_keras.inspect(
        reader(to_expert({}, noise=1.0)), x, np.where(np.arange(60) % 2, 3.0, np.nan)
    )[0]
    assert numbers.labels == [3] and numbers.label_tokens == gate.label_tokens


def test_labels_of_parts_of_an_example_do_not_fit():
    """Neither one for each example nor one for each token."""
    model = keras.Sequential([MixtureOfExperts(DenseExperts(4, 3))])
    x = np.random.default_rng(0).normal(size=(40, 6, 3)).astype("float32")
    found = sparse_keras.inspect(model, x, labels=np.zeros((40, 3), "int32"))[0]
    assert "do not fit the tokens" in found.note


def routed(**kwargs):
    """A model of rows whose first column alone decides: expert 1 where it is positive."""
    inputs = keras.Input((3,))
    layer = MixtureOfExperts(DenseExperts(2, 3), router=TopKRouter(k=1), name="moe", **kwargs)
    model = keras.Model(inputs, layer(inputs))
    layer.router.kernel.assign([[-1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    return model


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("labelled", [False, True])
def test_examples_that_are_not_finite_are_told(value, labelled):
    x = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    x[[7, 9, 30], 1] = value  # In batches of 16, in more than one of them.
    labels = np.where(x[:, 0] > 0, "right", "left") if labelled else None
    message = r"'moe' are NaN or infinite for 3 of 40 examples \(counted from 0: 7, 9 and 30\)"
    with pytest.raises(ValueError, match=message):
        sparse_keras.inspect(routed(), x, labels, batch_size=16)
    good = np.isfinite(x).all(axis=1)
    labels = labels[good] if labelled else None
    (gate,) = sparse_keras.inspect(routed(), x[good], labels, batch_size=16)
    assert gate.tokens == 37 and np.isfinite([gate.entropy, gate.confidence, gate.margin]).all()


def test_few_of_many_examples_that_are_not_finite_are_named():
    x = np.ones((40, 3), "float32")
    x[10:30] = np.nan
    message = r"20 of 40 examples \(counted from 0: 10, 11, 12, 13, 14 and 15 more\)"
    with pytest.raises(ValueError, match=message):
        sparse_keras.inspect(routed(), x, batch_size=16)


def test_weights_that_are_not_finite_are_told():
    model = routed()
    model.get_layer("moe").router.kernel.assign(np.full((3, 2), np.nan))
    with pytest.raises(ValueError, match="for each of 4 examples: the inputs are, or the model's"):
        sparse_keras.inspect(model, np.ones((4, 3), "float32"))


def test_the_first_gate_that_is_not_finite_is_named():
    """Not those after it, which get its outputs."""
    inputs = keras.Input((3,))
    x = inputs
    for name in ("first", "second", "third"):
        x = MixtureOfExperts(DenseExperts(2, 3), name=name)(x)
    model = keras.Model(inputs, x)
    for bank in model.get_layer("first").weights:
        if "kernel" in bank.path and "router" not in bank.path:
            bank.assign(np.full(bank.shape, np.inf))
    with pytest.raises(ValueError, match="The scores of 'second'"):
        sparse_keras.inspect(model, np.ones((4, 3), "float32"))


def test_padding_may_be_anything():
    inputs, mask = keras.Input((4, 3)), keras.Input((4,), dtype="bool")
    layer = MixtureOfExperts(DenseExperts(2, 3), router=TopKRouter(k=1))
    model = keras.Model([inputs, mask], layer(inputs, mask=mask))
    x = np.random.default_rng(0).normal(size=(10, 4, 3)).astype("float32")
    keep = np.ones((10, 4), bool)
    x[:, 2:], keep[:, 2:] = np.nan, False
    (gate,) = sparse_keras.inspect(model, [x, keep])
    assert gate.tokens == 20 and np.isfinite(gate.entropy)


def test_tokens_whose_examples_are_unknown_are_told_as_tokens():
    inputs = keras.Input((3,))
    first = keras.layers.Lambda(lambda x: x[:-1])(inputs)  # A row less.
    layer = MixtureOfExperts(DenseExperts(2, 3), router=TopKRouter(k=1))
    x = np.ones((9, 3), "float32")
    x[:2] = np.nan
    with pytest.raises(ValueError, match="infinite for 2 tokens: their inputs are"):
        sparse_keras.inspect(keras.Model(inputs, layer(first)), x)
