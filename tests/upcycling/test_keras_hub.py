import keras
import numpy as np
import pytest
from keras import ops

import sparse_keras
from sparse_keras.layers.mixtures.mixture import mixtures

keras_hub = pytest.importorskip("keras_hub")

pytestmark = pytest.mark.filterwarnings("ignore")  # Of KerasHub on new versions of Keras.
RNG = np.random.default_rng(5)
COMMON = {"vocabulary_size": 30, "num_layers": 2, "hidden_dim": 8}
QUERIES = {**COMMON, "num_query_heads": 2, "num_key_value_heads": 2, "intermediate_dim": 12}
HEADS = {**COMMON, "num_heads": 2, "intermediate_dim": 12}
BACKBONES = {
    "Llama": QUERIES,
    "Mistral": {**QUERIES, "sliding_window": 8},
    "Qwen": QUERIES,
    "Bert": {**HEADS, "max_sequence_length": 8},
    "GPT2": {**HEADS, "max_sequence_length": 8},
    "GPTNeoX": {**HEADS, "hidden_dim": 16},
}


def backbone(family):
    model = getattr(keras_hub.models, f"{family}Backbone")(**BACKBONES[family])
    for weight in model.trainable_weights:
        weight.assign(weight + 0.2 * RNG.normal(size=weight.shape))
    return model


def inputs(family):
    ids = RNG.integers(1, 30, (3, 6))
    mask = np.arange(6) < np.array([6, 4, 2])[:, None]
    x = {"token_ids": ids * mask, "padding_mask": mask.astype("int32")}
    return {**x, "segment_ids": np.zeros_like(ids)} if family == "Bert" else x


def outputs(model, x):
    found = model(x)
    found = found["sequence_output"] if isinstance(found, dict) else found
    return ops.convert_to_numpy(found)[x["padding_mask"].astype(bool)]


@pytest.mark.parametrize("family", BACKBONES)
def test_outputs_are_those_of_the_dense_model(family, tmp_path):
    dense, x = backbone(family), inputs(family)
    sparse = sparse_keras.upcycle(dense, 6, split=2)
    expected = outputs(dense, x)
    np.testing.assert_allclose(outputs(sparse, x), expected, rtol=1e-4, atol=1e-5)
    assert len(mixtures(sparse)) == 2 and not mixtures(dense)
    assert "mixture" in mixtures(sparse)[0].router.kernel.path
    bank = sum(w.shape[0] == 6 for w in sparse.weights)
    assert bank == 2 * len(mixtures(sparse)[0].experts.weights)
    sparse.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(outputs(loaded, x), outputs(sparse, x), atol=1e-6)


def test_a_task_generates_the_same_text_and_trains():
    dense = keras_hub.models.LlamaCausalLM(backbone=backbone("Llama"), preprocessor=None)
    router = {"type": "top_k", "k": 2, "balance_loss": 0.01}
    sparse = sparse_keras.upcycle(dense, 4, layers=["transformer_layer_1"], router=router)
    assert type(sparse) is type(dense) and isinstance(sparse.backbone, type(dense.backbone))
    prompt = {"token_ids": np.array([[3, 7, 2, 0, 0]]), "padding_mask": np.array([[1, 1, 1, 0, 0]])}
    for model in (dense, sparse):
        model.compile(sampler="greedy", run_eagerly=True)
    texts = [
        np.array(model.generate(prompt, stop_token_ids=None)["token_ids"])
        for model in (dense, sparse)
    ]
    np.testing.assert_array_equal(*texts)
    (mixture,) = mixtures(sparse)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    sparse.compile("sgd", loss, run_eagerly=True)
    x = inputs("Llama")
    sparse.fit(x, x["token_ids"], verbose=0)
    kernels = np.array(mixture.experts.up.kernel)
    assert all(np.abs(kernels[0] - kernels[e]).max() > 0 for e in range(1, 4))
    # Padding is not routed.
    assert mixture.routing_statistics()["assigned"] == 2 * x["padding_mask"].sum()


def test_the_head_of_a_task_is_carried_over():
    dense = keras_hub.models.BertTextClassifier(
        backbone=backbone("Bert"), num_classes=3, preprocessor=None
    )
    for weight in dense.trainable_weights:
        weight.assign(weight + 0.2 * RNG.normal(size=weight.shape))
    sparse, x = sparse_keras.upcycle(dense, 4), inputs("Bert")
    np.testing.assert_allclose(sparse(x), dense(x), rtol=1e-4, atol=1e-5)


def test_errors():
    with pytest.raises(ValueError, match="transformer_layer_1"):
        sparse_keras.upcycle(backbone("Llama"), 4, layers="transformer_layer_2")
    with pytest.raises(ValueError, match="no dense feed-forward layer"):
        sparse_keras.upcycle(sparse_keras.upcycle(backbone("Llama"), 4), 4)
