"""`numeric_embedding` in the models of tables: where it stands, and what it costs."""

import keras
import numpy as np
import pandas as pd
import pytest

import sparse_keras
from sparse_keras.data import load_data
from sparse_keras.layers import FeatureGate
from sparse_keras.models import dense_mlp, flops_per_example, sparse_mlp
from sparse_keras.training.building import build_network
from tests.support.quick import slow_but_for
from tests.support.tables import with_inputs

pytestmark = pytest.mark.usefixtures("eager_module")

MLP = {"type": "mlp", "num_experts": 6, "hidden_dim": 5}
# Two columns: values, bins of both, an indicator of the second.
COLUMNS = {
    "numeric_dim": 6,
    "numeric_groups": [0, 1, 0, 0, 1, 1],
    "numeric_kinds": ["value", "value", "bin", "bin", "bin", "missing"],
}
PIECEWISE = {"type": "piecewise_linear", "dim": 3}
PERIODIC = {"type": "periodic", "dim": 3, "frequencies": 2}
BUILDERS = {
    "sparse_mlp": lambda **arguments: sparse_mlp(experts=MLP, **with_inputs(arguments)),
    "dense_mlp": lambda **arguments: dense_mlp(hidden_dim=5, **with_inputs(arguments)),
}


@pytest.mark.parametrize("builder", BUILDERS.values(), ids=BUILDERS)
@pytest.mark.parametrize(
    "embedding, width, embedded",
    [
        # Two columns of 3 numbers; the kernel has a row for each of the 6 features.
        (PIECEWISE, 2 * 3, 6 * 3),
        # The bins stay beside it. Two columns, two frequencies, sine and cosine.
        (PERIODIC, 2 * 3 + 3, 2 * 2 * 2 * 3),
    ],
)
def test_it_replaces_the_features_and_is_counted(builder, embedding, width, embedded):
    model = builder(**COLUMNS, stem=8, cardinalities=(5,), embedding_dim=4)
    with_embedding = builder(
        **COLUMNS, stem=8, cardinalities=(5,), embedding_dim=4, numeric_embedding=embedding
    )
    assert model.get_layer("stem").kernel.shape == (6 + 4, 8)
    assert with_embedding.get_layer("stem").kernel.shape == (width + 4, 8)
    more = flops_per_example(with_embedding) - flops_per_example(model)
    assert more == 2 * (embedded + (width - 6) * 8)


@pytest.mark.parametrize(
    "embedding, groups",
    [
        (PIECEWISE, [0, 0, 0, 1, 1, 1, 2, 2]),
        (PERIODIC, [0, 0, 0, 1, 1, 1, 0, 0, 1, 2, 2]),
    ],
)
def test_a_gate_closes_a_column_with_its_embedding_and_bins(embedding, groups):
    model = BUILDERS["sparse_mlp"](
        **COLUMNS,
        cardinalities=(9,),
        embedding_dim=2,
        feature_gate={"gate": "threshold"},
        numeric_embedding=embedding,
    )
    (gate,) = (layer for layer in model.layers if isinstance(layer, FeatureGate))
    assert gate.groups == groups
    gate.logits.assign([5.0, -5.0, 5.0])
    rng = np.random.default_rng(0)
    x = {"numeric": rng.normal(size=(4, 6)).astype("float32"), "categorical": np.ones((4, 1))}
    first, second = (dict(x, numeric=x["numeric"].copy()) for _ in range(2))
    first["numeric"][:, [1, 4, 5]] += 1.0  # The closed column.
    second["numeric"][:, [0, 2, 3]] += 1.0
    predict = model.predict(x, verbose=0)
    np.testing.assert_array_equal(model.predict(first, verbose=0), predict)
    assert np.any(model.predict(second, verbose=0) != predict)


@pytest.mark.parametrize("embedding", slow_but_for([PIECEWISE], [PIECEWISE, PERIODIC]))
def test_saves_and_exports(embedding, tmp_path):
    model = BUILDERS["sparse_mlp"](**COLUMNS, numeric_embedding=embedding)
    x = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    expected = model.predict(x, verbose=0)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), expected)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        model.export(tmp_path / "exported", verbose=False)
        served = tf.saved_model.load(tmp_path / "exported")
        np.testing.assert_allclose(served.serve(x), expected, rtol=1e-5, atol=1e-6)


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 300))
    frame = pd.DataFrame({"x": x, "z": np.where(rng.random(300) < 0.2, np.nan, z)})
    frame["kind"] = rng.choice(list("abc"), 300)
    frame["y"] = (x + rng.normal(size=300) > 0).astype(int)
    frame.to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "own.yaml").write_text(
        "extends: tabular/sparse_mlp\ndata: {type: csv, path: table.csv, target: y}\n"
    )
    return tmp_path / "own.yaml"


@pytest.mark.parametrize("embedding", ["{type: piecewise_linear, dim: 4}", "{type: periodic}"])
def test_a_config_passes_the_kinds_of_its_columns(table, embedding):
    config = sparse_keras.load_config(table, [f"model.numeric_embedding={embedding}"])
    data = load_data(config)
    kinds = data.features.numeric_kinds
    bins = sum(column.num_bins for column in data.features.numeric)
    assert kinds == ("value",) * 2 + ("bin",) * bins + ("missing",)
    assert len(kinds) == data.features.numeric_dim
    layer = build_network(config, data).get_layer("numeric_embedding")
    assert layer.kinds == list(kinds)
    # A missing value is told from the mean, which is 0 as well.
    x = np.zeros((2, len(kinds)), "float32")
    x[1, -1] = 1.0
    mean, missing = keras.ops.convert_to_numpy(layer(x))
    changed = (mean != missing).reshape(2, -1)
    assert not changed[0].any() and changed[1].any()
    twin = sparse_keras.dense_twin(config, data)
    assert twin.model.numeric_embedding == config.model.numeric_embedding


def test_an_embedding_of_bins_needs_bins(table):
    overrides = ["model.numeric_embedding={type: piecewise_linear}", "data.bins=none"]
    with pytest.raises(ValueError, match="numeric_embedding.*data.bins"):
        sparse_keras.load_config(table, overrides)


def test_an_unknown_embedding():
    with pytest.raises(ValueError, match="Did you mean 'periodic'"):
        BUILDERS["sparse_mlp"](**COLUMNS, numeric_embedding={"type": "periodical", "dim": 2})
