"""`data.features`: which raw columns are chosen, and what is kept of the choice."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import sparse_keras
from sparse_keras.data import Features, RawTable, SparseTable, Target, load_data
from sparse_keras.data.tabular.multi_target import MultiTarget
from sparse_keras.data.tabular.select_columns import (
    MAX_CATEGORIES,
    _indicators,
    select_columns,
    target_columns,
)
from sparse_keras.data.tabular.selection import Selection
from sparse_keras.data.tabular.table import _selected
from sparse_keras.feature_selection import UnivariateSelector
from sparse_keras.schema.sections.tabular.feature_selection import SELECTIONS

TARGET = Target("y", "binary", ("no", "yes"))


def section(type, **keys):
    return SELECTIONS.sections[type](**keys)


@pytest.fixture(scope="module")
def frame():
    """Rows whose class depends on a number with gaps and on a category; the rest is noise."""
    rng = np.random.default_rng(0)
    rows = 800
    strong, color = rng.normal(size=rows), rng.choice(list("abcd"), rows)
    y = strong + 1.5 * np.isin(color, ["a", "c"]) + 0.5 * rng.normal(size=rows) > 0.7
    frame = pd.DataFrame(
        {
            "noise": rng.normal(size=rows),
            "color": color,
            "id": [f"name {number // 2}" for number in range(rows)],
            "strong": 1000.0 + 50.0 * strong,
            "shape": rng.choice(["round", "flat"], rows),
            "same": 1.0,
            "y": np.where(y, "yes", "no"),
        }
    )
    frame.loc[::9, "strong"] = np.nan
    frame.loc[::7, "color"] = None
    return frame


@pytest.mark.parametrize("type", SELECTIONS.sections)
def test_every_method_finds_the_columns_that_matter(type, frame):
    keys = {"count": 2} if type != "auto" else {"methods": ["univariate", "l1", "dbscan"]}
    if type == "k_means":
        keys["n_clusters"] = 20
    selection = select_columns(frame, TARGET, section(type, **keys))
    assert {"strong", "color"} <= set(selection.chosen)
    if type != "auto":
        assert len(selection.chosen) == 2 and selection.method == type
        assert set(selection.left_out) == {"noise", "id", "shape", "same"}
        best = max(selection.scores, key=selection.scores.get)
        assert best in ("strong", "color")
    else:
        assert selection.searched[0]["method"] == "all"
        assert sum(row["chosen"] for row in selection.searched) == 1
    assert set(selection.scores) == set(frame.columns) - {"y"}


def test_scores_are_those_of_a_direct_computation(frame):
    selection = select_columns(frame, TARGET, section("univariate", count=2))
    y = (frame.y == "yes").to_numpy()
    filled = frame.strong.fillna(frame.strong.mean()).to_numpy()
    x = [filled, *((frame.color == color).to_numpy() for color in "abcd"), frame.color.isna()]
    scores = UnivariateSelector().fit(np.stack(x, axis=1).astype(float), y).scores_
    np.testing.assert_allclose(selection.scores["strong"], scores[0], rtol=1e-4)
    np.testing.assert_allclose(selection.scores["color"], scores[1:].max(), rtol=1e-6)
    assert selection.scores["same"] == 0


def test_indicators():
    codes = np.array([0, 2, 2, 3, 3, 3])
    np.testing.assert_array_equal(_indicators(codes), np.eye(3)[[2, 1, 1, 0, 0, 0]])
    assert _indicators(np.array([0, 1, 1])).tolist() == [[0], [1], [1]]
    assert _indicators(np.zeros(3, int)).tolist() == [[1], [1], [1]]
    many = _indicators(np.concatenate([np.arange(50), np.arange(30, 50)]))
    assert many.shape == (70, MAX_CATEGORIES + 1) and (many.sum(axis=1) == 1).all()
    assert many[:, -1].sum() == 30  # those that come once share a column


def test_several_targets_and_missing_labels(frame):
    rng = np.random.default_rng(1)
    frame = frame.assign(
        amount=frame.noise * 3 + rng.normal(size=len(frame)),
        shade=np.where(frame["shape"] == "round", "x", rng.choice(list("xz"), len(frame))),
    )
    frame.loc[::2, "shade"] = None
    target = MultiTarget(
        "all", (TARGET, Target("amount", "regression"), Target("shade", "multiclass", ("x", "z")))
    )
    columns = target_columns(target, frame)
    assert [column.num_classes for column in columns] == [2, 0, 2]
    assert columns[0].known is None and columns[2].known.sum() == 400
    for type in ("univariate", "pagerank", "l1"):
        selection = select_columns(frame, target, section(type, count=4))
        assert set(selection.chosen) == {"strong", "color", "noise", "shape"}, type
        assert "amount" not in selection.scores


def test_labels(frame):
    frame = frame.assign(one=(frame.noise > 0).astype(int), two=(frame.y == "yes").astype(int))
    target = Target("labels", "multilabel", ("one", "two"))
    selection = select_columns(frame.drop(columns="y"), target, section("univariate", count=3))
    assert set(selection.chosen) == {"noise", "strong", "color"}


def test_rows_are_drawn_by_the_seed(frame):
    def scores(seed):
        options = section("univariate", count=2, max_rows=300)
        return select_columns(frame, TARGET, options, seed).scores

    assert scores(0) == scores(0) != scores(1)
    whole = section("univariate", count=2, max_rows=None)
    assert select_columns(frame, TARGET, whole).scores["strong"] > scores(0)["strong"]


def test_more_columns_than_there_are_is_told(frame):
    with pytest.raises(ValueError, match="data.features.count: 7 columns.*there are 6"):
        select_columns(frame, TARGET, section("l1", count=7))


def test_what_is_kept_survives_json(frame):
    for type, keys in (("univariate", {"count": 0.5}), ("auto", {"methods": ["univariate"]})):
        selection = select_columns(frame, TARGET, section(type, **keys))
        content = json.loads(json.dumps(selection.to_dict(), allow_nan=False))
        assert Selection.from_dict(content) == selection
        features = Features(TARGET, selection=selection)
        assert Features.from_dict(json.loads(json.dumps(features.to_dict()))) == features
    assert "selection" not in Features(TARGET).to_dict()


def test_a_column_that_separates_the_classes_has_a_finite_score(frame):
    perfect = frame.assign(perfect=(frame.y == "yes") * 1.0)
    selection = select_columns(perfect, TARGET, section("univariate", count=1))
    assert selection.chosen == ("perfect",)
    json.dumps(selection.to_dict(), allow_nan=False)


CONFIG = """
version: 1
data:
  type: csv
  path: table.csv
  target: y
  columns: {id: categorical}
  features: {type: univariate, count: 2}
model: {type: dense_mlp, hidden_dim: 8, stem: 8}
optimizer: {type: adam}
training: {epochs: 1}
"""


@pytest.fixture
def config(frame, tmp_path):
    frame.to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "config.yaml").write_text(CONFIG)

    def load(*overrides):
        return sparse_keras.load_config(tmp_path / "config.yaml", overrides)

    return load


def test_only_training_rows_choose(config, frame):
    data = load_data(config())
    assert set(data.features.columns) == {"strong", "color"}
    train = data.frames["train"]
    assert set(train) == {"strong", "color", "y"}
    # The same choice and the same scores from the same rows, whatever the others hold.
    whole = load_data(config("data.features=null"))
    again = select_columns(whole.frames["train"], data.features.target, config().data.features)
    assert again == data.features.selection
    assert data.digest() != whole.digest()


def test_it_is_shown(config):
    data = load_data(config())
    assert "2 of 6 columns, chosen by univariate" in repr(data)
    kinds = {name: (kind, detail) for name, kind, detail in data.features.kinds()}
    assert kinds["strong"][1].endswith(f"score {data.features.selection.scores['strong']:.3g}")
    left_out = [name for name, (kind, _) in kinds.items() if kind == "left out"]
    assert left_out == list(data.features.selection.left_out)
    many = Selection("l1", ("a",), {name: float(ord(name)) for name in "abcdefgh"})
    assert many.kinds()[-1] == ("2 more", "left out", "scores up to 99")


@pytest.mark.usefixtures("eager_functions")
@pytest.mark.tensorflow
def test_the_saved_model_needs_the_chosen_columns_only(config, frame, tmp_path):
    run = sparse_keras.train(config(), output=tmp_path / "runs", verbose=0)
    model = sparse_keras.load_model(run.path)
    assert model.preprocessor.features.selection == run.model.preprocessor.features.selection
    rows = frame[["strong", "color"]]
    np.testing.assert_array_equal(model.predict(rows), run.model.predict(frame))


def test_matrices_have_no_columns_to_choose_among(tmp_path):
    (tmp_path / "table.svmlight").write_text("1 1:0.5 3:2\n0 2:1\n1 1:1\n0 3:0.5\n" * 10)
    (tmp_path / "config.yaml").write_text(
        "version: 1\ndata: {type: svmlight, path: table.svmlight}\n"
        "model: {type: dense_mlp, hidden_dim: 8}\n"
    )
    path = tmp_path / "config.yaml"
    with pytest.raises(ValueError, match="data.features: unknown key"):
        sparse_keras.load_config(path, ["data.features={type: univariate}"])
    assert load_data(sparse_keras.load_config(path)).features.selection is None
    # Those of a plug-in may have the key.
    options = SimpleNamespace(features=section("univariate"), split_seed=0)
    table = SparseTable(scipy.sparse.csr_array(np.eye(2)), pd.DataFrame({"y": [0, 1]}))
    with pytest.raises(ValueError, match="data.features: own has no columns to choose among"):
        _selected(RawTable("own", table, table, TARGET), table, options)
