"""Settings of the baselines, found by validation rows."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import sparse_keras
from sparse_keras.evaluation.tabular import tuning
from sparse_keras.evaluation.tabular.sklearn_baselines import Boosting, Linear


@pytest.mark.parametrize("kind", [Boosting, Linear])
def test_the_best_settings_by_validation_rows_are_taken(kind):
    config = sparse_keras.load_config("tabular/sparse_mlp_breast_cancer")
    data = sparse_keras.load_data(config)
    made = []

    class Recorded(kind):
        def __init__(self, settings):
            super().__init__(data.features, 0, settings)
            made.append(self)

        def predict(self, frame):
            assert frame is data.frames["validation"]
            return super().predict(frame)

    best = tuning.tuned_settings(Recorded, data, trials=3)
    fitted = [baseline for baseline in made if hasattr(baseline, "models")]
    assert [baseline.settings == {} for baseline in fitted] == [True, False, False]
    aucs = [
        roc_auc_score(data.validation.y, baseline.predict(data.frames["validation"]))
        for baseline in fitted
    ]
    assert best == fitted[int(np.argmax(aucs))].settings
    drawn = fitted[1].settings
    assert drawn == kind(data.features).draw_settings(np.random.default_rng(0))
    assert drawn != fitted[2].settings
    model = fitted[1].models[0]
    for name, value in drawn.items():
        assert getattr(model, name) == value


def test_tuning_needs_validation_rows():
    overrides = ["data.validation_fraction=0", "training.early_stopping=null"]
    config = sparse_keras.load_config("tabular/sparse_mlp_breast_cancer", overrides)
    data = sparse_keras.load_data(config)
    with pytest.raises(ValueError, match="--tune"):
        tuning.tuned_settings(lambda settings: None, data, 2)
