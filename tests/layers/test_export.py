"""Files that `model.export` writes of mixtures, read by the runtimes they are for.

One model holds many mixtures side by side, since an export takes seconds: its outputs lie side by
side as well, and a failure names the mixture. The runtimes come with the extra `export`.
"""

import keras
import numpy as np
import pytest

from sparse_keras import layers

pytestmark = [
    pytest.mark.tensorflow,
    # tf2onnx asks NumPy for a name that it no longer has.
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),
]
BATCHES = (1, 2, 7, 32)


def moe(**arguments):
    return layers.MixtureOfExperts(layers.DenseExperts(4, 6), **arguments)


def routed(**router):
    return moe(router=router)


# Each takes [batch, 6].
OF_ROWS = {
    "top_k": lambda: moe(k=2),
    "top_k of one": lambda: moe(k=1, shared_expert=keras.layers.Dense(6)),
    "normalised": lambda: routed(type="top_k", k=2, normalize="softmax", score="identity"),
    "groups": lambda: layers.MixtureOfExperts(
        layers.GLUExperts(8, 4),
        router=layers.TopKRouter(
            k=4,
            score="sigmoid",
            select_on="score_plus_bias",
            num_groups=4,
            groups_kept=2,
            group_score="top2_sum",
        ),
    ),
    "capacity": lambda: moe(k=2, eval_capacity_factor=0.6),
    "batch priority": lambda: moe(k=2, eval_capacity_factor=0.6, drop_order="batch_priority"),
    "lowest scores": lambda: moe(k=2, eval_capacity_factor=0.6, drop_order="score"),
    "two layers": lambda: layers.MixtureOfExperts(layers.MLPExperts(3, 4), k=2),
    "many experts": lambda: layers.MixtureOfExperts(layers.DenseExperts(12, 3), k=2),
    "threshold": lambda: routed(type="threshold"),
    "relu": lambda: routed(type="relu"),
    "relu of many": lambda: layers.MixtureOfExperts(layers.DenseExperts(6, 3), router="relu"),
    "dense": lambda: routed(type="dense"),
    "uniform": lambda: routed(type="uniform"),
    "cosine": lambda: routed(type="cosine", k=2),
    "hierarchical": lambda: routed(type="hierarchical", k=2, num_groups=2, groups_kept=1),
    "dselect_k": lambda: routed(type="dselect_k", k=2),
    "expert_choice": lambda: routed(type="expert_choice"),
    "sinkhorn": lambda: routed(type="sinkhorn", k=2),
    "balanced": lambda: routed(type="balanced", k=2),
    "tied": lambda: layers.MixtureOfExperts(layers.TiedExperts(4, 5), k=2),
    "cross": lambda: layers.CrossMixture({"type": "low_rank", "num_experts": 4, "rank": 3}),
    "template": lambda: layers.MixtureOfExperts(
        keras.Sequential([keras.layers.Dense(5), keras.layers.LayerNormalization()]),
        num_experts=4,
        k=2,
    ),
    "depths": lambda: at_two_depths(),
    "gates": lambda: of_gates({"type": "top_k", "k": 1}, {"type": "top_k", "k": 2}),
    "gates that open all": lambda: of_gates("dense", {"type": "relu"}),
}


def at_two_depths():
    layer = layers.DepthSharedMixtureOfExperts(layers.MLPExperts(4, 8), num_depths=2)
    return lambda x: layer(layer(x, depth=0), depth=1)


def of_gates(*routers):
    routers = dict(zip("ab", routers, strict=True))
    layer = layers.MultiGateMixtureOfExperts(layers.DenseExperts(4, 3), routers)
    return lambda x: keras.layers.Concatenate()(list(layer(x).values()))


def model_of_rows(names=tuple(OF_ROWS)):
    inputs = keras.Input((6,))
    return inputs, {name: OF_ROWS[name]()(inputs) for name in names}


def model_of_sequences():
    """Token ids, 0 for padding, and sequences of any length."""
    ids = keras.Input((None,), dtype="int32")
    masked = keras.layers.Embedding(20, 6, mask_zero=True)(ids)
    plain = keras.layers.Embedding(20, 6)(ids)
    mixed = {
        "masked": moe(k=2)(masked),
        "masked capacity": moe(k=2, eval_capacity_factor=0.7)(masked),
        "hash": moe(router=layers.HashRouter(20, k=2))(plain, token_ids=ids),
        "soft": layers.SoftMixtureOfExperts(layers.MLPExperts(4, 8))(masked),
    }
    return ids, {n: keras.layers.GlobalAveragePooling1D()(x) for n, x in mixed.items()}


def model_of_examples():
    """Experts of whole examples."""
    inputs = keras.Input((6, 4))
    conv = layers.MixtureOfExperts(keras.layers.Conv1D(3, 3, padding="same"), num_experts=3, k=2)
    dense = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(5)])
    flat = layers.MixtureOfExperts(layers.LayerExperts(dense, 3), k=1)
    return inputs, {"conv": keras.layers.Flatten()(conv(inputs)), "flat": flat(inputs)}


MODELS = {"rows": model_of_rows, "sequences": model_of_sequences, "examples": model_of_examples}


def draw(kind, batch):
    rng = np.random.default_rng(batch)
    if kind == "sequences":
        return rng.integers(0, 5, size=(batch, 3 + batch % 4)).astype("int32")
    return rng.normal(size=(batch, 6) if kind == "rows" else (batch, 6, 4)).astype("float32")


def onnx_reader(path):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    return lambda x: session.run(None, {entry.name: x})[0]


def litert_reader(path):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(str(path))
    (entry,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()

    def read(x):
        interpreter.resize_tensor_input(entry["index"], x.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(entry["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(result["index"])

    return read


READERS = {
    "onnx": ("model.onnx", onnx_reader, ("onnxruntime", "tf2onnx")),
    "litert": ("model.tflite", litert_reader, ("ai_edge_litert",)),
}


@pytest.fixture(scope="module")
def built():
    models = {}

    def get(kind):
        if kind not in models:
            keras.utils.set_random_seed(0)
            inputs, outputs = MODELS[kind]()
            joined = keras.layers.Concatenate()(list(outputs.values()))
            model = keras.Model(inputs, joined)
            model(draw(kind, 2))  # Keras exports no model that was never called.
            ends = np.cumsum([output.shape[-1] for output in outputs.values()])
            models[kind] = model, dict(zip(outputs, ends, strict=True))
        return models[kind]

    return get


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("format", READERS)
def test_a_runtime_computes_the_same(format, kind, built, tmp_path):
    file, reader, needed = READERS[format]
    for package in needed:
        pytest.importorskip(package)
    model, ends = built(kind)
    model.export(str(tmp_path / file), format=format, verbose=False)
    read = reader(str(tmp_path / file))
    for batch in BATCHES:
        x = draw(kind, batch)
        actual, expected, start = read(x), np.asarray(model(x, training=False)), 0
        for name, end in ends.items():
            np.testing.assert_allclose(
                actual[:, start:end],
                expected[:, start:end],
                rtol=1e-4,
                atol=1e-5,
                err_msg=f"{name}, batch of {batch}",
            )
            start = end


def test_a_static_batch_smaller_than_the_bank(tmp_path):
    """With fewer rows than experts, only some slices are computed."""
    pytest.importorskip("onnxruntime")
    inputs = keras.Input((6,))
    model = keras.Model(inputs, layers.MixtureOfExperts(layers.MLPExperts(16, 4), k=2)(inputs))
    expected = model(draw("rows", 3))
    file = str(tmp_path / "model.onnx")
    signature = [keras.InputSpec(shape=(3, 6), dtype="float32")]
    model.export(file, format="onnx", input_signature=signature, verbose=False)
    np.testing.assert_allclose(onnx_reader(file)(draw("rows", 3)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "names",
    [
        ("top_k", "groups", "gates"),
        pytest.param(tuple(OF_ROWS), marks=pytest.mark.slow),
    ],
    ids=["some", "all"],
)
def test_the_graph_of_a_saved_model_is_portable(names, tmp_path):
    """Needs no other runtime: no operation is one that only TensorFlow has."""
    import tensorflow as tf

    inputs, outputs = model_of_rows(names)
    keras.Model(inputs, list(outputs.values())).export(str(tmp_path / "model"), verbose=False)
    graph = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"].graph
    graph = graph.as_graph_def()
    names = {node.op for function in graph.library.function for node in function.node_def}
    assert "SplitV" in names
    of_tensorflow = {"DenseBincount", "DynamicPartition", "InvertPermutation", "UpperBound"}
    assert not names & {*of_tensorflow, "UnsortedSegmentSum"}
