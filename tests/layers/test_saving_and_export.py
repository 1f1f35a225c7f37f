"""An exported model serves any batch and assigns nothing."""

import keras
import numpy as np
import pytest

from sparse_keras.layers import FeatureGate, GLUExperts, MixtureOfExperts, TiedExperts, TopKRouter


def everything_model(optimizer="adam"):
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(20, 6, mask_zero=True),
            FeatureGate(),
            MixtureOfExperts(
                GLUExperts(4, 8, dropout=0.1),
                router=TopKRouter(jitter=0.1, z_loss=0.1),
                shared_expert=keras.layers.Dense(6),
                capacity_factor=1.25,
                eval_capacity_factor=2.0,
            ),
            MixtureOfExperts(TiedExperts(4, 5), router="relu"),
            MixtureOfExperts(keras.layers.Dense(3), num_experts=4, router="threshold"),
            keras.layers.GlobalAveragePooling1D(),
        ]
    )
    model.compile(optimizer, "mse", run_eagerly=True)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 20, size=(13, 7)).astype("int32")
    model.fit(x, rng.normal(size=(13, 3)), batch_size=5, verbose=0)
    return model, x


@pytest.mark.slow
@pytest.mark.tensorflow
def test_exported_graph(tmp_path):
    import tensorflow as tf

    model, x = everything_model()
    model.export(str(tmp_path / "exported"), verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "exported"))
    for rows, columns in ((1, 7), (3, 4), (13, 7)):
        batch = x[:rows, :columns]
        np.testing.assert_allclose(
            loaded.serve(batch), model(batch), rtol=1e-5, atol=1e-6, err_msg=str(batch.shape)
        )
    graph = loaded.signatures["serving_default"].graph.as_graph_def()
    nodes = [node.op for node in graph.node]
    nodes += [node.op for function in graph.library.function for node in function.node_def]
    assert "MatMul" in nodes  # The search does look inside the functions.
    assert [op for op in nodes if "Assign" in op] == []
