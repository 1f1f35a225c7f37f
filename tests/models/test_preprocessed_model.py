"""PreprocessedModel: raw rows in, predictions out, also from a file."""

import keras
import numpy as np
import pandas as pd
import pytest

from sparse_keras.data import TableInputs, TablePreprocessor, fit_features, infer_target
from sparse_keras.models import PreprocessedModel, dense_mlp, selected_features

pytestmark = pytest.mark.usefixtures("eager_module")

FRAME = pd.DataFrame(
    {
        "age": [20.0, 30.0, np.nan, 50.0, 60.0, 25.0],
        "job": ["cook", "smith", "cook", None, "smith", "cook"],
        "rich": ["no", "yes", "no", "yes", "yes", "no"],
    }
)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)  # Of other weights, all units may be 0 for all rows.
    features = fit_features(FRAME, infer_target(FRAME["rich"]), bins="quantile", max_bins=2)
    core = dense_mlp(inputs=features.inputs(), hidden_dim=4, stem=4)
    return PreprocessedModel(core, TablePreprocessor(features))


def test_raw_rows_predict_as_encoded_ones(model):
    expected = model.core.predict(model.preprocessor.features.encode(FRAME), verbose=0)
    np.testing.assert_array_equal(model.predict(FRAME, verbose=0), expected)
    np.testing.assert_array_equal(model.predict(model.encode(FRAME), verbose=0), expected)
    columns = {name: list(FRAME[name]) for name in ("age", "job")}
    np.testing.assert_array_equal(model.predict(columns, verbose=0), expected)
    one = model.predict({"age": 30, "job": "smith"}, verbose=0)
    np.testing.assert_allclose(one, expected[1:2], rtol=1e-6)


def test_missing_and_unseen_have_a_meaning_of_their_own(model):
    def predict(age, job):
        return model.predict({"age": age, "job": job}, verbose=0).item()

    found = {predict(30, job) for job in ("cook", "smith", None, "never seen")}
    assert len(found) == 4
    assert predict(30, "never seen") == predict(30, "also never seen")
    assert np.isfinite(predict(None, "cook")) and predict(None, "cook") != predict(30, "cook")


def test_predicts_classes(model):
    probability = model.predict(FRAME, verbose=0)[:, 0]
    expected = np.where(probability >= 0.5, "yes", "no")
    np.testing.assert_array_equal(model.predict_target(FRAME, verbose=0), expected)


def test_missing_column(model):
    with pytest.raises(ValueError, match="job"):
        model.predict({"age": [1.0], "jobb": ["cook"]}, verbose=0)


@pytest.mark.tensorflow
def test_tensors_are_columns_too(model):
    import tensorflow as tf

    columns = {"age": tf.constant([30.0, 20.0]), "job": tf.constant(["smith", "cook"])}
    expected = model.predict({"age": [30.0, 20.0], "job": ["smith", "cook"]}, verbose=0)
    np.testing.assert_array_equal(model.predict(columns, verbose=0), expected)


def test_no_rows_no_predictions(model):
    assert model.predict(FRAME.iloc[:0], verbose=0).shape == (0, 1)


@pytest.mark.parametrize("table", [None, {}, FRAME.iloc[0], [{"age": 1, "job": "cook"}]])
def test_what_is_no_table(model, table):
    with pytest.raises(ValueError, match="DataFrame|missing"):
        model.predict(table, verbose=0)


def test_float16_scales_its_loss(model):
    keras.config.set_dtype_policy("mixed_float16")
    core = dense_mlp(inputs=TableInputs(3), hidden_dim=4)
    keras.config.set_dtype_policy("float32")
    half = PreprocessedModel(core, model.preprocessor)
    half.compile("adam", "mse")
    assert isinstance(half.optimizer, keras.optimizers.LossScaleOptimizer)


def test_raw_rows_are_exported_on_tensorflow_only(model, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="on jax.*inputs='encoded'"):
        model.export(tmp_path / "exported")


@pytest.mark.tensorflow
def test_exports_its_network(model, tmp_path):
    import tensorflow as tf

    model.export(tmp_path / "exported", inputs="encoded", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    encoded = {name: tf.constant(array) for name, array in model.encode(FRAME).items()}
    np.testing.assert_allclose(exported.serve(encoded), model.predict(FRAME, verbose=0), rtol=1e-5)


@pytest.mark.tensorflow
def test_other_formats_take_encoded_rows_only(model, tmp_path):
    with pytest.raises(ValueError, match="raw rows.*format='onnx'.*with inputs='encoded'"):
        model.export(tmp_path / "model.onnx", format="onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.tensorflow
# tf2onnx asks NumPy for a name that it no longer has.
@pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")
def test_a_loaded_model_is_exported_to_onnx(model, tmp_path):
    pytest.importorskip("tf2onnx")
    runtime = pytest.importorskip("onnxruntime")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    file = str(tmp_path / "model.onnx")
    loaded.export(file, inputs="encoded", format="onnx", verbose=False)
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    inputs, encoded = [entry.name for entry in session.get_inputs()], model.encode(FRAME)
    (actual,) = session.run(None, {name: encoded[name] for name in inputs})
    np.testing.assert_allclose(actual, model.predict(FRAME, verbose=0), rtol=1e-5, atol=1e-6)


def test_selected_columns(model):
    with pytest.raises(ValueError, match="no feature gate"):
        selected_features(model)
    inputs = model.preprocessor.features.inputs()
    core = dense_mlp(inputs=inputs, hidden_dim=4, feature_gate={"gate": "threshold"})
    gated = PreprocessedModel(core, model.preprocessor)
    assert selected_features(gated) == ["age", "job"]
    core.get_layer("feature_gate").logits.assign([-9.0, 9.0])
    assert selected_features(gated) == ["job"]


def test_saved_model_predicts_the_same(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.preprocessor.features == model.preprocessor.features
    np.testing.assert_array_equal(loaded.predict(FRAME, verbose=0), model.predict(FRAME, verbose=0))


@pytest.fixture(scope="module")
def compiled():
    """Numbers alone and no bins: an encoded row is as wide as a raw one."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": 1000 + 50 * rng.normal(size=60), "b": rng.normal(size=60)})
    frame["rich"] = np.where(frame["a"] > 1000, "yes", "no")
    features = fit_features(frame, infer_target(frame["rich"]), bins="none")
    keras.utils.set_random_seed(0)
    model = PreprocessedModel(
        dense_mlp(inputs=features.inputs(), hidden_dim=4, stem=4), TablePreprocessor(features)
    )
    model.compile(
        keras.optimizers.Adam(0.1),
        **features.target.as_task().compile_arguments(),
        run_eagerly=True,
    )
    model.fit(model.encode(frame), features.encode_target(frame), epochs=15, verbose=0)
    return model, frame


def of_every_library(frame):
    pyarrow = pytest.importorskip("pyarrow")
    tables = {
        "pandas": frame,
        "dict": {name: frame[name].to_numpy() for name in frame},
        "pyarrow": pyarrow.Table.from_pandas(frame, preserve_index=False),
    }
    try:
        import polars
    except ImportError:
        return tables
    return tables | {"polars": polars.DataFrame({name: frame[name].tolist() for name in frame})}


def test_every_method_takes_raw_tables(compiled):
    model, frame = compiled
    x, y = model.encode(frame), model.preprocessor.features.encode_target(frame)
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    assert expected["accuracy"] > 0.9
    for table in of_every_library(frame).values():
        assert model.evaluate(table, verbose=0, return_dict=True) == expected
        np.testing.assert_array_equal(model.predict(table, verbose=0), model.predict(x, verbose=0))
    inputs = frame[["a", "b"]]
    for values in (
        frame["rich"],
        frame["rich"].tolist(),
        frame[["rich"]],
        frame["rich"].to_numpy(),
    ):
        assert model.evaluate(inputs, values, verbose=0, return_dict=True) == expected
    assert model.test_on_batch(inputs, frame["rich"], return_dict=True) == pytest.approx(expected)
    expected = keras.ops.convert_to_numpy(model.core(x))
    np.testing.assert_allclose(model.predict_on_batch(inputs), expected, rtol=1e-6)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(inputs)), expected, rtol=1e-6)


def test_fit_takes_raw_tables(compiled):
    model, frame = compiled
    before = model.get_weights()
    x, y = model.encode(frame), model.preprocessor.features.encode_target(frame)
    losses = []
    for arguments in (
        {"x": x, "y": y, "validation_data": (x, y)},
        {"x": frame, "validation_data": frame},
        {"x": frame[["a", "b"]], "y": frame["rich"], "validation_data": (x, y)},
    ):
        model.set_weights(before)
        history = model.fit(**arguments, shuffle=False, verbose=0, batch_size=60).history
        losses.append((history["loss"][0], history["val_auc"][0]))
    model.set_weights(before)
    assert losses[0][1] == losses[1][1] == losses[2][1]
    # Adam's state differs; the loss before its first step does not.
    assert losses[0][0] == pytest.approx(losses[1][0]) == pytest.approx(losses[2][0])
    assert np.isfinite(model.train_on_batch(frame[["a", "b"]], frame["rich"])).all()
    model.set_weights(before)


def test_arrays_that_cannot_be_encoded_rows_are_refused(compiled):
    model, frame = compiled
    raw = frame[["a", "b"]].to_numpy()
    for method in (model.predict, model.evaluate, model.predict_on_batch):
        with pytest.raises(ValueError, match="must hold encoded columns.*DataFrame or a dict"):
            method(raw)
    with pytest.raises(ValueError, match="must hold encoded columns"):
        model.predict(np.array([[np.nan, 0.0]], "float32"))


@pytest.mark.parametrize("size", [0, -1, 2.5, True])
def test_sizes_of_batches_are_positive(compiled, size):
    model, frame = compiled
    if size is True and keras.backend.backend() != "tensorflow":
        pytest.skip("One entrance is enough.")
    with pytest.raises(ValueError, match="`batch_size` must be a positive integer"):
        model._forward(model.encode(frame), batch_size=size)


def test_raw_targets_that_are_none_of_the_classes(compiled):
    model, frame = compiled
    with pytest.raises(ValueError, match=r"must be one of 'no', 'yes'. Received: '1'"):
        model.evaluate(frame[["a", "b"]], np.ones(60))
    with pytest.raises(ValueError, match=r"needed columns are missing: 'rich'"):
        model.evaluate(frame[["a", "b"]])


def test_a_lazy_table_is_refused():
    polars = pytest.importorskip("polars")
    from sparse_keras.data.tabular.columns import as_frame

    with pytest.raises(ValueError, match="Collect it first"):
        as_frame(polars.LazyFrame({"a": [1]}), ["a"])


def test_a_predicted_frame_has_the_index_of_its_rows(compiled):
    model, frame = compiled
    part = frame.assign(name=frame.index)[frame["b"] > 0.3]
    part["prediction"] = model.predict_frame(part, verbose=0)["prediction"]
    assert (part["prediction"] == part["rich"]).mean() > 0.9
    assert model.predict_frame(part, verbose=0).index.equals(part.index)


def test_weights_of_any_container(compiled):
    model, frame = compiled
    weight = np.arange(60.0)
    expected = model.evaluate(frame, sample_weight=weight, verbose=0)
    for one in (pd.Series(weight), weight.tolist()):
        assert model.evaluate(frame, sample_weight=one, verbose=0) == pytest.approx(expected)


@pytest.mark.parametrize(
    "x, y, message",
    [
        (slice(0, 0), slice(0, 0), "at least 1. Received: 0 rows and 0 targets"),
        (slice(0, 5), slice(0, 4), "Received: 5 rows and 4 targets"),
    ],
)
def test_rows_and_targets_that_do_not_fit(compiled, x, y, message):
    model, frame = compiled
    for method in (model.evaluate, model.train_on_batch, model.test_on_batch, model.fit):
        with pytest.raises(ValueError, match=message):
            method(frame[x], frame["rich"][y])


def test_what_cannot_be_encoded_is_refused_by_name(model, compiled):
    with pytest.raises(ValueError, match="Expected a dict of arrays, 'numeric', 'categorical'"):
        model.predict(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="must hold encoded columns"):
        compiled[0].predict(np.array([["a", "b"]], dtype=object))
    with pytest.raises(ValueError, match="must hold encoded columns"):
        compiled[0].predict(compiled[1].to_records())


def test_batches_of_records_are_tables(compiled):
    pyarrow = pytest.importorskip("pyarrow")
    model, frame = compiled
    batch = pyarrow.RecordBatch.from_pandas(frame)
    np.testing.assert_array_equal(model.predict(batch, verbose=0), model.predict(frame, verbose=0))
