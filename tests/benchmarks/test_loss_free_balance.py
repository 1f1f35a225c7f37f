"""The study of balance without a loss: its texts are what it says, all variants start alike."""

import numpy as np
import pytest

from benchmarks.studies import loss_free_balance as study
from benchmarks.studies import plays

pytestmark = pytest.mark.tensorflow


def test_windows_are_followed_by_their_next_characters():
    codes = np.arange(100, dtype="int32")
    for x, y in (
        plays.windows(codes, 50, 7, np.random.default_rng(0)),
        plays.cut(codes, 7),
        plays.cut(codes, 7, 5),
    ):
        np.testing.assert_array_equal(np.diff(x, axis=1), 1)
        np.testing.assert_array_equal(y, x + 1)
    assert len(plays.cut(codes, 7)[0]) == 14 and len(plays.cut(codes, 7, 5)[0]) == 5


def test_characters_of_validation_may_be_new():
    characters = plays.Characters(["abba"])
    assert characters.size == 3
    assert characters.encode(["ab", "cb"]).tolist() == [1, 2, 0, 2]


def test_violation_by_hand():
    # Loads 3, 1, 0, 0: the mean is 1.
    assert study.violation(np.array([[0, 0], [0, 1]]), 4) == 2.0


def test_variants_start_from_the_same_weights():
    import keras

    settings, drawn = {**study.SETTINGS, **study.QUICK}, []
    for router in study.VARIANTS.values():
        keras.utils.set_random_seed(3)
        model = study.build(settings, 5, router)[0]
        drawn.append([w.numpy() for w in model.trainable_weights])
    for weights in drawn[1:]:
        for ours, first in zip(weights, drawn[0], strict=True):
            np.testing.assert_array_equal(ours, first)


@pytest.mark.slow
def test_a_quick_run(tmp_path):
    file = tmp_path / "quick.json"
    study.main(["--quick", "--output", str(file)])
    result = study.pages.read(file)
    assert result["seeds"] == 3
    for name in study.report.NAMES:
        run = result["runs"][name]
        assert np.isfinite(run["loss"]).all() and len(run["loss"]) == 3
        assert np.shape(run["violations"]) == (3, 2) and np.shape(run["history"]) == (3, 2)
    for block in study.report.BLOCKS.values():
        assert block(result)
    assert "</svg>" in file.with_suffix(".svg").read_text()
