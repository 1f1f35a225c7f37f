"""Encoding against numbers worked out by hand."""

import json

import numpy as np
import pandas as pd
import pytest

from sparse_keras.data import CategoricalColumn, Features, NumericColumn, Target, fit_features
from sparse_keras.data.tabular.numeric_encoding import NumericEncoding

FEATURES = Features(
    target=Target("income", "binary", ("low", "high")),
    numeric=(
        NumericColumn("age", mean=40.0, std=10.0, boundaries=(20.0, 30.0, 50.0, 60.0)),
        NumericColumn("debt", mean=2.0, std=0.5, boundaries=(1.0, 3.0), has_missing=True),
        NumericColumn("height", mean=1.7, std=0.2),
        NumericColumn("constant", mean=5.0, std=0.0),
    ),
    categorical=(
        CategoricalColumn("city", ("Berlin", "Rome")),
        CategoricalColumn("floor", ("1", "2")),
    ),
)
ROW = {"age": 35, "debt": 1.5, "height": 1.8, "constant": 5, "city": "Rome", "floor": 1}


def numeric(**values):
    return FEATURES.encode(ROW | values)["numeric"][0]


def piecewise_linear(values, boundaries):
    column = NumericColumn("x", mean=0.0, std=1.0, boundaries=boundaries)
    return NumericEncoding((column,))(np.asarray(values)[:, None])[:, 1:]


def test_piecewise_linear_by_hand():
    # Bins [20, 30], [30, 50], [50, 60].
    # 20 starts the first bin; 35 fills the first and (35-30)/20 = 0.25 of the second;
    # 50 fills two; beyond 60 all are full, below 20 none is.
    encoded = piecewise_linear(np.array([20, 35, 50, 57, 1e9, -np.inf]), (20, 30, 50, 60))
    expected = [[0, 0, 0], [1, 0.25, 0], [1, 1, 0], [1, 1, 0.7], [1, 1, 1], [0, 0, 0]]
    np.testing.assert_allclose(encoded, expected, rtol=0, atol=1e-7)
    assert piecewise_linear(np.array([1.0, 2.0]), ()).shape == (2, 0)


def test_numeric_blocks_by_hand():
    # Standardised: (35-40)/10 = -0.5; (1.5-2)/0.5 = -1; (1.8-1.7)/0.2 = 0.5; constant: 0.
    # Bins: age 1, 0.25, 0 as above; debt (1.5-1)/2 = 0.25. Indicator of debt: 0.
    assert FEATURES.numeric_dim == 9
    assert FEATURES.numeric_sources == (
        *("age", "debt", "height", "constant"),
        *("age", "age", "age", "debt"),
        "debt",
    )
    np.testing.assert_allclose(numeric(), [-0.5, -1, 0.5, 0, 1, 0.25, 0, 0.25, 0], rtol=1e-6)
    assert numeric().dtype == np.float32


def test_missing_numbers_are_zero_and_indicated_where_training_had_any():
    np.testing.assert_allclose(numeric(debt=None), [-0.5, 0, 0.5, 0, 1, 0.25, 0, 0, 1], rtol=1e-6)
    np.testing.assert_allclose(numeric(age="?"), [0, -1, 0.5, 0, 0, 0, 0, 0.25, 0], rtol=1e-6)


def test_far_and_infinite_numbers_are_clipped():
    # +-100 standard deviations at most; the outermost bin; a constant column stays 0.
    for far in (1e308, np.inf):
        assert numeric(age=far, constant=far).tolist()[:7] == [100, -1, 0.5, 0, 1, 1, 1]
        assert numeric(age=-far)[[0, 4, 5, 6]].tolist() == [-100, 0, 0, 0]


def test_categories():
    table = {
        "city": ["Rome", "Berlin", " Rome ", "Paris", None, "?"],
        "floor": [1, 2.0, "1", 3, np.nan, ""],
    }
    table |= {name: [1.0] * 6 for name in ("age", "debt", "height", "constant")}
    codes = FEATURES.encode(table)["categorical"]
    assert codes.dtype == np.int32
    assert codes.tolist() == [[3, 2], [2, 3], [3, 2], [1, 1], [0, 0], [0, 0]]
    assert FEATURES.cardinalities == (4, 4)


def test_a_row_does_not_depend_on_the_rows_beside_it():
    column = [1, True, 1.0, "1", "true", None, 2]
    table = {name: [ROW[name]] * len(column) for name in ROW}
    together = FEATURES.encode(table | {"floor": column})["categorical"]
    alone = [FEATURES.encode(ROW | {"floor": v})["categorical"][0] for v in column]
    assert together.tolist() == np.array(alone).tolist()


def test_no_rows():
    encoded = FEATURES.encode({name: [] for name in ROW})
    assert encoded["numeric"].shape == (0, 9) and encoded["categorical"].shape == (0, 2)


def test_only_the_keys_there_are():
    target = FEATURES.target
    assert FEATURES.encode(ROW).keys() == {"numeric", "categorical"}
    assert Features(target, numeric=FEATURES.numeric).encode(ROW).keys() == {"numeric"}
    assert Features(target, categorical=FEATURES.categorical).encode(ROW).keys() == {"categorical"}


def test_encoding_leaves_the_table_alone():
    table = pd.DataFrame([ROW | {"age": np.nan}, ROW])
    before = table.copy()
    FEATURES.encode(table)
    pd.testing.assert_frame_equal(table, before)


def test_missing_columns_are_all_named():
    row = {name: value for name, value in ROW.items() if name not in ("age", "floor")}
    with pytest.raises(ValueError, match=r"'age'.*'floor'. Did you mean 'floors'\?") as error:
        FEATURES.encode(row | {"floors": 1})
    assert "2 of 6 needed columns" in str(error.value)


def test_json_round_trip():
    content = FEATURES.to_dict()
    through_json = json.loads(json.dumps(content, allow_nan=False))
    assert through_json == content
    restored = Features.from_dict(through_json)
    assert restored == FEATURES
    for key, array in FEATURES.encode(ROW).items():
        np.testing.assert_array_equal(restored.encode(ROW)[key], array)


def test_kinds():
    expected = [
        ("age", "numeric", "3 bins"),
        ("debt", "numeric", "1 bins; some missing"),
        ("height", "numeric", ""),
        ("constant", "numeric", "constant"),
        ("city", "categorical", "2 categories"),
        ("floor", "categorical", "2 categories"),
        ("income", "target", "binary: 'low', 'high'"),
    ]
    assert FEATURES.kinds() == expected
    assert Features.from_dict(FEATURES.to_dict()).kinds() == expected
    rows = pd.DataFrame([ROW, ROW | {"debt": None}, ROW | {"city": "?"}, ROW])
    shown = {name: detail for name, _, detail in FEATURES.kinds(rows)}
    assert shown["debt"] == "1 bins; missing 25.0%"
    assert shown["city"] == "2 categories; missing 25.0%"
    assert shown["age"] == "3 bins"


ZIPS = CategoricalColumn("zip", ("00501", "10001", "1.50", "2", "02"))


def test_numbers_are_categories_that_were_text_in_training():
    """pandas reads zip codes as numbers, without leading zeros."""
    codes = ZIPS.encode(pd.Series([501, 10001, 99], dtype="int64"))
    assert codes.tolist() == [2, 3, 1]
    mixed = pd.Series([501.0, "00501", 1.5, np.int32(10001), None], dtype=object)
    assert ZIPS.encode(mixed).tolist() == [2, 2, 4, 3, 0]
    # 2 is there as it is; 501 as text is another code than "00501".
    assert ZIPS.encode(pd.Series([2, "501", "10001"], dtype=object)).tolist() == [5, 1, 3]


def test_a_column_without_a_known_value_warns():
    with pytest.warns(UserWarning, match=r"'zip': none of the values occurred.*Received: '7' and"):
        assert ZIPS.encode(pd.Series([7, 8])).tolist() == [1, 1]


def test_words_for_missing_are_categories_only_if_they_were_in_training():
    known = CategoricalColumn("color", ("None", "red"))
    assert known.encode(pd.Series(["None", "NA", "red"])).tolist() == [2, 0, 3]
    declared = CategoricalColumn("color", ("blue", "red"), ("unknown", -1))
    assert declared.encode(pd.Series(["unknown", "-1", "red"])).tolist() == [0, 0, 3]
    number = NumericColumn("x", 1.0, 2.0, (), True, ("unknown", -999))
    assert np.isnan(number.values(pd.Series(["unknown", "-999", "3"]))).tolist() == [
        True,
        True,
        False,
    ]


def test_missing_values_survive_json():
    features = Features(
        FEATURES.target, (NumericColumn("x", 1.0, 2.0, (), True, ("a", -9)),), (ZIPS,)
    )
    content = json.loads(json.dumps(features.to_dict()))
    assert "missing_values" not in content["categorical"][0]
    assert Features.from_dict(content) == features


def test_a_row_is_encoded_as_in_a_table():
    """One row goes without pandas."""
    features = Features(
        FEATURES.target,
        (*FEATURES.numeric, NumericColumn("x", 1.0, 2.0, (0.0, 3.0), True, ("unknown", -9))),
        (*FEATURES.categorical, ZIPS),
    )
    numbers = [
        1,
        2.5,
        "3",
        " 4 ",
        None,
        np.nan,
        "NA",
        np.float32(0.1),
        True,
        "false",
        -9,
        "unknown",
    ]
    categories = ["Rome", 1, 1.0, "2", None, np.int64(501), "00501", True, "?", "None", "café", 1.5]
    rng = np.random.default_rng(0)
    for _ in range(50):
        row = {column.name: rng.choice(np.array(numbers, object)) for column in features.numeric}
        if row["age"] == "unknown":
            row["age"] = 1
        for name in ("debt", "height", "constant"):
            row[name] = 2 if row[name] == "unknown" else row[name]
        row |= {c.name: rng.choice(np.array(categories, object)) for c in features.categorical}
        alone = features.encode(row)
        in_table = features.encode(pd.DataFrame({name: [value] for name, value in row.items()}))
        for name, array in in_table.items():
            np.testing.assert_array_equal(alone[name], array)
            assert alone[name].dtype == array.dtype
    with pytest.raises(ValueError, match=r"'age' must hold numbers. Received: 'old' in row 1"):
        FEATURES.encode(ROW | {"age": "old"})


def test_a_category_that_pandas_reads_as_missing_warns():
    color = CategoricalColumn("color", ("None", "red"))
    with pytest.warns(UserWarning, match="missing in 2 rows, and none holds 'None'.*keep_default"):
        color.encode(pd.Series(["red", None, None]))


def test_codes_of_a_fixed_width_are_known_without_their_zeros():
    zips = CategoricalColumn("zip", ("00501", "10001", "unknown"))
    assert zips.encode(pd.Series(["501", "10001", "00501", "1"])).tolist() == [2, 3, 2, 1]


def test_categories_that_differ_in_case_only():
    frame = pd.DataFrame({"plan": ["Pro", "pro ", "BASIC", "basic", "n/a", None], "y": [0, 1] * 3})
    columns = {"plan": {"type": "categorical", "ignore_case": True}}
    features = fit_features(frame, Target("y", "binary", (0, 1)), columns=columns)
    assert features.categorical[0].vocabulary == ("basic", "n/a", "pro")
    codes = features.encode({"plan": ["PRO", "Basic", "N/A", "new", None]})["categorical"]
    assert codes[:, 0].tolist() == [4, 2, 3, 1, 0]
    assert Features.from_dict(features.to_dict()) == features


def test_rare_categories_share_one():
    frame = pd.DataFrame({"zip": list("aaabbcd"), "y": [0, 1] * 3 + [0]})
    columns = {"zip": {"type": "categorical", "min_count": 2}}
    features = fit_features(frame, Target("y", "binary", (0, 1)), columns=columns)
    assert features.encode(frame)["categorical"][:, 0].tolist() == [2, 2, 2, 3, 3, 1, 1]
    assert Features.from_dict(features.to_dict()) == features
    columns["zip"]["min_count"] = 9  # All are rare.
    features = fit_features(frame, Target("y", "binary", (0, 1)), columns=columns)
    assert features.encode(frame)["categorical"][:, 0].tolist() == [1] * 7


def test_all_columns_with_wrong_values_are_listed_at_once():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3, 4], "y": ["no", "yes"]})
    features = fit_features(frame, Target("y", "binary", ("no", "yes")))
    with pytest.raises(ValueError, match=r"2 columns cannot .*\n.*'a'.*'x' in row 1\.\n.*'b'"):
        features.encode(pd.DataFrame({"a": ["x", 2.0], "b": ["2pm", 4]}))
