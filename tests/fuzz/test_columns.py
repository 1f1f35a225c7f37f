"""Every kind of column is encoded alike: in Python, from a file, stored, in one row, exported."""

import json
import os

import numpy as np
import pytest

from sparse_keras.data import Features, Target, fit_features, read_table
from sparse_keras.data.tabular.missing import MissingValues
from tests.fuzz.columns import make_table

CASES = int(os.environ.get("SPARSE_KERAS_FUZZ_CASES", "8"))
SEED = int(os.environ.get("SPARSE_KERAS_FUZZ_SEED", "1"))


def assert_equal(encoded, expected, **tolerances):
    assert encoded.keys() == expected.keys()
    for name, array in expected.items():
        one, other = (
            value.toarray() if name == "sparse" else value for value in (encoded[name], array)
        )
        np.testing.assert_allclose(one, other, err_msg=name, **tolerances)


@pytest.mark.parametrize("case", range(CASES))
def test_columns_are_encoded_alike(case, tmp_path):
    frame, kinds = make_table([SEED, case])
    features = fit_features(
        frame.assign(plain=frame.plain.map(_number)) if "plain" in frame else frame,
        Target("y", "binary", (0, 1)),
        bins="quantile",
        max_bins=4,
        missing=MissingValues(("never",)),
        columns=kinds,
    )
    expected = features.encode(frame)
    assert np.isfinite(expected.get("numeric", np.zeros(1))).all()

    stored = Features.from_dict(json.loads(json.dumps(features.to_dict())))
    assert stored == features
    assert_equal(stored.encode(frame), expected)

    frame.to_csv(tmp_path / "table.csv", index=False)
    assert_equal(features.encode(read_table(tmp_path / "table.csv")), expected)

    for row in (0, len(frame) - 1):
        one = features.encode(frame.iloc[row].to_dict())
        assert_equal(one, {name: array[[row]] for name, array in expected.items()})


def _number(text):
    return np.nan if text.strip() in ("", "?", "nan", "never") else float(text)


@pytest.mark.tensorflow
@pytest.mark.parametrize("case", range(CASES))
def test_a_saved_model_encodes_alike(case):
    tf = pytest.importorskip("tensorflow")
    from sparse_keras.data.tabular.tensorflow_export import Encoder, raw_tensors

    frame, kinds = make_table([SEED, case])
    frame = frame.assign(plain=frame.plain.map(_number)) if "plain" in frame else frame
    missing = MissingValues(("never",))
    features = fit_features(
        frame, Target("y", "binary", (0, 1)), max_bins=4, missing=missing, columns=kinds
    )
    new, _ = make_table([SEED, case, 1], rows=9, names=features.columns)
    tensors = {name: tf.constant(array) for name, array in raw_tensors(features, new).items()}
    encoded = Encoder(features)(tensors)
    expected = features.encode(new)
    encoded = encoded if isinstance(encoded, dict) else {next(iter(expected)): encoded}
    for name, array in expected.items():
        one = tf.sparse.to_dense(encoded[name]) if name == "sparse" else encoded[name]
        other = array.toarray() if name == "sparse" else array
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6, err_msg=name)
