"""The data sets: their facts, and what damage to their files leads to."""

import hashlib
import lzma
from types import SimpleNamespace

import numpy as np
import pytest

from sparse_keras.data import READERS
from sparse_keras.data.readers.adult import COLUMNS
from sparse_keras.data.readers.generated import generate_multilabel
from sparse_keras.data.readers.vendored import read_vendored, vendored_path


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
