"""`load_data` from config to batches."""

import numpy as np
import pandas as pd
import pytest

from sparse_keras.data import Target, load_data
from sparse_keras.data.tabular.fitting import fit_features
from sparse_keras.data.tabular.table import TabularData
from sparse_keras.schema import Config


@pytest.fixture
def csv_path(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"row": np.arange(200.0), "city": rng.choice(["a", "b"], 200), "y": ["no", "yes"] * 100}
    )
    frame.loc[:9, "city"] = [f"rare{i}" for i in range(10)]
    path = tmp_path / "table.csv"
    frame.to_csv(path, index=False)
    return str(path)


@pytest.fixture
def csv(csv_path):
    options = {"target": "y", "task": "auto", "separator": ",", "test_fraction": 0.2}
    return options | {"path": csv_path}


def test_adult(make_config):
    data = load_data(make_config("adult", batch_size=256))
    assert data.name == "adult"
    # 10 % of the 32561 training rows are held out; positives keep their share of 24.08 %.
    rows = [len(part.y) for part in (data.train, data.validation, data.test)]
    assert rows == [29305, 3256, 16281]
    assert data.validation.y.mean() == pytest.approx(0.2408, abs=2e-4)
    assert len(data.train) == 115 and len(data.train[114][1]) == 29305 - 114 * 256
    x, y = data.train[0]
    assert x["numeric"].shape == (256, data.features.numeric_dim) and y.shape == (256,)
    assert x["categorical"].dtype == np.int32 and x["categorical"].shape == (256, 8)
    assert data.features.cardinalities == (10, 18, 9, 16, 8, 7, 4, 42)
    for part in (data.train, data.validation, data.test):
        assert np.isfinite(part.x["numeric"]).all()
        assert (part.x["categorical"].max(axis=0) < data.features.cardinalities).all()
        assert not np.isin(part.x["categorical"][:, 1], (0, 1)).any()  # education is never missing
    missing = data.train.x["categorical"][:, 7] == 0  # native-country
    assert missing.sum() == data.frames["train"]["native-country"].isna().sum() > 0


def test_a_raw_row_encodes_like_its_table(make_config):
    data = load_data(make_config("adult"))
    row = data.frames["test"].iloc[4].to_dict()
    for key, array in data.features.encode(row).items():
        np.testing.assert_array_equal(array[0], data.test.x[key][4])
    raw_line = {name: "?" if pd.isna(value) else f" {value}" for name, value in row.items()}
    for key, array in data.features.encode(raw_line).items():
        np.testing.assert_array_equal(array[0], data.test.x[key][4])


def test_statistics_come_from_the_training_rows_only(make_config, csv):
    data = load_data(make_config("csv", **csv, validation_fraction=0.25, bins="none"))
    train, validation = data.frames["train"], data.frames["validation"]
    assert (len(train), len(validation), len(data.frames["test"])) == (120, 40, 40)
    (row,) = data.features.numeric
    assert row.mean == train["row"].mean() != pd.concat([train, validation])["row"].mean()
    (city,) = data.features.categorical
    assert set(city.vocabulary) == set(train["city"])
    # Each rare city has one row: those outside training are unseen (code 1), and some are.
    unseen = ~validation["city"].isin(train["city"]).to_numpy()
    assert unseen.any()
    assert (data.validation.x["categorical"][:, 0] == 1).tolist() == unseen.tolist()


def test_split_seed_and_training_seed(make_config, csv):
    first = load_data(make_config("csv", **csv))
    same = load_data(make_config("csv", **csv, training_seed=1))
    other = load_data(make_config("csv", **csv | {"split_seed": 1}))
    assert same.features == first.features
    assert same.train[0][1].tolist() != first.train[0][1].tolist()  # the order alone differs
    assert other.frames["test"]["row"].tolist() != first.frames["test"]["row"].tolist()


def test_only_training_rows_are_shuffled(make_config, csv):
    data = load_data(make_config("csv", **csv))
    assert data.train.shuffle and not data.validation.shuffle and not data.test.shuffle


def test_no_validation(make_config, csv):
    data = load_data(make_config("csv", **csv, validation_fraction=0))
    assert data.validation is None and data.frames.keys() == {"train", "test"}
    assert len(data.train.y) == 160


def test_generated_multilabel(make_config):
    sizes = {"num_samples": 300, "num_features": 7, "num_labels": 3, "seed": 0}
    config = make_config("generated_multilabel", test_fraction=0.2, bins="none", **sizes)
    data = load_data(config)
    x, y = data.train[0]
    assert x.shape == (32, 7) and y.shape == (32, 3)  # one input: the bare array
    assert data.features.target.outputs == 3


def test_breast_cancer(make_config):
    data = load_data(make_config("breast_cancer", test_fraction=0.2))
    assert data.train.x.shape == (409, data.features.numeric_dim)
    assert all(2 <= column.num_bins <= 32 for column in data.features.numeric)


def test_unknown_and_missing_data(make_config):
    with pytest.raises(ValueError, match=r"data.type must be .* Did you mean 'adult'\?"):
        load_data(make_config("adults"))
    with pytest.raises(ValueError, match="no data section, which says what to learn from"):
        load_data(Config.model_construct(data=None))


def test_row_digests_are_those_of_the_raw_rows():
    """The training's statistics are not in them, and each value is."""

    def digests(values="abcdefghij", **options):
        frame = pd.DataFrame({"x": np.arange(10.0), "c": list(values), "y": [0, 1] * 5})
        target = Target("y", "binary", (0, 1))
        features = fit_features(frame, target, **options)
        rows = {"train": frame[:6], "test": frame[6:]}
        return TabularData("t", features, None, None, None, rows).row_digests()

    expected = digests()
    assert expected == digests(bins="none") and list(expected) == ["train", "test"]
    changed = digests("abcdefghiX")
    assert changed["train"] == expected["train"] and changed["test"] != expected["test"]
    # A value moves from one row to the next one.
    assert digests(["ab", "", *"cdefghij"]) != digests(["a", "b", *"cdefghij"])
