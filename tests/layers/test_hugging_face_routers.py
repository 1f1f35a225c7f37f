"""The presets of TopKRouter equal the routers of Hugging Face's transformers.

Everywhere by a small case of each that is checked in (`tests/support/hugging_face.py` writes it),
and at length where transformers and torch are installed.
"""

import json

import numpy as np
import pytest
from keras import ops

from sparse_keras.layers import TopKRouter
from sparse_keras.layers.routers import PRESETS
from tests.support import hugging_face

EXPECTED = json.loads(hugging_face.EXPECTED.read_text())


def ours(preset, case):
    """The routing of a TopKRouter with the weights of a case."""
    width, experts = case["kernel"].shape
    router = TopKRouter.preset(preset, num_experts=experts)
    router.build((None, width))
    assert (router.use_bias, router.selection_bias is not None) == (
        "bias" in case,
        "selection_bias" in case,
    )
    router.kernel.assign(case["kernel"])
    if "bias" in case:
        router.bias.assign(case["bias"])
    if "selection_bias" in case:
        router.selection_bias.assign(case["selection_bias"])
    routing = router(case["inputs"])
    return hugging_face.in_order(
        ops.convert_to_numpy(routing["expert_index"]), ops.convert_to_numpy(routing["weight"])
    )


def test_every_preset_has_a_module_to_equal():
    assert set(EXPECTED) == set(PRESETS) == set(hugging_face.MODULES)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_equal_the_case_that_is_checked_in(preset):
    case = {name: np.array(values, "float32") for name, values in EXPECTED[preset].items()}
    expected_index, expected_weight = case.pop("expert_index"), case.pop("weight")
    assert expected_index.shape[1] == PRESETS[preset]["k"]
    index, weight = ours(preset, case)
    np.testing.assert_array_equal(index, expected_index)
    np.testing.assert_allclose(weight, expected_weight, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("experts", [16, 64])
@pytest.mark.parametrize("preset", PRESETS)
def test_presets_equal_hugging_face(preset, experts):
    pytest.importorskip("transformers", minversion="5")
    pytest.importorskip("torch")
    for seed in range(3):
        case = hugging_face.make_case(preset, experts, tokens=200, width=24, seed=seed)
        expected_index, expected_weight = hugging_face.route(preset, case)
        index, weight = ours(preset, case)
        expected_index, expected_weight = hugging_face.in_order(expected_index, expected_weight)
        np.testing.assert_array_equal(index, expected_index)
        np.testing.assert_allclose(weight, expected_weight, rtol=1e-6, atol=1e-6)
