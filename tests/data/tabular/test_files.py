"""The readers of the user's own files, beside what `test_csv.py` says of all of them."""

import json

import numpy as np
import pandas as pd
import pytest

from sparse_keras.data import READERS, load_data
from sparse_keras.data.tabular.describe import describe_table
from sparse_keras.data.tabular.features_as_json import target_from_dict, target_to_dict


def test_parquet(tmp_path, file_options):
    frame = pd.DataFrame({"age": range(40), "churned": ["yes", "no"] * 20})
    frame.to_parquet(tmp_path / "churn.parquet")
    raw = READERS["parquet"](file_options(tmp_path / "churn.parquet"))
    assert raw.name == "churn" and (len(raw.train), len(raw.test)) == (30, 10)
    frame["since"] = pd.Timestamp("2024-05-01")
    frame.to_parquet(tmp_path / "churn.parquet")
    raw = READERS["parquet"](file_options(tmp_path / "churn.parquet"))
    assert raw.kinds.date_formats("since") == () and raw.train["since"].dtype.kind == "M"
    frame["since"] = pd.Timedelta(days=1)
    frame.to_parquet(tmp_path / "churn.parquet")
    with pytest.raises(ValueError, match=r"'since' holds durations, such as '1 days"):
        READERS["parquet"](file_options(tmp_path / "churn.parquet"))


def test_npz_with_labels_of_rank_2(tmp_path, file_options):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (40, 3))
    np.savez(tmp_path / "churn.npz", x=rng.standard_normal((40, 2)), y=labels)
    raw = READERS["npz"](file_options(tmp_path / "churn.npz", target="y"))
    assert (raw.target.name, raw.target.classes) == ("y", ("y_0", "y_1", "y_2"))
    encoded = raw.target.encode(raw.train).sum(axis=0) + raw.target.encode(raw.test).sum(axis=0)
    assert encoded.tolist() == labels.sum(axis=0).tolist()
    np.savez(tmp_path / "churn.npz", x=np.arange(40), y=labels[:, :1])
    raw = READERS["npz"](file_options(tmp_path / "churn.npz", target="y"))
    assert (raw.target.name, raw.target.task) == ("y_0", "binary")


def test_from_a_file_to_batches(tmp_path, make_config):
    rows = [{"age": i, "code": i % 3, "note": f"n{i}", "churned": i % 2} for i in range(90)]
    pd.DataFrame(rows).to_parquet(tmp_path / "churn.parquet")
    config = make_config(
        "parquet",
        path=str(tmp_path / "churn.parquet"),
        target="churned",
        task="auto",
        test_fraction=0.2,
        columns={"code": "categorical", "note": "ignore"},
    )
    features = load_data(config).features
    assert [column.name for column in features.numeric] == ["age"]
    assert features.categorical[0].vocabulary == ("0", "1", "2")
    assert features.encode({"age": 1, "code": 2})["categorical"].tolist() == [[4]]


def test_categories_that_look_like_spoiled_numbers_are_taken_when_meant(tmp_path, make_config):
    frame = pd.DataFrame({"code": [*map(str, range(60)), "x"] * 4, "churned": [0, 1] * 122})
    frame.to_parquet(tmp_path / "churn.parquet")
    options = {"path": str(tmp_path / "churn.parquet"), "target": "churned", "task": "auto"}
    with pytest.raises(ValueError, match=r"60 distinct numbers, and 'x' in 4 rows"):
        load_data(make_config("parquet", **options, test_fraction=0.2))
    kinds = {"code": "categorical"}
    data = load_data(make_config("parquet", **options, test_fraction=0.2, columns=kinds))
    assert data.features.cardinalities == (63,)


def test_a_target_of_money(tmp_path, file_options):
    price = np.exp(np.linspace(1, 9, 40)).round(2)
    frame = pd.DataFrame({"age": range(40), "price": [f"${one:,}" for one in price]})
    frame.loc[3, "price"] = "n/a"
    path = tmp_path / "houses.csv"
    frame.to_csv(path, index=False)
    setting = describe_table(frame, "price").settings["price"]
    assert setting == {"type": "numeric", "unit": "$", "thousands": ","}
    options = {"target": "price", "task": "auto", "missing_target": "drop"}
    with pytest.raises(ValueError, match=r"Set data.columns: \{price: \{type: numeric, unit:"):
        READERS["csv"](file_options(path, **options))
    raw = READERS["csv"](
        file_options(path, **options, columns={"price": setting}, test_path=str(path))
    )
    assert (raw.target.task, raw.dropped) == ("regression", 2)
    np.testing.assert_array_equal(raw.target.encode(raw.test), np.delete(price, 3).astype("f4"))
    # As rows to evaluate hold it, and after it was stored.
    stored = target_from_dict(json.loads(json.dumps(target_to_dict(raw.target))))
    assert stored == raw.target
    assert stored.encode(["$1,200", 7]).tolist() == [1200, 7]
    assert stored.missing(frame).nonzero()[0].tolist() == [3]
