"""Tasks, classes and the encoding of targets."""

import numpy as np
import pandas as pd
import pytest

from sparse_keras.data import Target, infer_target


def series(values, **kwargs):
    return pd.Series(values, name="y", **kwargs)


@pytest.mark.parametrize(
    "values, task, classes, encoded, dtype",
    [
        (["yes", "no", "yes "], "binary", ("no", "yes"), [1, 0, 1], "float32"),
        ([0, 1, 1], "binary", (0, 1), [0, 1, 1], "float32"),
        ([1.0, 0.0, 1.0], "binary", (0, 1), [1, 0, 1], "float32"),
        ([True, False, True], "binary", (False, True), [1, 0, 1], "float32"),
        (["b", "c", "a"], "multiclass", ("a", "b", "c"), [1, 2, 0], "int32"),
        ([30, 10, 20], "multiclass", (10, 20, 30), [2, 0, 1], "int32"),
        ([0.5, 2.0, 1.0], "regression", (), [0.5, 2.0, 1.0], "float32"),
        (list(range(51)), "regression", (), list(range(51)), "float32"),
    ],
)
def test_auto(values, task, classes, encoded, dtype):
    target = infer_target(series(values))
    assert target == Target("y", task, classes)
    y = target.encode(series(values))
    assert y.tolist() == encoded and y.dtype == dtype
    assert target.outputs == (len(classes) if task == "multiclass" else 1)


def test_a_named_task_wins():
    assert infer_target(series([1, 2, 3]), "regression").task == "regression"
    assert infer_target(series([*range(60)] * 2), "multiclass").outputs == 60


@pytest.mark.parametrize(
    "values, task, message",
    [
        (["a", None, "b", None], "auto", r"missing in 2 of 4 rows, first in row 2"),
        (["a", "a"], "auto", r"at least two values. Received 1 distinct value: 'a'"),
        (["a", "b", "c"], "binary", r"exactly two values .* 3 distinct values: 'a', 'b', 'c'"),
        (["a", "b"], "regression", r"must hold numbers for task 'regression'"),
        ([f"id{i}" for i in range(1001)], "auto", r"at most 1000 classes. .*text or identifiers"),
        (list(range(1001)), "multiclass", r"at most 1000 classes.*Use task 'regression'"),
        (["a", "b"], "multi", r"task must be .* Did you mean 'multi"),
    ],
)
def test_targets_that_cannot_be_used(values, task, message):
    with pytest.raises(ValueError, match=message):
        infer_target(series(values), task)


def test_encode_refuses_what_it_does_not_know():
    target = Target("y", "multiclass", ("cat", "dog", "cow"))
    with pytest.raises(ValueError, match=r"Received: 'dgo' \(1 rows .*Did you mean 'dog'"):
        target.encode(["cat", "dgo"])
    with pytest.raises(ValueError, match=r"'y' is missing in 1 of 2 rows, first in row 2"):
        target.encode(["cat", None])
    with pytest.raises(
        ValueError, match=r"'y' is missing or infinite .* in 2 of 3 rows, first in row 2"
    ):
        Target("y", "regression").encode([1.0, np.nan, 1e39])


def test_multilabel():
    target = Target("labels", "multilabel", ("p", "q"))
    table = pd.DataFrame({"x": [5, 6], "q": [1, 0], "p": [0, 0]})
    assert target.outputs == 2 and target.columns == ("p", "q")
    assert target.encode(table).tolist() == [[0.0, 1.0], [0.0, 0.0]]
    assert target.encode(np.array([[1, 0]])).dtype == np.float32
    with pytest.raises(ValueError, match=r"shape \[N, 2\]. Received shape: \[1, 3\]"):
        target.encode(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="must all be 0 or 1"):
        target.encode(np.full((1, 2), 0.5))


def test_decode_undoes_encode():
    binary = Target("y", "binary", ("no", "yes"))
    assert binary.as_task().decode([[0.2], [0.5], [0.9]]).tolist() == ["no", "yes", "yes"]
    assert binary.as_task().decode([0.2, 0.9]).tolist() == ["no", "yes"]
    multiclass = Target("y", "multiclass", (10, 20, 30))
    assert multiclass.as_task().decode([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1]]).tolist() == [30, 10]
    assert Target("y", "regression").as_task().decode([[1.5], [2.5]]).tolist() == [1.5, 2.5]
    labels = Target("labels", "multilabel", ("p", "q")).as_task().decode([[0.1, 0.8]])
    assert labels.to_dict("list") == {"p": [False], "q": [True]}


def test_declared_words_and_numbers_of_a_target_are_missing():
    number = Target("y", "regression", missing_values=(-999, "unknown"))
    table = pd.DataFrame({"y": [1.0, -999, 3.0]})
    assert number.missing(table).tolist() == [False, True, False]
    text = pd.DataFrame({"y": ["1", "unknown", "-999", "NA", "2.5"]})
    assert number.missing(text).tolist() == [False, True, True, True, False]
    assert number.encode_present(text)[0].tolist() == [1.0, 0.0, 0.0, 0.0, 2.5]
    classes = Target("y", "binary", (0, 1), missing_values=(-9,))
    assert classes.missing(pd.DataFrame({"y": [0, 1, -9]})).tolist() == [False, False, True]


def test_a_class_that_pandas_reads_as_missing_is_named():
    target = Target("y", "multiclass", ("Apnea", "Insomnia", "None"))
    with pytest.raises(ValueError, match=r"missing in 1 of 2 rows.*the class 'None'\?.*keep_def"):
        target.encode(pd.Series(["Apnea", None], name="y"))
