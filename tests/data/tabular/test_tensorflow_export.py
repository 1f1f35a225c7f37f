"""The SavedModel that takes raw rows: the same encoding and predictions as in Python."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from sparse_keras.data import (
    Features,
    TableInputs,
    TablePreprocessor,
    Target,
    fit_features,
    infer_target,
)
from sparse_keras.data.tabular.encoded_columns import CategoricalColumn, NumericColumn
from sparse_keras.models import PreprocessedModel, dense_mlp, sparse_mlp

pytestmark = pytest.mark.tensorflow
tf = pytest.importorskip("tensorflow")

MIXED = pd.DataFrame(
    {
        "age": [20.0, 30.0, np.nan, 50.0, 60.0, 25.0],
        "hours per week": [1, 2, 3, 4, 5, 6],
        "job": [" cook", "smith", "cook", None, "smith", "TRUE"],
        "rich": ["no", "yes", "maybe", "yes", "yes", "no"],
    }
)


def tabular_model(frame, target, build=dense_mlp, **arguments):
    features = fit_features(frame, target, bins="quantile", max_bins=3)
    core = build(inputs=features.inputs(), task=target.as_task(), stem=8, **arguments)
    return PreprocessedModel(core, TablePreprocessor(features))


@pytest.fixture(scope="module")
def model():
    experts = {"type": "mlp", "num_experts": 4, "hidden_dim": 3}
    return tabular_model(MIXED, infer_target(MIXED["rich"]), sparse_mlp, experts=experts)


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "exported"
    model.export(folder)
    return folder


def tensors(model, table):
    from sparse_keras.data.tabular.tensorflow_export import raw_tensors

    columns = raw_tensors(model.preprocessor.features, table)
    return {name: tf.constant(array) for name, array in columns.items()}


@pytest.mark.parametrize("rows", [1, 2, 6])
def test_predicts_as_the_model_does(model, exported, rows):
    loaded = tf.saved_model.load(exported)
    served = loaded.serve(tensors(model, MIXED.iloc[:rows]))
    expected = model.predict(MIXED.iloc[:rows], verbose=0)
    np.testing.assert_allclose(served["prediction"], expected, atol=1e-6)
    classes = [text.decode() for text in served["class"].numpy()]
    assert classes == list(model.predict_target(MIXED.iloc[:rows], verbose=0))


@pytest.mark.slow
def test_works_where_there_is_only_tensorflow(model, exported, tmp_path):
    """In another process, by the names in columns.json and plain tensors."""
    code = """
import json, sys
sys.modules["keras"] = sys.modules["sparse_keras"] = sys.modules["pandas"] = None
import tensorflow as tf
folder = sys.argv[1]
inputs = json.load(open(folder + "/assets.extra/columns.json"))["inputs"]
row = {"age": float("nan"), "hours per week": 4, "job": "smith "}
loaded = tf.saved_model.load(folder)
serve = loaded.signatures["serving_default"]
tensors = {i["tensor"]: tf.constant([row[name]], i["dtype"]) for name, i in inputs.items()}
print(json.dumps(serve(**tensors)["prediction"].numpy().tolist()))
"""
    command = [sys.executable, "-c", code, str(exported)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    row = {"age": None, "hours per week": 4, "job": "smith"}
    expected = model.predict(row, verbose=0)
    np.testing.assert_allclose(json.loads(done.stdout), expected, atol=1e-6)


def test_numbers_are_encoded_alike():
    """Every block: constant and far values, infinities, missing ones with and without indicator."""
    from sparse_keras.data.tabular.tensorflow_export import Encoder

    features = Features(
        Target("y", "regression"),
        numeric=(
            NumericColumn("a", 3.0, 2.0, (0.0, 1.0, 5.0), True),
            NumericColumn("constant", 7.0, 0.0),
            NumericColumn("b", 1.7e9, 0.5, (1.7e9, 1.7e9 + 1), False),
            NumericColumn("c", 0.0, 1e-3, (), True),
        ),
    )
    values = np.array([np.nan, -np.inf, np.inf, 0.5, 4.0, 1.7e9 + 0.25, -1e300, 7.0])
    table = {name: np.roll(values, shift) for shift, name in enumerate(features.columns)}
    encoded = Encoder(features)({name: tf.constant(array) for name, array in table.items()})
    np.testing.assert_array_equal(encoded, features.encode(table)["numeric"])
    assert encoded.dtype == tf.float32


BLANK = "\u00a0\u2003\t\x1c\x85\u3000"


def test_text_is_encoded_alike():
    from sparse_keras.data.tabular.tensorflow_export import Encoder, raw_tensors

    vocabulary = ("-1", "1", "1.0", "a b", "true", "täglich", "日本")
    features = Features(Target("y", "regression"), (), (CategoricalColumn("c", vocabulary),))
    values = [" a b ", f"{BLANK}日本{BLANK}", "Täglich", "täglich\n", "", "  ", " ? ", "NaN", "nan"]
    values += ["TRUE", " True", "trues", "1.0", "1", "never seen", "a  b", "none", "None"]
    as_text = Encoder(features)({"c": tf.constant(values)})
    np.testing.assert_array_equal(as_text, features.encode({"c": values})["categorical"])
    others = [1, 1.0, True, np.False_, None, np.nan, 2.5, -1.0, b"a b", pd.NA]
    sent = raw_tensors(features, {"c": others})
    encoded = Encoder(features)({"c": tf.constant(sent["c"])})
    np.testing.assert_array_equal(encoded, features.encode({"c": others})["categorical"])


@pytest.mark.parametrize(
    "target, outputs",
    [
        (infer_target(MIXED["age"].fillna(1.5).rename("age"), "regression"), {"prediction"}),
        (infer_target(MIXED["rich"].replace("maybe", "no")), {"prediction", "class"}),
        (Target("labels", "multilabel", ("x", "y")), {"prediction"}),
    ],
)
def test_tasks(target, outputs, tmp_path):
    frame = MIXED.assign(
        age=MIXED["age"].fillna(1.5), rich=MIXED["rich"].replace("maybe", "no"), x=1, y=0
    )
    model = tabular_model(frame, target, hidden_dim=4)
    model.export(tmp_path / "exported")
    loaded = tf.saved_model.load(tmp_path / "exported")
    served = loaded.serve(tensors(model, frame))
    assert set(served) == outputs
    expected = model.predict(frame, verbose=0)
    np.testing.assert_allclose(served["prediction"], expected, rtol=1e-5, atol=1e-6)
    if "class" in served:
        decided = model.predict_target(frame, verbose=0)
        assert [text.decode() for text in served["class"].numpy()] == list(decided)


NAMES = ("Age", "age", "a-b", "a.b", "a b", "self", "class", "0n", "_", "日本", "x/y", "columns")


def test_any_column_name_gets_a_tensor(tmp_path):
    from sparse_keras.data.tabular.tensorflow_export import tensor_names

    names = tensor_names(NAMES)
    assert names["Age"] == "Age" and names["a-b"] == "a-b" and names["columns"] == "columns"
    features = Features(Target("y", "regression"), tuple(NumericColumn(n, 0.0, 1.0) for n in NAMES))
    core = dense_mlp(inputs=TableInputs(len(NAMES)), task="regression", hidden_dim=2)
    model = PreprocessedModel(core, TablePreprocessor(features))
    model.export(tmp_path / "exported")
    loaded = tf.saved_model.load(tmp_path / "exported")
    row = dict(zip(NAMES, np.arange(len(NAMES)), strict=True))
    by_column = loaded.serve({name: tf.constant([value], "float64") for name, value in row.items()})
    by_tensor = loaded.signatures["serving_default"](
        **{names[name]: tf.constant([value], "float64") for name, value in row.items()}
    )
    np.testing.assert_array_equal(by_column["prediction"], by_tensor["prediction"])
    np.testing.assert_allclose(by_tensor["prediction"], model.predict(row, verbose=0), rtol=1e-5)


def test_unknown_inputs(model, tmp_path):
    with pytest.raises(ValueError, match="'raw' or 'encoded'.*'rows'"):
        model.export(tmp_path / "exported", inputs="rows")


def test_declared_words_numbers_and_forms_of_unicode_in_the_graph():
    from sparse_keras.data.tabular.tensorflow_export import Encoder, raw_tensors

    features = Features(
        Target("y", "binary", ("no", "yes")),
        (
            NumericColumn("x", 1.0, 2.0, (0.0, 1.0, 2.0), True, (-999, "unknown")),
            NumericColumn("z", 1.0, 2.0, (), True),
        ),
        (CategoricalColumn("c", ("None", "café", "00501"), ("nix",)),),
    )
    table = {
        "x": [-999, 3.0, "unknown", 0.5, 1.0],
        "z": [-999, None, 1.0, 2.0, 3.0],
        "c": ["None", "cafe\u0301", "nix", 501, "NA"],
    }
    tensors = {name: tf.constant(value) for name, value in raw_tensors(features, table).items()}
    served, encoded = Encoder(features)(tensors), features.encode(table)
    assert encoded["categorical"][:, 0].tolist() == [2, 3, 0, 4, 0]
    np.testing.assert_array_equal(served["categorical"], encoded["categorical"])
    np.testing.assert_allclose(served["numeric"], encoded["numeric"], atol=1e-6)
    # Also where the client sends the number itself.
    tensors["x"] = tf.constant([-999, 3.0, np.nan, 0.5, 1.0], "float64")
    np.testing.assert_allclose(Encoder(features)(tensors)["numeric"], encoded["numeric"], atol=1e-6)
