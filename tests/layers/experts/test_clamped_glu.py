"""The clamped gated linear unit of gpt-oss, against its formula and Hugging Face's module."""

import keras
import numpy as np
import pytest

from sparse_keras.layers import GLUExperts
from tests.support.gradients import to_numpy

GPT_OSS = {"limit": 7.0, "alpha": 1.702, "up_offset": 1.0, "use_bias": True}


def experts_and_rows(**options):
    """Two experts, and rows large enough for every limit to matter."""
    experts = GLUExperts(2, 5, **GPT_OSS | options)
    experts.build((None, 6))
    rng = np.random.default_rng(0)
    for weight in experts.weights:
        weight.assign(rng.normal(size=weight.shape))
    return experts, 4 * rng.normal(size=(9, 6)).astype("float32"), np.array([4, 5])


def test_it_is_gpt_oss_formula():
    experts, x, sizes = experts_and_rows()
    w = {v.path.split("/", 1)[-1].replace("/", "."): to_numpy(v) for v in experts.weights}
    found = to_numpy(experts(x, sizes))
    clamped = {"gate": 0, "up": 0}
    for row, e in enumerate(np.repeat([0, 1], sizes)):
        gate, up = (
            x[row] @ w[f"{name}.expert_{name}_kernel"][e] + w[f"{name}.expert_{name}_bias"][e]
            for name in ("gate", "up")
        )
        clamped["gate"] += (gate > 7).sum()
        clamped["up"] += (np.abs(up) > 7).sum()
        gate, up = np.minimum(gate, 7), np.clip(up, -7, 7)
        hidden = (up + 1) * gate / (1 + np.exp(-1.702 * gate))
        y = hidden @ w["down.expert_down_kernel"][e] + w["down.expert_down_bias"][e]
        np.testing.assert_allclose(found[row], y, rtol=1e-4, atol=1e-4)
    assert min(clamped.values()) > 5  # Else the limits were not tested.


def test_each_option_counts_by_itself():
    _, x, sizes = experts_and_rows()
    outputs = [
        to_numpy(experts_and_rows(**change)[0](x, sizes))
        for change in ({}, {"limit": None}, {"alpha": 1.0}, {"up_offset": 0.0})
    ]
    for n, one in enumerate(outputs):
        assert all(np.abs(one - other).max() > 1e-2 for other in outputs[:n])


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="Hugging Face's module is PyTorch's")
def test_it_equals_hugging_face():
    modeling = pytest.importorskip("transformers.models.gpt_oss.modeling_gpt_oss")
    import torch
    from transformers import GptOssConfig

    config = GptOssConfig(hidden_size=6, intermediate_size=5, num_local_experts=2)
    theirs = modeling.GptOssExperts(config)
    experts, x, sizes = experts_and_rows()
    w = {v.name: torch.tensor(to_numpy(v)) for v in experts.weights}
    with torch.no_grad():
        for kind in ("kernel", "bias"):
            both = torch.stack([w[f"expert_gate_{kind}"], w[f"expert_up_{kind}"]], dim=-1)
            target = theirs.gate_up_proj if kind == "kernel" else theirs.gate_up_proj_bias
            target.copy_(both.flatten(-2))  # Interleaved.
        theirs.down_proj.copy_(w["expert_down_kernel"])
        theirs.down_proj_bias.copy_(w["expert_down_bias"])
        index = torch.tensor(np.repeat([0, 1], sizes))[:, None]
        expected = theirs(torch.tensor(x), index, torch.ones(len(x), 1))
    np.testing.assert_allclose(to_numpy(experts(x, sizes)), expected.numpy(), rtol=1e-5, atol=1e-4)
