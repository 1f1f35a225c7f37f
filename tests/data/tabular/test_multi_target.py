"""Several targets: their encoding with missing labels, statistics, bins and splits."""

import json

import numpy as np
import pandas as pd
import pytest

from sparse_keras.data import Features, MultiTarget, Target, fit_features
from sparse_keras.data.tabular.multi_target import as_matrix, target_of
from sparse_keras.data.tabular.splits import hold_out

INCOME = Target("income", "binary", ("low", "high"))
AGE = Target("age", "regression")
JOB = Target("job", "multiclass", ("a", "b", "c"))
TAGS = Target("tags", "multilabel", ("p", "q"))
FRAME = pd.DataFrame(
    {
        "x": [1.0, 2.0, 3.0, 4.0],
        "income": ["high", "?", "low", None],
        "age": [10.0, np.nan, 20.0, 60.0],
        "job": [None, "c", "b", "a"],
        "p": [1, 0, None, 1],
        "q": [0, 0, None, 1],
    }
)
ALL = MultiTarget("all", (INCOME, AGE, JOB, TAGS))


def test_labels_that_are_missing_are_filled_and_said():
    assert ALL.task == "multitask" and ALL.columns == ("income", "age", "job", "p", "q")
    y, present = ALL.encode(FRAME), ALL.present(FRAME)
    assert {name: array.tolist() for name, array in y.items()} == {
        "income": [1, 0, 0, 0],
        "age": [10, 0, 20, 60],
        "job": [0, 2, 1, 0],
        "tags": [[1, 0], [0, 0], [0, 0], [1, 1]],
    }
    assert {name: array.dtype.name for name, array in y.items()} == {
        "income": "float32",
        "age": "float32",
        "job": "int32",
        "tags": "float32",
    }
    assert {name: array.tolist() for name, array in present.items()} == {
        "income": [True, False, True, False],
        "age": [True, False, True, True],
        "job": [False, True, True, True],
        "tags": [True, True, False, True],
    }


def test_what_is_there_must_be_right():
    with pytest.raises(ValueError, match="'hihg'.*Did you mean 'high'"):
        ALL.encode(FRAME.assign(income=["high", None, "hihg", "low"]))
    with pytest.raises(ValueError, match="Label 'q' must be 0 or 1.*nothing in row 3"):
        ALL.encode(FRAME.assign(p=[1, 0, 1, 1]))
    with pytest.raises(ValueError, match="'age' is missing or infinite.*row 4"):
        ALL.encode(FRAME.assign(age=[1.0, None, 2.0, np.inf]))


@pytest.mark.parametrize(
    "targets, message",
    [
        ((AGE,), "at least two targets. Received: 'age'"),
        ((AGE, AGE), "a name of its own. Received twice: 'age'"),
        ((TAGS, Target("p", "regression")), "a column of its own. Received twice: 'p'"),
    ],
)
def test_targets_that_are_no_several(targets, message):
    with pytest.raises(ValueError, match=message):
        MultiTarget("all", targets)


def test_decodes_to_a_table():
    decoded = ALL.as_task().decode(
        {
            "income": [[0.9], [0.2]],
            "age": [[1.5], [2.5]],
            "job": [[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]],
            "tags": [[0.9, 0.1], [0.2, 0.6]],
        }
    )
    assert decoded.to_dict("list") == {
        "income": ["high", "low"],
        "age": [1.5, 2.5],
        "job": ["c", "a"],
        "p": [True, False],
        "q": [False, True],
    }


def test_choosing_some():
    assert target_of("people", (INCOME, AGE), ["age"]) is AGE
    assert target_of("people", (INCOME, AGE), ["age", "income"]).names == ("age", "income")
    with pytest.raises(ValueError, match="targets of people.*Did you mean 'age'"):
        target_of("people", (INCOME, AGE), ["aeg"])


def test_statistics_are_of_the_labels_that_are_there_and_survive_json():
    features = fit_features(FRAME, ALL, bins="none")
    income, age, *_ = features.target.targets
    assert (age.mean, age.std) == (30.0, pytest.approx(np.std([10, 20, 60])))
    assert income == INCOME and features.columns == ("x",)
    assert Features.from_dict(json.loads(json.dumps(features.to_dict()))) == features
    told = "targets income (binary), age (regression), job (multiclass), tags (multilabel)"
    assert repr(features).endswith(told)
    assert [kind for _, kind, _ in features.kinds()] == ["numeric"] + ["target"] * 4
    with pytest.raises(ValueError, match="'job' is missing in every training row"):
        fit_features(FRAME.assign(job=None), ALL)


def test_a_tree_sees_all_targets_alike():
    """One asks for a cut at 0, the other at 1; a large unit, or many classes, weigh no more."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 2, 2000)
    frame = pd.DataFrame(
        {
            "x": x,
            "income": np.where(x > 0, "high", "low"),
            "age": np.where(x > 1, 1e6, 0.0),
        }
    )
    frame.loc[rng.random(2000) < 0.3, "income"] = None
    target = MultiTarget("both", (INCOME, AGE))
    (column,) = fit_features(frame, target, max_bins=3).numeric
    np.testing.assert_allclose(column.boundaries[1:3], [0, 1], atol=0.02)
    matrix = as_matrix(target, frame)
    there = frame["income"].notna()
    assert (matrix[~there, 0] == 0).all()
    np.testing.assert_allclose((matrix[there, 0].var(), matrix[:, 1].var()), 1)
    classes = as_matrix(MultiTarget("both", (JOB, AGE)), FRAME)
    assert classes.shape == (4, 4)
    assert classes[1:, :3].var(axis=0).sum() == pytest.approx(1)


def test_each_combination_of_classes_gives_its_part():
    rng = np.random.default_rng(0)
    rows = 4000
    frame = pd.DataFrame(
        {
            "income": rng.choice(["high", "low", None], rows, p=[0.1, 0.6, 0.3]),
            "age": np.where(rng.random(rows) < 0.2, np.nan, 1.0),
            "job": rng.choice(["a", "b", "c"], rows, p=[0.495, 0.495, 0.01]),
        }
    )
    target = MultiTarget("three", (INCOME, AGE, JOB))
    kept, held = hold_out(frame, target, 0.25, seed=0)
    assert len(held) == 1000
    # Only combinations with a "c" may be too few for a part of their own.
    common = held[held["job"] != "c"]
    sizes = common.groupby(["income", "job", common["age"].isna()], dropna=False).size()
    whole = frame[frame["job"] != "c"]
    wholes = whole.groupby(["income", "job", whole["age"].isna()], dropna=False).size()
    np.testing.assert_allclose(sizes, wholes / 4, atol=1)
    assert 5 <= (held["job"] == "c").sum() <= 15


def test_combinations_of_single_rows_are_drawn_too():
    frame = pd.DataFrame({"x": range(40), "u": range(40), "v": list(range(20)) * 2})
    many = [Target(name, "multiclass", tuple(range(40))) for name in ("u", "v")]
    _, held = hold_out(frame, MultiTarget("many", tuple(many)), 0.25, seed=0)
    assert len(held) == 10
