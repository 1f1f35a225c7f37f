"""What a user does with a task of KerasHub: sparsify, LoRA, `fit`, `generate`, and a preset."""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from sparse_keras import hub
from sparse_keras.callbacks import ExpertLoad
from tests.support.gradients import to_numpy

keras_hub = pytest.importorskip("keras_hub")

from tests.support.keras_hub_models import causal_lm, inputs, text_task  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # Of KerasHub on new versions of Keras.
TEXTS = ["the cat sat", "the other one", "that is the thing", "then they left"] * 4
# Run by a Python that does not know sparse_keras.
PLAIN = """
import sys

import keras_hub
import numpy as np

model = keras_hub.models.CausalLM.from_preset(sys.argv[1])
assert "sparse_keras" not in sys.modules
model.compile(sampler="greedy")
print(model.predict(["the cat"], verbose=0).astype("float64").sum())
print(repr(model.generate("the", max_length=12)))
"""


def test_fine_tune_on_strings_and_hand_back_a_preset(tmp_path):
    model = text_task()
    hub.sparsify(model)
    model.backbone.enable_lora(2)
    model.compile(
        keras.optimizers.Adam(0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        sampler="greedy",
    )
    trainable = {weight.path for weight in model.trainable_weights}
    assert trainable and all("lora" in path for path in trainable)
    load = ExpertLoad(warn=False)
    losses = model.fit(TEXTS, batch_size=8, epochs=3, verbose=0, callbacks=[load]).history
    assert losses["loss"][-1] < losses["loss"][0]
    assert losses["aux_loss"][0] > 0

    text = model.generate("the", max_length=12)
    total = model.predict(["the cat"], verbose=0).astype("float64").sum()
    assert text.startswith("the") and len(text) > 3

    model.save_to_preset(str(tmp_path / "preset"))
    done = subprocess.run(
        [sys.executable, "-c", PLAIN, str(tmp_path / "preset")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    *_, plain_total, plain_text = done.stdout.splitlines()
    assert float(plain_total) == pytest.approx(total, rel=1e-4)
    assert plain_text == repr(text)
    assert any(pathlib.Path(tmp_path / "preset").iterdir())


@pytest.mark.parametrize(
    "sampler",
    ["greedy", "top_k", "top_p", "random", "beam", keras_hub.samplers.ContrastiveSampler(k=2)],
    ids=lambda sampler: sampler if isinstance(sampler, str) else "contrastive",
)
def test_every_sampler_generates_as_before(sampler):
    """Of equal seeds, random samplers draw the same."""
    x = inputs("Qwen3-MoE", batch=2, length=8)
    x["padding_mask"][:, 4:] = 0

    def text(model):
        keras.utils.set_random_seed(1)
        model.compile(sampler=sampler)
        return to_numpy(model.generate(x, stop_token_ids=None)["token_ids"])

    model = causal_lm("Qwen3-MoE")
    expected = text(model)
    np.testing.assert_array_equal(text(hub.sparsify(model)), expected)


@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_quantize_leaves_the_experts(mode):
    """As in KerasHub, whose banks are no Dense layers."""
    x = inputs("Qwen3-MoE")
    dense, sparse = causal_lm("Qwen3-MoE"), hub.sparsify(causal_lm("Qwen3-MoE"))
    found = []
    for model in (dense, sparse):
        experts = [to_numpy(weight) for weight in model.weights if "experts" in weight.path]
        model.quantize(mode)
        after = [to_numpy(weight) for weight in model.weights if "experts" in weight.path]
        for a, b in zip(experts, after, strict=True):
            np.testing.assert_array_equal(a, b)
        assert any(weight.dtype in ("int8", "uint8") for weight in model.weights)
        found.append(to_numpy(model(x)))
    assert hub.is_sparse(sparse)
    mask = x["padding_mask"].astype(bool)
    np.testing.assert_allclose(found[1][mask], found[0][mask], atol=1e-5)
