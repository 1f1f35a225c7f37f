"""What `Features.from_dict` refuses: encodings that were edited or damaged."""

import copy

import numpy as np
import pytest

from sparse_keras.data import Features, Target
from sparse_keras.data.tabular.csr import SparseColumns, TextColumn
from sparse_keras.data.tabular.encoded_columns import CategoricalColumn, NumericColumn
from sparse_keras.data.tabular.multi_target import MultiTarget
from sparse_keras.data.tabular.selection import Selection

TARGET = Target("rich", "binary", ("no", "yes"))
COLUMNS = Features(
    TARGET,
    (NumericColumn("age", 40.0, 9.0, (18.0, 30.0, 60.0), True), NumericColumn("flat", 1.0, 0.0)),
    (CategoricalColumn("job", ("clerk", "smith")),),
    weight="weight",
    selection=Selection("auto", ("age", "job"), {"age": 0.5, "job": float("nan")}, ({"count": 2},)),
)
WORDS = Features(TARGET, texts=(TextColumn("text", ("a", "b"), (1.0, 2.0)),))
MATRIX = Features(TARGET, sparse=SparseColumns(3, ("a", "b", "c"), 0.1))
SEVERAL = Features(
    MultiTarget("both", (TARGET, Target("pay", "regression", (), 3.0, 2.0))),
    (NumericColumn("age", 40.0, np.float64(9.0)),),
)


@pytest.mark.parametrize("features", [COLUMNS, WORDS, MATRIX, SEVERAL])
def test_what_was_saved_is_read(features):
    assert Features.from_dict(features.to_dict()) == features


@pytest.mark.parametrize(
    ("features", "path", "value", "message"),
    [
        (COLUMNS, "categorical.0.vocabulary", "abc", "categorical.0.vocabulary: .*valid list"),
        (COLUMNS, "categorical.0.vocabulary", ["a", "a"], "'a' is listed twice"),
        (COLUMNS, "categorical.0.vocabulary", ["a", None], "vocabulary.1: .*valid string"),
        (COLUMNS, "numeric.0.boundaries", [18.0, 60.0, 30.0], "ascending numbers; 30 comes after"),
        (COLUMNS, "numeric.0.boundaries", [1.0, 1.0], "ascending numbers"),
        (COLUMNS, "numeric.0.std", float("nan"), "numeric.0.std: .*finite"),
        (COLUMNS, "numeric.0.std", -1.0, "greater than or equal to 0. Received: -1.0"),
        (COLUMNS, "numeric.0.mean", None, "numeric.0.mean: .*valid number"),
        (COLUMNS, "numeric.1.name", "age", "'age' is listed twice"),
        (COLUMNS, "numeric.0.has_missing", 1, "has_missing: .*valid boolean"),
        (COLUMNS, "categorical", {}, "categorical: .*valid list"),
        (COLUMNS, "target.task", "ranking", "target.task: .*'binary'"),
        (COLUMNS, "target.classes", ["no"], "target: a target of 1 classes cannot be binary"),
        (COLUMNS, "target.classes", ["no", "no"], "'no' is listed twice"),
        (COLUMNS, "selection.chosen", None, "selection.chosen"),
        (SEVERAL, "target.targets.1.std", -2.0, "target.targets.1.std"),
        (WORDS, "texts.0.idf", [1.0], "1 weights of 2 words"),
        (WORDS, "texts.0.ngram_max", -1, "ngram_max"),
        (MATRIX, "sparse.type", "image", "'matrix', 'text'"),
        (MATRIX, "sparse.width", -3, "sparse.matrix.width: .*greater than or equal to 1"),
        (MATRIX, "sparse.names", ["a"], "1 names of 3 columns"),
    ],
)
def test_what_was_edited_is_refused(features, path, value, message):
    content = copy.deepcopy(features.to_dict())
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    node = content
    for key in parents:
        node = node[key]
    node[last] = value
    with pytest.raises(ValueError, match=f"is damaged or was edited, at .*{message}"):
        Features.from_dict(content)


@pytest.mark.parametrize("content", [None, [], {}, {"target": 1, "numeric": [], "categorical": []}])
def test_what_is_none_at_all(content):
    with pytest.raises(ValueError, match="is damaged or was edited"):
        Features.from_dict(content)
