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
# # KerasHub's models made sparse
#
# KerasHub has mixture-of-experts language models: Mixtral, Qwen-MoE, Qwen3-MoE, Qwen3.5-MoE,
# GPT-OSS and Gemma 4. Their routers select a few experts for each token. Yet their layers compute
# *every* expert for *every* token, and multiply what was not selected by zero.
#
# In this notebook we
#
# 1. measure what that costs, and say why it is so,
# 2. make a model sparse with one line, and check that nothing but the speed changes,
# 3. train it on strings, and look at the load of its experts,
# 4. see which experts it uses while it generates,
# 5. save it as a preset, which plain KerasHub loads.
#
# The model is a small Qwen3-MoE of random weights, so that everything runs in a minute on a
# laptop. A pretrained one takes the same lines. Every claim is checked by an `assert`.

# %%
# To install what this notebook needs, in a clone of the repository:
# pip install ".[notebooks,hub]"

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # Hides TensorFlow's start-up messages.

import statistics
import tempfile
import time
import warnings

import keras
import keras_hub
import matplotlib.pyplot as plt
import numpy as np
import sklearn.datasets

import sparse_keras
from sparse_keras import hub
from sparse_keras.callbacks import ExpertLoad, RoutingWarning

warnings.filterwarnings("ignore", module="keras")  # Of KerasHub on new versions of Keras.
# `ExpertLoad` warns when experts get no tokens. Here, we look at the load ourselves.
warnings.simplefilter("ignore", RoutingWarning)

BLUE, ORANGE = "#2a6f97", "#e07a3f"
plt.rcParams.update(
    {
        "figure.dpi": 110,
        "figure.constrained_layout.use": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "legend.frameon": False,
        "font.size": 9,
    }
)

# %% [markdown]
# ## What computing every expert costs
#
# A mixture is meant to own many weights, and to use few of them for a token: with four of E experts
# selected, the cost should not depend on E. Let us take a gradient step of KerasHub's own model
# with 8, 16 and 32 experts, and compare it with a second one that `hub.sparsify` has changed.

# %%
WIDTH, HIDDEN, SELECTED = 128, 256, 4


def backbone(num_experts, num_layers=1, vocabulary_size=260):
    keras.utils.set_random_seed(0)
    return keras_hub.models.Qwen3MoeBackbone(
        vocabulary_size=vocabulary_size,
        num_layers=num_layers,
        num_query_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        hidden_dim=WIDTH,
        intermediate_dim=HIDDEN,
        moe_intermediate_dim=HIDDEN,
        num_experts=num_experts,
        top_k=SELECTED,
        norm_top_k_prob=True,
    )


rng = np.random.default_rng(0)
ids = rng.integers(1, 260, (8, 64)).astype("int32")
x = {"token_ids": ids, "padding_mask": np.ones_like(ids)}
target = np.zeros((*ids.shape, WIDTH), "float32")


def seconds_of_steps(*models, steps=5):
    """Median seconds of a gradient step of each model, the models in turns."""
    for model in models:
        model.compile("sgd", "mse")
        model.train_on_batch(x, target)  # The first step traces and compiles.
    seconds = [[] for _ in models]
    for _ in range(steps):
        for times, model in zip(seconds, models, strict=True):
            start = time.perf_counter()
            model.train_on_batch(x, target)
            times.append(time.perf_counter() - start)
    return [statistics.median(times) for times in seconds]


experts = [8, 16, 32]
steps = [seconds_of_steps(backbone(e), hub.sparsify(backbone(e))) for e in experts]
for e, (plain, sparse) in zip(experts, steps, strict=True):
    print(f"{e:3} experts: KerasHub {1000 * plain:4.0f} ms, sparse {1000 * sparse:4.0f} ms")

# %%
figure, axes = plt.subplots(figsize=(5.5, 3))
for index, (label, color) in enumerate([("KerasHub", ORANGE), ("sparsified", BLUE)]):
    axes.plot(experts, [1000 * pair[index] for pair in steps], "o-", color=color, label=label)
axes.set(
    title=f"A gradient step, {SELECTED} of E experts selected",
    xlabel="E, the number of experts",
    ylabel="milliseconds",
    xticks=experts,
    ylim=(0, None),
)
axes.legend()
plt.show()

# KerasHub's step takes longer with each expert more, and that of the sparse model hardly.
assert steps[-1][0] > 2 * steps[0][0]
assert steps[-1][0] > 2 * steps[-1][1]

# %% [markdown]
# Why does KerasHub do that? After routing, each expert has another number of tokens: a batch of
# groups of different sizes. Keras has no product for such ragged groups, only for rectangles, and a
# comment in KerasHub's files says so. `sparse_keras.ops` has that product: tokens are sorted by
# expert, and each expert multiplies those it was given.

# %% [markdown]
# ## One line, and what stays the same
#
# From here on there is one model with text in and text out. Its tokenizer works on single bytes
# (and one pair of them, as KerasHub asks for a merge), so that it needs no download.

# %%
# Byte-level tokenizers write each byte as one printable character.
printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
characters = [chr(byte) for byte in printable] + [chr(256 + n) for n in range(256 - len(printable))]
tokens = [*characters, "th", "<|im_end|>", "<|endoftext|>"]
tokenizer = keras_hub.models.Qwen3MoeTokenizer(
    vocabulary={token: number for number, token in enumerate(tokens)}, merges=["t h"]
)
model = keras_hub.models.Qwen3MoeCausalLM(
    backbone=backbone(32, num_layers=2, vocabulary_size=tokenizer.vocabulary_size()),
    preprocessor=keras_hub.models.Qwen3MoeCausalLMPreprocessor(tokenizer, sequence_length=64),
)
model.compile(sampler="greedy")

before = model.generate("The data", max_length=48)  # The first call compiles.
start = time.perf_counter()
model.generate("The data", max_length=48)
plain_seconds = time.perf_counter() - start
logits = model.predict(["The data set"], verbose=0)
variables = [id(variable) for variable in model.variables]

# %%
hub.sparsify(model)

# %%
model.generate("The data", max_length=48)  # Compiles.
start = time.perf_counter()
after = model.generate("The data", max_length=48)
sparse_seconds = time.perf_counter() - start

print(f"KerasHub {1000 * plain_seconds:.0f} ms, sparse {1000 * sparse_seconds:.0f} ms")
assert after == before  # The same text,
assert [id(variable) for variable in model.variables] == variables  # from the same variables,
difference = np.abs(model.predict(["The data set"], verbose=0) - logits).max()
print(f"largest difference of logits: {difference:.1e}")
assert difference < 1e-4  # and the same outputs, but for rounding,
assert sparse_seconds < plain_seconds  # sooner.

# %% [markdown]
# No weight was copied or renamed. `sparsify` changes the class of the mixture blocks, and with it
# how they compute. `hub.densify(model)` changes it back.

# %% [markdown]
# ## Training, and the load of the experts
#
# `fit` takes strings as before; the texts are descriptions of scikit-learn's data sets.
# `ExpertLoad` logs how the routers spread the tokens, padding left out. The balance loss is this
# library's here: KerasHub's own counts padding as tokens.

# %%
loaders = ("iris", "wine", "diabetes", "breast_cancer", "digits", "linnerud")
text = " ".join(getattr(sklearn.datasets, f"load_{name}")().DESCR for name in loaders)
text = " ".join(text.split())
texts = [text[start : start + 63] for start in range(0, 12_000, 48)]

hub.sparsify(model, balance_loss=0.1)
model.compile(
    keras.optimizers.Adam(3e-3),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    sampler=keras_hub.samplers.TopKSampler(k=3, seed=0),
)
history = model.fit(
    texts,
    batch_size=16,
    epochs=8,
    callbacks=[ExpertLoad()],
    verbose=0,
).history

for name in ("task_loss", "aux_loss", "load_violation"):
    print(f"{name:15}", " ".join(f"{value:6.3f}" for value in history[name]))
assert history["task_loss"][-1] < history["task_loss"][0]

# %%
print(model.generate("The data", max_length=64))

# %% [markdown]
# `inspect` runs the model on texts and shows what its routers decide. Here the label of each text
# says whether it holds a digit.

# %%
held_out = [text[start : start + 63] for start in range(13_000, 16_000, 63)]
labels = ["digits" if any(c.isdigit() for c in part) else "words" for part in held_out]
inspection = sparse_keras.inspect(model, held_out, labels=labels, label="text")
print(inspection)
assert len(inspection) == 2  # A gate in each layer.

# %% [markdown]
# ## Experts at work, while the model generates
#
# `routing.record` keeps the choices of every gate, also inside `generate`: first those for the
# prompt, then one call for each new token.

# %%
prompt = "The number of"
with sparse_keras.routing.record(model) as recording:
    generated = model.generate(prompt, max_length=40)

gate = recording.gates[1]
new = [call for call in gate.calls if len(call["weight"]) == 1]
weights = np.zeros((32, len(new)))
for column, call in enumerate(new):
    weights[call["expert_index"][0], column] = call["weight"][0]
assert np.allclose(weights.sum(axis=0), 1.0, atol=1e-5)
assert ((weights > 0).sum(axis=0) <= SELECTED).all()

figure, axes = plt.subplots(figsize=(7, 4))
axes.imshow(weights, cmap="Blues", aspect="auto", interpolation="nearest")
shown = [character if character.strip() else "·" for character in generated[len(prompt) :]]
axes.set(
    title="Weights of the experts of the last layer, for each generated character",
    ylabel="expert",
    xticks=range(len(new)),
    # The call that reads a character chooses the one after it.
    xticklabels=(shown + [""] * len(new))[: len(new)],
)
plt.show()

# %% [markdown]
# ## Back to KerasHub
#
# Files are those of KerasHub. What is saved here loads there, and the other way round.

# %%
with tempfile.TemporaryDirectory() as folder:
    model.save_to_preset(folder)
    plain = keras_hub.models.Qwen3MoeCausalLM.from_preset(folder)

assert not hub.is_sparse(plain)
found, expected = (m.predict(["The data set"], verbose=0) for m in (plain, model))
assert np.abs(found - expected).max() < 1e-3
print("The same outputs from KerasHub's own model:", np.abs(found - expected).max())

# %% [markdown]
# [docs/hub.md](../docs/hub.md) has measurements of all families, on TensorFlow, JAX and PyTorch,
# and says what `sparsify` leaves as it is.
