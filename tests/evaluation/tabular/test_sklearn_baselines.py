import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import sparse_keras
from sparse_keras.data import MultiTarget, SparseTable, Target, fit_features, fit_sparse
from sparse_keras.evaluation.compare import _applicable
from sparse_keras.evaluation.standard_contenders import contenders_of
from sparse_keras.evaluation.tabular.sklearn_baselines import Boosting, Linear

RNG = np.random.default_rng(0)
ROWS = 400


def table(**target):
    """Numbers with gaps, many categories, and a category that is missing."""
    number = RNG.normal(size=ROWS)
    frame = pd.DataFrame(
        {
            "number": np.where(RNG.random(ROWS) < 0.1, np.nan, number),
            "constant": 1.0,
            "kind": RNG.choice(["a", "b", None], ROWS),
            "many": [f"category {i % 300}" for i in range(ROWS)],
        }
    )
    return frame.assign(**target), number


def fitted(model, frame, target, weight=None):
    features = fit_features(frame, target, weight=weight)
    return model(features, seed=0).fit(frame)


@pytest.mark.parametrize("model", [Boosting, Linear])
class TestBaseline:
    def test_binary(self, model, tmp_path):
        frame, number = table()
        frame["y"] = np.where(number + (frame["kind"] == "a") > 0.5, "yes", "no")
        made = fitted(model, frame, Target("y", "binary", ("no", "yes")))
        predictions = made.predict(frame)
        assert predictions.shape == (ROWS, 1)
        assert ((predictions[:, 0] > 0.5) == (frame["y"] == "yes")).mean() > 0.9
        # A row by itself, and with what training never saw, is predicted alike.
        np.testing.assert_allclose(made.predict(frame.iloc[7:8]), predictions[7:8])
        strange = frame.iloc[:2].assign(kind="new", number=np.inf, constant=np.nan)
        assert np.isfinite(made.predict(strange)).all()
        joblib.dump(made, tmp_path / "model")
        np.testing.assert_array_equal(joblib.load(tmp_path / "model").predict(frame), predictions)

    def test_texts_are_all_there_is(self, model):
        words = RNG.choice([f"word{n}" for n in range(60)], (ROWS, 5))
        frame = pd.DataFrame({"notes": [" ".join(row) for row in words]})
        frame["y"] = np.where((words < "word30").sum(axis=1) > 2, "yes", "no")
        target = Target("y", "binary", ("no", "yes"))
        features = fit_features(frame, target, columns={"notes": {"type": "text", "ngram_max": 1}})
        made = model(features, seed=0).fit(frame)
        predicted = made.predict(frame)[:, 0] > 0.5
        assert (predicted == (frame["y"] == "yes")).mean() > 0.9

    def test_multiclass_without_rows_of_a_class(self, model):
        frame, number = table()
        frame["y"] = np.where(number > 0, "high", "low")
        frame.loc[0, "y"] = "rare"
        made = fitted(model, frame, Target("y", "multiclass", ("absent", "high", "low", "rare")))
        predictions = made.predict(frame)
        assert predictions.shape == (ROWS, 4)
        np.testing.assert_allclose(predictions.sum(axis=1), 1)
        assert (predictions[:, 0] == 0).all()
        assert ((predictions[:, 1] > 0.5) == (frame["y"] == "high")).mean() > 0.9

    def test_multilabel_with_a_label_that_is_always_there(self, model):
        frame, number = table()
        frame["high"], frame["all"], frame["low"] = number > 0.5, 1, number < -0.5
        made = fitted(model, frame, Target("labels", "multilabel", ("high", "all", "low")))
        predictions = made.predict(frame)
        assert predictions.shape == (ROWS, 3)
        assert (predictions[:, 1] == 1).all()
        for label, column in (("high", 0), ("low", 2)):
            assert ((predictions[:, column] > 0.5) == frame[label]).mean() > 0.9

    def test_regression(self, model):
        frame, number = table(y=0.0)
        frame["y"] = 100 + 10 * number
        predictions = fitted(model, frame, Target("y", "regression")).predict(frame)
        assert predictions.shape == (ROWS, 1)
        known = frame["number"].notna()
        assert np.corrcoef(predictions[known, 0], frame["y"][known])[0, 1] > 0.9

    def test_only_numbers_or_only_categories(self, model):
        frame, number = table()
        frame["y"] = np.where(number > 0, "yes", "no")
        for columns in (["number"], ["kind", "many"]):
            part = frame[[*columns, "y"]]
            made = fitted(model, part, Target("y", "binary", ("no", "yes")))
            assert made.predict(part).shape == (ROWS, 1)

    def test_several_targets_with_missing_labels(self, model):
        frame, number = table()
        frame["up"] = np.where(number > 0, "yes", "no")
        frame["size"] = 5 * number
        # What is wrong about these rows would be learned if they were.
        frame.loc[number > 1, "up"] = None
        frame.loc[number < -1, "size"] = np.nan
        target = MultiTarget(
            "both", (Target("up", "binary", ("no", "yes")), Target("size", "regression"))
        )
        made = fitted(model, frame, target.fitted(frame))
        predictions = made.predict(frame)
        assert set(predictions) == {"up", "size"}
        known = frame["number"].notna()
        right = (predictions["up"][:, 0] > 0.5) == (number > 0)
        assert right[known].mean() > 0.8
        middle = known & (np.abs(number) < 1)
        assert np.corrcoef(predictions["size"][middle, 0], number[middle])[0, 1] > 0.8

    def test_rows_of_weight_0_teach_nothing(self, model):
        frame, number = table()
        frame["y"] = np.where(number > 0, "yes", "no")
        frame["count"] = (np.arange(ROWS) < 300).astype(float)
        turned = frame.copy()
        turned.loc[300:, "y"] = np.where(number[300:] > 0, "no", "yes")
        target = Target("y", "binary", ("no", "yes"))
        first, second = (fitted(model, one, target, "count") for one in (frame, turned))
        np.testing.assert_allclose(first.predict(frame), second.predict(frame))


def sparse_table(rows=300):
    matrix = scipy.sparse.random(rows, 50, density=0.1, random_state=0, format="csr")
    y = np.where(matrix[:, 0].toarray()[:, 0] > matrix[:, 1].toarray()[:, 0], "up", "down")
    return SparseTable(matrix, pd.DataFrame({"y": y}))


def test_sparse_rows_stay_sparse(monkeypatch):
    table = sparse_table()
    features = fit_sparse(table, Target("y", "binary", ("down", "up")))

    def dense(*args, **kwargs):
        raise AssertionError("made dense")

    monkeypatch.setattr(scipy.sparse.csr_matrix, "toarray", dense)
    made = Linear(features).fit(table)
    predictions = made.predict(table)
    assert ((predictions[:, 0] > 0.5) == (table.targets["y"] == "up")).mean() > 0.9
    np.testing.assert_allclose(made.predict(table[5:6]), predictions[5:6])


def test_boosting_is_left_out_of_sparse_rows():
    table = sparse_table()

    class Data:
        features = fit_sparse(table, Target("y", "binary", ("down", "up")))
        frames = {"train": table}

    config = sparse_keras.load_config("tabular/sparse_mlp_adult")
    contenders = contenders_of(config)
    applicable, reasons = _applicable(contenders, config, Data)
    names = [contender.name for contender in contenders]
    assert [contender.name for contender in applicable] == [name for name in names if name != "hgb"]
    assert list(reasons) == ["hgb"] and "300 x 50" in reasons["hgb"]
