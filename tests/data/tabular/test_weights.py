"""Weights of rows, and several targets, in files of one's own and in Adult."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from sparse_keras.data import READERS, Features, MultiTarget, Target, fit_features, load_data

ROWS = 60
FRAME = pd.DataFrame(
    {
        "x": np.arange(ROWS) % 7 + 0.5,
        "w": np.arange(ROWS) % 5 * 0.5,
        "rich": ["yes", "no", "?"] * (ROWS // 3),
        "age": [np.nan, *np.linspace(20, 80, ROWS - 1)],
    }
)
BOTH = {"rich": "auto", "age": "regression"}


@pytest.fixture
def read(tmp_path, file_options):
    def read(frame=FRAME, **changes):
        frame.to_csv(tmp_path / "people.csv", index=False)
        options = {"target": BOTH, "weight": None} | changes
        return READERS["csv"](file_options(path=tmp_path / "people.csv", **options))

    return read


def test_a_mapping_is_several_targets(read):
    raw = read()
    assert raw.target == MultiTarget(
        "targets", (Target("rich", "binary", ("no", "yes")), Target("age", "regression"))
    )
    assert raw.weight is None
    features = fit_features(raw.train, raw.target)
    assert features.columns == ("x", "w")
    # A third of the labels is missing, and in the rows held out, too.
    assert {name: there.mean() for name, there in raw.target.present(raw.test).items()} == {
        "rich": pytest.approx(2 / 3, abs=0.1),
        "age": pytest.approx(1, abs=0.1),
    }


@pytest.mark.parametrize(
    "frame, changes, message",
    [
        (FRAME, {"target": {"rihc": "auto", "age": "auto"}}, "'rihc'. Did you mean 'rich'"),
        (FRAME.assign(rich=None), {}, "target 'rich' is missing in every row"),
        (FRAME.assign(age=[np.inf, *FRAME["age"][1:]]), {}, "'age' is missing or infinite"),
        (FRAME, {"target": {"rich": "regression", "age": "auto"}}, "must hold numbers"),
        (FRAME, {"weight": "ww"}, "expected a column of weights 'ww'. Did you mean 'w'"),
        (FRAME.assign(w=-FRAME["w"]), {"weight": "w"}, "Received: -0.5 in row 2 .*and 47 more"),
        (FRAME.assign(w=FRAME["age"]), {"weight": "w"}, "'w' must be numbers.*nan in row 1"),
        (FRAME.assign(w=1e39), {"weight": "w"}, "Received: 1e.39 in row 1"),
        (FRAME.assign(w=0), {"weight": "w"}, "0 in all 60 rows"),
        (FRAME.assign(w="many"), {"weight": "w"}, "'w' must hold numbers. Received: 'many'"),
    ],
)
def test_what_cannot_be_used(read, frame, changes, message):
    with pytest.raises(ValueError, match=message):
        read(frame, **changes)


def test_weights_are_no_input_and_multiply_what_is_there(read):
    raw = read(weight="w")
    features = fit_features(raw.train, raw.target, weight=raw.weight)
    assert features.columns == ("x",) and features.kinds()[-1] == ("w", "weight", "")
    weights = features.sample_weight(FRAME)
    expected = FRAME["w"].to_numpy("float32")
    np.testing.assert_array_equal(weights["rich"], np.where(FRAME["rich"] == "?", 0, expected))
    np.testing.assert_array_equal(weights["age"], [0, *expected[1:]])
    assert weights["age"].dtype == np.float32
    assert Features.from_dict(features.to_dict()) == features


def test_weights_of_one_target(read):
    raw = read(FRAME.fillna({"age": 1.0}), target="age", weight="w", columns={"rich": "ignore"})
    features = fit_features(raw.train, raw.target, weight="w")
    np.testing.assert_array_equal(
        features.sample_weight(raw.test), raw.test["w"].to_numpy("float32")
    )
    without = fit_features(raw.train, raw.target)
    assert without.sample_weight(raw.test) is None and "weight" not in without.to_dict()
    with pytest.raises(ValueError, match="needed columns are missing: 'w'"):
        features.sample_weight(raw.test.drop(columns="w"))


def test_batches_serve_them_and_the_digest_knows(tmp_path, make_config):
    def load(frame, **changes):
        frame.to_csv(tmp_path / "people.csv", index=False)
        return load_data(
            make_config(
                "csv",
                path=str(tmp_path / "people.csv"),
                target=BOTH,
                task="auto",
                test_fraction=0.2,
                separator=",",
                **{"weight": "w"} | changes,
            )
        )

    data = load(FRAME)
    x, y, weight = data.train[0]
    order = np.argsort(x[:, 0])
    assert set(y) == set(weight) == {"rich", "age"}
    shuffled = {"age": y["age"][order], "weight": weight["age"][order]}
    assert len(shuffled["age"]) == len(shuffled["weight"]) == 32
    # Rows stay together: the weight of an age is that of its row.
    by_age = dict(zip(FRAME["age"].astype("float32"), FRAME["w"], strict=True))
    there = y["age"] > 0
    np.testing.assert_array_equal(weight["age"][there], [by_age[age] for age in y["age"][there]])
    assert data.digest() == load(FRAME).digest()
    assert data.digest() != load(FRAME.assign(w=FRAME["w"] * 2)).digest()
    assert data.digest() != load(FRAME.assign(rich=FRAME["rich"].replace("?", "no"))).digest()


def test_adult_with_two_tasks():
    raw = READERS["adult"](SimpleNamespace(tasks=("income", "never_married")))
    assert raw.target.names == ("income", "never_married")
    assert not {"marital-status", "relationship"} & set(raw.train)
    # adult.names has 16117 of 48842 rows "Never-married".
    assert sum((part["never_married"] == "yes").sum() for part in (raw.train, raw.test)) == 16117
    alone = READERS["adult"](SimpleNamespace(tasks=("never_married",)))
    assert alone.target == Target("never_married", "binary", ("no", "yes"))
    assert "income" not in alone.train
