"""The presets of TopKRouter equal the routers of Hugging Face's transformers.

Everywhere by a small case of each that is checked in (`tests/support/hugging_face.py` writes it),
and at length, with a whole block of experts, where transformers and torch are installed.
"""

import json

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.layers import GatedSharedExpert, GLUExperts, MixtureOfExperts, TopKRouter
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


def test_a_block_of_qwen2_moe_with_its_gated_shared_expert():
    pytest.importorskip("transformers", minversion="5")
    torch = pytest.importorskip("torch")
    from transformers.models.qwen2_moe import modeling_qwen2_moe as theirs

    width, hidden, shared_hidden, rng = 12, 10, 14, np.random.default_rng(5)
    config = hugging_face.configuration("qwen2_moe", experts=8, width=width)
    config.moe_intermediate_size, config.shared_expert_intermediate_size = hidden, shared_hidden
    block = theirs.Qwen2MoeSparseMoeBlock(config).eval().float()
    with torch.no_grad():
        for weight in block.parameters():
            weight.copy_(torch.from_numpy(rng.normal(size=tuple(weight.shape)) * 0.4))

    def glu(inputs):
        gate = keras.layers.Dense(shared_hidden, activation="silu", use_bias=False, name="gate")
        up = keras.layers.Dense(shared_hidden, use_bias=False, name="up")
        down = keras.layers.Dense(width, use_bias=False, name="down")
        return down(gate(inputs) * up(inputs))

    inputs = keras.Input((None, width))
    shared = keras.Model(inputs, glu(inputs))
    layer = MixtureOfExperts(
        GLUExperts(8, hidden), router="qwen2_moe", shared_expert=GatedSharedExpert(shared)
    )
    x = rng.normal(size=(3, 7, width)).astype("float32")
    layer(x)

    def transposed(parameter):
        return np.swapaxes(parameter.detach().numpy(), -1, -2)

    gate, up = np.split(transposed(block.experts.gate_up_proj), 2, axis=-1)
    for weight, value in (
        (layer.router.kernel, transposed(block.gate.weight)),
        (layer.experts.gate.kernel, gate),
        (layer.experts.up.kernel, up),
        (layer.experts.down.kernel, transposed(block.experts.down_proj)),
        (layer.shared_expert.kernel, transposed(block.shared_expert_gate.weight)),
        (shared.get_layer("gate").kernel, transposed(block.shared_expert.gate_proj.weight)),
        (shared.get_layer("up").kernel, transposed(block.shared_expert.up_proj.weight)),
        (shared.get_layer("down").kernel, transposed(block.shared_expert.down_proj.weight)),
    ):
        weight.assign(value)
    with torch.no_grad():
        expected = block(torch.from_numpy(x))
    expected = (expected[0] if isinstance(expected, tuple) else expected).numpy()
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), expected, rtol=1e-4, atol=1e-5)
