"""Files that were saved once load and predict the same for ever, on every backend.

`tools/write_golden_files.py` wrote them. If one of these tests fails, the code is wrong, not the
file: users have such files, too.
"""

import pathlib

import keras
import numpy as np
import pandas as pd
import pytest

import sparse_keras
from sparse_keras.callbacks import ExpertLoad

pytestmark = pytest.mark.usefixtures("eager_functions")

FILES = pathlib.Path(__file__).parent / "files"


@pytest.mark.parametrize("name", ["routers", "banks", "token_routers"])
def test_a_model_predicts_as_it_did_and_can_be_trained_on(name):
    stored = np.load(FILES / f"{name}.npz")
    model = keras.models.load_model(FILES / f"{name}.keras")
    predictions = keras.tree.flatten(model.predict(stored["x"], verbose=0))
    for number, array in enumerate(predictions):
        expected = stored[f"predictions_{number}"]
        np.testing.assert_allclose(array, expected, rtol=1e-4, atol=1e-5)
    targets = keras.tree.map_structure(np.zeros_like, model.predict(stored["x"], verbose=0))
    history = model.fit(stored["x"], targets, callbacks=[ExpertLoad()], verbose=0).history
    assert np.isfinite(history["loss"]).all() and np.isfinite(history["load_violation"]).all()


@pytest.mark.parametrize("name", ["table_run", "multitask_run"])
def test_a_run_predicts_raw_rows_as_it_did(name):
    model = sparse_keras.load_model(FILES / name)
    rows = pd.read_csv(FILES / f"{name}.csv")
    expected = pd.read_csv(FILES / f"{name}_predictions.csv")
    predicted = model.predict_frame(rows, verbose=0)
    pd.testing.assert_frame_equal(predicted, expected, rtol=1e-4, atol=1e-5, check_dtype=False)
    config = sparse_keras.load_config(FILES / name / "resolved.yaml")
    assert config.training.epochs == 2
