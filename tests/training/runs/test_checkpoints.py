"""Checkpoint files: what goes in comes out, and damage is seen."""

import warnings

import ml_dtypes
import numpy as np
import pytest

from sparse_keras.training.runs.checkpoints import newest_checkpoint, write_checkpoint

CONTENT = {
    "epoch": 3,
    "best": float("inf"),
    "name": "\u00e9",
    "none": None,
    "yes": True,
    "pair": (1, [2.5, {"array": np.arange(3)}]),
    "weights": [
        np.float32([[0.1, np.nan], [-0.0, 1e-45]]),
        np.zeros((0, 4), "int8"),
        np.array(7, "uint32"),
        np.array([1.5, -2.0], ml_dtypes.bfloat16),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    ],
}


def fine(content):
    """Nothing to object to."""


def read(folder):
    return newest_checkpoint(folder, fine)


def assert_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for name in a:
            assert_same(a[name], b[name])
    elif isinstance(a, list | tuple):
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    else:
        assert a == b


def test_what_goes_in_comes_out(tmp_path):
    write_checkpoint(tmp_path / "checkpoints", CONTENT, 3)
    assert_same(read(tmp_path / "checkpoints"), CONTENT)


def test_scalars_of_numpy_are_not_python_s(tmp_path):
    """Keras returns a weight of rank 0 as one, and takes it back only with its shape."""
    content = {
        "numpy": [np.float32(0.1), np.float64(0.1), np.int64(2), np.bool_(True)],
        "guest": ml_dtypes.bfloat16(1.5),
        "python": [0.1, 2, True],
    }
    write_checkpoint(tmp_path, content, 1)
    assert_same(read(tmp_path), content)


@pytest.mark.parametrize("value", [object(), {1: 2}, {1}, np.array([object()]), np.array("text")])
def test_what_cannot_be_kept(tmp_path, value):
    with pytest.raises(TypeError, match="numbers, strings, arrays"):
        write_checkpoint(tmp_path, {"value": value}, 1)
    assert not list(tmp_path.iterdir())


def test_the_last_two_are_kept(tmp_path):
    for epoch in range(1, 12):
        write_checkpoint(tmp_path, {"epoch": epoch}, epoch)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "epoch_000010.npz",
        "epoch_000011.npz",
    ]
    assert read(tmp_path)["epoch"] == 11


def test_within_an_epoch(tmp_path):
    """In the order of training, whatever the numbers of digits."""
    for epoch, batch in [(1, 0), (1, 9), (1, 10), (2, 0), (2, 100), (3, 0)]:
        write_checkpoint(tmp_path, {"at": (epoch, batch)}, epoch, batch)
        assert read(tmp_path) == {"at": (epoch, batch)}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "epoch_000002_batch_000000100.npz",
        "epoch_000003.npz",
    ]


def test_no_checkpoint(tmp_path):
    assert read(tmp_path / "nowhere") is None


def test_every_damage_is_seen(tmp_path):
    """One byte wrong, or the end missing: what is read is right, or the one before it."""
    write_checkpoint(tmp_path, {"epoch": 2}, 2)
    write_checkpoint(tmp_path, CONTENT, 3)
    path = tmp_path / "epoch_000003.npz"
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    positions = generator.choice(len(whole), 400, replace=False)
    damaged = []
    for position in positions:
        flipped = bytearray(whole)
        flipped[position] ^= 1 << generator.integers(8)
        damaged.append(bytes(flipped))
    lengths = [0, 1, len(whole) // 2, len(whole) - 1]
    damaged += [whole[:length] for length in lengths]
    seen = 0
    for content in damaged:
        path.write_bytes(content)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            found = read(tmp_path)
        if found == {"epoch": 2}:
            assert str(path) in str(told[0].message)
            seen += 1
        else:  # A time stamp, say.
            assert_same(found, CONTENT)
    assert seen > len(damaged) * 0.7


def test_damaged_ones_do_not_crowd_out_good_ones(tmp_path):
    for epoch in (8, 9):
        (tmp_path / f"epoch_{epoch:06}.npz").write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="epoch_000009"):
        assert read(tmp_path) is None
    write_checkpoint(tmp_path, {"epoch": 1}, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch_000001.npz"]


def test_one_that_does_not_fit_is_refused_and_left(tmp_path):
    for epoch in (1, 2):
        write_checkpoint(tmp_path, {"epoch": epoch}, epoch)

    def check(content):
        if content["epoch"] == 2:
            raise ValueError("too late.")

    with pytest.raises(ValueError, match="epoch_000002.*does not fit this training: too late"):
        newest_checkpoint(tmp_path, check)
    assert len(list(tmp_path.iterdir())) == 2
