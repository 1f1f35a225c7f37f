"""What is learned from training rows."""

import json

import numpy as np
import pandas as pd
import pytest

from sparse_keras.data import Features, Target, fit_features

BINARY = Target("y", "binary", ("no", "yes"))


def frame(**columns):
    rows = len(next(iter(columns.values())))
    return pd.DataFrame(columns | {"y": (["no", "yes"] * rows)[:rows]})


def test_statistics_by_hand():
    features = fit_features(frame(a=[1.0, 3.0, np.nan], b=["x", None, "w"]), BINARY, bins="none")
    (a,) = features.numeric
    assert (a.mean, a.std, a.boundaries, a.has_missing) == (2.0, 1.0, (), True)
    assert features.categorical[0].vocabulary == ("w", "x")
    assert features.columns == ("a", "b")


def test_tree_bins_lie_where_the_target_changes():
    # y is 1 for x in {3, 4, 5}: the only useful splits are 2.5 and 5.5, halfway to a neighbour.
    x = np.arange(9)
    table = pd.DataFrame({"x": x, "y": np.where((x >= 3) & (x <= 5), "yes", "no")})
    assert fit_features(table, BINARY).numeric[0].boundaries == (0.0, 2.5, 5.5, 8.0)
    # max_bins 2 leaves room for one split.
    assert fit_features(table, BINARY, max_bins=2).numeric[0].num_bins == 2


def test_tree_bins_of_large_neighbours():
    # Seconds since 1970: float32 cannot tell these apart.
    x = 1_700_000_000 + np.arange(4)
    table = pd.DataFrame({"x": x, "y": ["no", "no", "yes", "yes"]})
    boundaries = fit_features(table, BINARY).numeric[0].boundaries
    assert [edge - 1_700_000_000 for edge in boundaries] == [0.0, 1.5, 3.0]


@pytest.mark.parametrize(
    "target, columns",
    [
        (Target("y", "multiclass", (0, 1, 2)), {"y": [0, 0, 1, 1, 2, 2]}),
        (Target("y", "regression"), {"y": [5.0, 5.0, 6.0, 6.0, 9.0, 9.0]}),
        (
            Target("labels", "multilabel", ("p", "q")),
            {"p": [0, 0, 1, 1, 1, 1], "q": [0, 0, 0, 0, 1, 1]},
        ),
    ],
)
def test_tree_bins_for_every_task(target, columns):
    features = fit_features(pd.DataFrame({"x": range(6)} | columns), target)
    assert features.columns == ("x",)
    assert features.numeric[0].boundaries == (0.0, 1.5, 3.5, 5.0)


def test_quantile_bins_are_distinct():
    # Quantiles 0, 1/4, .. 1 of [0, 0, 0, 0, 4]: 0, 0, 0, 0, 4.
    features = fit_features(frame(x=[0, 0, 0, 0, 4]), BINARY, bins="quantile", max_bins=4)
    assert features.numeric[0].boundaries == (0.0, 4.0)
    features = fit_features(frame(x=[0, 1, 2, 3, 4]), BINARY, bins="quantile", max_bins=2)
    assert features.numeric[0].boundaries == (0.0, 2.0, 4.0)


@pytest.mark.parametrize("bins", ["tree", "quantile", "none"])
def test_a_constant_column_is_zero(bins):
    features = fit_features(frame(x=[0.1] * 7), BINARY, bins=bins)
    assert features.numeric[0].num_bins == 0
    assert features.encode({"x": [0.1, 7.0, np.nan]})["numeric"].tolist() == [[0.0]] * 3


def test_large_and_tiny_numbers_stay_finite():
    table = frame(big=[-9e99, 9e99, 0.0, 1.0], tiny=[0.0, 5e-324, 1e-320, 0.0])
    features = fit_features(table, BINARY)
    assert np.isfinite(features.encode(table)["numeric"]).all()


def test_dtypes_give_the_kind():
    table = frame(
        integer=[1, 2], real=[0.5, 1.5], text=["a", "b"], flag=[True, False], mixed=[1, "a"]
    )
    table["category"] = pd.Series([7, 8], dtype="category")
    table["nullable"] = pd.Series([7, None], dtype="Int64")
    features = fit_features(table, BINARY)
    assert [c.name for c in features.numeric] == ["integer", "real", "nullable"]
    vocabularies = {c.name: c.vocabulary for c in features.categorical}
    assert vocabularies == {
        "text": ("a", "b"),
        "flag": ("false", "true"),
        "mixed": ("1", "a"),
        "category": ("7", "8"),
    }
    # The same category, whatever type the raw row gives it.
    row = {"integer": 1, "real": 1, "text": "a", "mixed": "1", "nullable": 7}
    for flag, category in ((True, 7), ("True", 7.0), (np.True_, "7")):
        codes = features.encode(row | {"flag": flag, "category": category})["categorical"]
        assert codes.tolist() == [[2, 3, 2, 2]]


def test_regression_target_statistics():
    table = pd.DataFrame({"x": [1, 2, 3, 4], "y": [1.0, 3.0, 1.0, 3.0]})
    target = fit_features(table, Target("y", "regression")).target
    assert (target.mean, target.std, target.outputs) == (2.0, 1.0, 1)


def test_json_round_trip_encodes_identically():
    rng = np.random.default_rng(0)
    table = frame(a=rng.standard_normal(200), b=rng.choice(["x", "y", None], 200))
    table.loc[::7, "a"] = np.nan
    features = fit_features(table, BINARY)
    restored = Features.from_dict(json.loads(json.dumps(features.to_dict(), allow_nan=False)))
    assert restored == features
    for key, array in features.encode(table).items():
        np.testing.assert_array_equal(restored.encode(table)[key], array)


@pytest.mark.parametrize(
    "columns, kwargs, message",
    [
        ({"x": [1.0, np.inf]}, {}, r"'x' must hold finite numbers .* Received 1 infinite"),
        ({"x": [np.nan, np.nan]}, {}, r"Column 'x' is missing in every training row"),
        ({"x": ["?", None]}, {}, r"Column 'x' is missing in every training row"),
        (
            {"x": [*map(str, range(60)), "n.k."]},
            {},
            r"60 distinct numbers, and 'n.k.' in 1 row. If they mean",
        ),
        ({"x": [1, 2]}, {"bins": "trees"}, r"bins must be .* Did you mean 'tree'\?"),
        ({"x": [1, 2]}, {"max_bins": 1}, r"max_bins must be at least 2. Received: 1"),
    ],
)
def test_columns_that_cannot_be_learned(columns, kwargs, message):
    with pytest.raises(ValueError, match=message):
        fit_features(frame(**columns), BINARY, **kwargs)


def test_no_inputs():
    with pytest.raises(ValueError, match="at least one column beside the target 'y'"):
        fit_features(pd.DataFrame({"y": ["no", "yes"]}), BINARY)


def test_numbered_columns_of_dates():
    frame = pd.DataFrame({0: pd.date_range("2024-01-01", periods=4), "y": [0, 1, 0, 1]})
    features = fit_features(frame, Target("y", "binary", (0, 1)))
    assert features.dates[0].name == 0 and features.encode(frame)["numeric"].shape[0] == 4
    with pytest.raises(ValueError, match="must be a dict from columns"):
        fit_features(frame, Target("y", "binary", (0, 1)), columns=["x"])


def test_tables_of_any_kind():
    pyarrow = pytest.importorskip("pyarrow")
    table = frame(a=[1.0, 3.0, 2.0], b=["x", "v", "w"])
    expected = fit_features(table, BINARY).to_dict()
    columns = {name: list(table[name]) for name in table}
    for other in (columns, pyarrow.Table.from_pandas(table), table.set_index("a", drop=False)):
        assert fit_features(other, BINARY).to_dict() == expected
    with pytest.raises(ValueError, match="Expected a DataFrame, a dict .*Received: ndarray"):
        fit_features(np.zeros((2, 2)), BINARY)
