import numpy as np
import pytest

import sparse_keras
from sparse_keras import layers
from tests.compression.models import (
    RNG,
    assert_close,
    assert_equal,
    language_model,
    model_of,
    rows,
    to_numpy,
)


def test_copies_merge_into_what_they_were():
    """Experts 3 to 5 are experts 0 to 2 with their hidden units in another order."""
    for bank in (
        layers.MLPExperts(6, hidden_dim=8, activation="gelu"),
        layers.GLUExperts(6, hidden_dim=8, use_bias=True),
    ):
        # Experts 0 to 2 get every token, the others one of them.
        router = layers.TopKRouter(k=4, use_bias=True)
        model, x = model_of(bank, k=None, router=router), rows()
        router.bias.assign([5.0] * 3 + [0.0] * 3)
        order = RNG.permutation(8)
        for role in ("gate", "up", "down"):
            layer = getattr(bank, role, None)
            if layer is None:
                continue
            kernel, bias = to_numpy(layer.kernel), to_numpy(layer.bias)
            kernel[3:] = kernel[:3, order] if role == "down" else kernel[:3][..., order]
            bias[3:] = bias[:3] if role == "down" else bias[:3, order]
            layer.kernel.assign(kernel)
            layer.bias.assign(bias)
        kernel = to_numpy(router.kernel)
        kernel[:, 3:] = kernel[:, :3]
        router.kernel.assign(kernel)
        smaller, summary = sparse_keras.merge_experts(model, x, 3, k=2)
        groups = summary.mixtures[0].experts
        assert sorted(sorted(group) for group in groups) == [[0, 3], [1, 4], [2, 5]]
        new = smaller.layers[0].experts
        for number, (centre, _) in enumerate(groups):
            sizes = np.eye(6, dtype="int32")[centre] * len(x)
            expected = bank(x, sizes)
            found = new(x, np.eye(3, dtype="int32")[number] * len(x))
            assert_close(found, expected, rtol=1e-4, atol=1e-5)
        unaligned, _ = sparse_keras.merge_experts(model, x, 3, k=2, align=False)
        off = to_numpy(unaligned.layers[0].experts.up.kernel) - to_numpy(new.up.kernel)
        assert np.abs(off).max() > 1e-2


def test_a_group_is_the_mean_by_use():
    bank = layers.DenseExperts(4, units=3)
    model, x = model_of(bank), rows()
    index = to_numpy(model.layers[0](x, return_routing=True)[1]["expert_index"]).astype("int64")
    counts = np.bincount(index.ravel(), minlength=4)
    smaller, summary = sparse_keras.merge_experts(model, x, 2)
    new = smaller.layers[0]
    logits = x @ to_numpy(model.layers[0].router.kernel)
    logits -= logits.mean(axis=1, keepdims=True)
    logits -= logits.mean(axis=0)
    for number, (centre, *others) in enumerate(summary.mixtures[0].experts):
        group = [centre, *others]
        kernels = to_numpy(bank.dense.kernel if hasattr(bank, "dense") else bank.weights[0])
        expected = np.tensordot(counts[group] / counts[group].sum(), kernels[group], 1)
        assert_close(to_numpy(new.experts.weights[0])[number], expected, atol=1e-5)
        column = to_numpy(model.layers[0].router.kernel)[:, centre]
        assert_equal(to_numpy(new.router.kernel)[:, number], column)
        centres = [of[0] for of in summary.mixtures[0].experts]
        for other in others:
            cosine = [
                logits[:, other] @ logits[:, c] / np.linalg.norm(logits[:, c]) for c in centres
            ]
            assert centres[int(np.argmax(cosine))] == centre


def test_of_a_language_model():
    model = language_model(shared_expert={"hidden_dim": 4}, padding_id=0)
    ids = RNG.integers(0, 20, (5, 7))
    same, _ = sparse_keras.merge_experts(model, ids, 6)
    assert_close(same(ids), model(ids), atol=1e-4)
    smaller, summary = sparse_keras.merge_experts(model, ids, 1, k=1)
    assert summary.bytes[0] > summary.bytes[1]
    assert smaller(ids).shape == (5, 7, 20)
    with pytest.raises(ValueError, match="lower k"):
        sparse_keras.merge_experts(model, ids, 1)
