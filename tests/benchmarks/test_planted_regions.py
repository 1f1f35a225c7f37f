"""The study of planted regions: its data are what it says, its networks are comparable."""

import numpy as np
import pytest

from benchmarks.studies import planted_data
from benchmarks.studies import planted_regions as study

pytestmark = pytest.mark.tensorflow


def test_regions_have_rules_of_their_own():
    """At strength 1, least squares within a region leaves the noise, one rule for all does not."""
    ((x, y, region),) = planted_data.draw(0, 1.0, [20_000])

    def left(rows):
        inputs = np.column_stack([x[rows], np.ones(rows.sum())]).astype("float64")
        return np.mean((y[rows] - inputs @ np.linalg.lstsq(inputs, y[rows])[0]) ** 2)

    within = np.mean([left(region == r) for r in range(planted_data.REGIONS)])
    assert within == pytest.approx(planted_data.NOISE_VARIANCE, rel=0.05)
    assert left(region >= 0) > 0.8


def test_strengths_share_inputs_and_variance():
    parts = [planted_data.draw(1, strength, [30_000, 10]) for strength in (0.0, 0.5, 1.0)]
    for part in parts:
        np.testing.assert_array_equal(part[0][0], parts[0][0][0])
        np.testing.assert_allclose(part[0][1].var(), 1.0 + planted_data.NOISE_VARIANCE, rtol=0.05)
        assert part[1][0].shape == (10, planted_data.DIM) and part[1][1].shape == (10, 1)


def test_without_regions_the_target_is_a_function_of_the_inputs_alone():
    """At strength 0, a mirrored sum of waves explains all but the noise."""
    ((x, y, _),) = planted_data.draw(2, 0.0, [5_000])
    rng = np.random.default_rng(2)  # The same draws again, in the order of `draw`.
    shape = (planted_data.REGIONS, planted_data.DIM)
    rng.normal(size=shape), rng.normal(size=shape)
    waves = rng.normal(size=(planted_data.DIM, planted_data.WAVES))
    waves *= planted_data.FREQUENCY / planted_data.DIM**0.5
    phases = rng.uniform(0.0, 2.0 * np.pi, planted_data.WAVES)
    smooth = np.cos(x @ waves + phases) @ rng.normal(size=planted_data.WAVES)
    left = 1.0 - np.corrcoef(smooth, y.ravel())[0, 1] ** 2
    assert left == pytest.approx(planted_data.NOISE_VARIANCE, rel=0.15)


def test_twins_cost_what_the_experts_cost():
    costs = study.Networks(study.SETTINGS).costs()
    experts = costs["experts"]
    assert costs["equal_flops"]["flops"] == pytest.approx(experts["flops"], rel=0.02)
    assert costs["equal_params"]["parameters"] == pytest.approx(experts["parameters"], rel=0.02)
    assert costs["frozen_router"]["parameters"] == experts["parameters"]
    assert costs["equal_params"]["flops"] > 3 * experts["flops"]


# Figures of so short trainings lie far apart, and with them the names in the picture.
@pytest.mark.filterwarnings("ignore:constrained_layout not applied")
@pytest.mark.slow
def test_a_quick_run(tmp_path):
    file = tmp_path / "quick.json"
    study.main(["--quick", "--output", str(file)])
    result = study.pages.read(file)
    assert result["seeds"] == 3
    for name in study.report.NAMES:
        assert np.isfinite(result["errors"][name]).all()
        assert np.shape(result["errors"][name]) == (1, 3)
    for block in study.report.BLOCKS.values():
        assert block(result)
    assert "</svg>" in file.with_suffix(".svg").read_text()


@pytest.mark.slow
def test_trainings_start_afresh():
    """A training leaves nothing to the next: weights, optimizer and schedule begin anew."""
    settings = {**study.SETTINGS, **study.QUICK}
    networks = study.Networks(settings)
    train, validation, test = planted_data.draw(0, 1.0, settings["rows"])
    outputs = []
    for _ in range(2):
        model = networks.fit("equal_flops", 5, train, validation)
        outputs.append(model.predict(test[0], verbose=0))
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-5, atol=1e-6)
