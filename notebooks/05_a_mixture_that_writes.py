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
# # A small mixture of experts that writes Shakespeare
#
# A language model predicts the next token of a text. In this notebook we train one from scratch in
# about half a minute, let it write, train its dense twin for comparison, and look at what its
# experts read.
#
# It is a very small model, trained on 0.6 million tokens, and what it writes makes no sense. But it
# learns spelling, names, lines and scenes from nothing, and everything here works the same for
# larger models: a config, `train`, `generate`, `inspect`. Every claim is checked by an `assert`.

# %%
# To install what this notebook needs, in a clone of the repository:
# pip install ".[notebooks,text]"

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # Hides TensorFlow's start-up messages.

import json
import tempfile

import matplotlib.pyplot as plt
import numpy as np

import sparse_keras
from sparse_keras._internal.shipped import shipped_folder
from sparse_keras.models import active_params, flops_per_example, total_params

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
BLUE, ORANGE = "#2a6f97", "#e07a3f"
folder = tempfile.mkdtemp()

# %% [markdown]
# ## 1. The config
#
# `text/causal_lm_shakespeare` is in the zoo. We make it smaller, so that it trains in this
# notebook: two blocks of width 32, each with sixteen experts, of which every token uses two.

# %%
config = sparse_keras.load_config(
    "text/causal_lm_shakespeare",
    [
        "data.vocabulary_size=1024",
        "model.depth=2",
        "model.width=32",
        "model.num_heads=2",
        "model.experts={num_experts: 16, hidden_dim: 43}",
        "optimizer.learning_rate=0.006",
        "training={steps: 300, steps_per_epoch: 50, batch_size: 16, samples: null}",
    ],
)
data = sparse_keras.load_data(config)
print(data)

# %% [markdown]
# The tokenizer was trained on the training texts. Frequent words are one token, rare ones several.
# A text that was encoded is decoded to itself.

# %%
line = "Shall I compare thee to a summer's day? 存在"
ids = data.tokenizer.encode(line)
print([data.tokenizer.bytes_of(token).decode("utf-8", "replace") for token in ids])
assert data.tokenizer.decode(ids) == line

# %% [markdown]
# A training example is a row of 128 tokens; its labels are the same tokens, one further on.

# %%
x, y = data.train[0]
print(x["token_ids"].shape)
print(data.tokenizer.decode(x["token_ids"][0])[:200])
assert (x["token_ids"][0, 1:] == y[0, :-1]).all()

# %% [markdown]
# ## 2. Training, beside the dense twin
#
# `dense_twin` replaces the experts by dense layers that cost as many operations for each token.
# Both see the same tokens in the same order.

# %%
twin = sparse_keras.dense_twin(config, data)
runs = {
    "sparse experts": sparse_keras.train(config, data, output=folder, verbose=0),
    "dense twin": sparse_keras.train(twin, data, output=folder, verbose=0),
}
for name, run in runs.items():
    network = run.model.core
    print(
        f"{name:15} {total_params(network):8,} parameters, {active_params(network):7,} active, "
        f"{flops_per_example(network) / 128 / 1e6:.2f} MFLOPs a token: "
        f"{run.metrics['bits_per_byte']:.3f} bits per byte on the test texts"
    )

# %% [markdown]
# The left picture is of this run. After so few steps there is little between the two: each expert
# sees an eighth of the tokens, and has to learn from them what the dense layers learn from all.
#
# The right picture is what happens later. It shows a longer training that is part of this library's
# results: `text/causal_lm_writings`, plays, poems and code, 1,400 steps, three seeds. The mixture
# starts behind its twin, overtakes it after about 500 steps, and ends well below.

# %%
results = shipped_folder("results") / "language_models" / "cpu.json"
published = json.loads(results.read_text(encoding="utf-8"))["runs"]
long = {"sparse experts": published["moe"], "dense twin": published["equal_flops"]}
figure, (now, later) = plt.subplots(1, 2, figsize=(9, 3))
for name, colour in zip(runs, (BLUE, ORANGE), strict=True):
    losses = runs[name].history["val_loss"]
    now.plot(50 * np.arange(1, len(losses) + 1), losses, "o-", color=colour, label=name, ms=3)
    for run in long[name].values():
        later.plot(run["steps"], run["val_loss"], color=colour, lw=1)
now.set(xlabel="step", title="loss of the validation texts (nats a token)")
later.set(xlabel="step", title="the same of a longer training, three seeds", ylim=(3.5, 4.8))
now.legend()
plt.show()

sparse, dense = (run.history["val_loss"][-1] for run in runs.values())
print(f"here: sparse experts minus dense twin {sparse - dense:+.3f} ({sparse / dense - 1:+.1%})")
assert abs(sparse / dense - 1) < 0.05
for seed, run in long["sparse experts"].items():
    share = run["val_loss"][-1] / long["dense twin"][seed]["val_loss"][-1] - 1
    print(f"longer, seed {seed}: {share:+.1%}")
    assert share < -0.03

# %% [markdown]
# [docs/language_models.md](../docs/language_models.md) says how that was measured.
#
# ## 3. Writing
#
# The run's model is the network and its tokenizer in one. It takes and returns strings.

# %%
model = runs["sparse experts"].model
text = model.generate("ROMEO\n", max_new_tokens=100, temperature=0.7, seed=3)
print("ROMEO\n" + text)

# %% [markdown]
# Each prompt is continued as it is alone, and a seed gives the same text whatever is beside it.

# %%
together = model.generate(["ROMEO\n", "KING"], max_new_tokens=100, temperature=0.7, seed=3)
assert together[0] == text
streamed = list(model.generate("ROMEO\n", 100, temperature=0.7, seed=3, stream=True))
print(streamed[:12])
assert "".join(streamed) == text

# %% [markdown]
# ## 4. What the experts read
#
# We give each token of some test rows a kind: a line break, punctuation, the beginning of a word or
# its rest, or capitals, as in the names of speakers. `inspect` counts which experts get them, and
# tests whether the choice of experts depends on the kind.


# %%
def kind(token):
    text = data.tokenizer.bytes_of(token).decode("utf-8", "replace")
    if "\n" in text:
        return "line break"
    word = text.strip()
    if not word.isalpha():
        return "punctuation"
    if word.isupper() and word not in ("I", "O", "A"):
        return "capitals"
    return "beginning of a word" if text[0] == " " else "rest of a word"


kinds = np.array([kind(token) for token in range(data.tokenizer.vocabulary_size)])
x = {name: np.concatenate([data.test[n][0][name] for n in range(4)]) for name in x}
inspection = sparse_keras.inspect(
    model.core, x, kinds[x["token_ids"]], data="rows of tokens", label="kind"
)
print(inspection)
assert all(gate.findings for gate in inspection.gates)

# %% [markdown]
# A row of the picture is a kind of tokens, a column an expert, and dark blue means that most tokens
# of the kind go there. If experts did not differ, all rows would be alike.

# %%
figure, axes = plt.subplots(1, len(inspection.gates), figsize=(10, 2.6), sharey=True)
for number, (axis, gate) in enumerate(zip(axes, inspection.gates, strict=True)):
    axis.imshow(gate.rate, aspect="auto", cmap="Blues", vmin=0, vmax=1)
    axis.set(title=f"block {number}", xlabel="expert", xticks=[0, 5, 10, 15])
    axis.set_yticks(range(len(gate.labels)), gate.labels)
plt.show()

# %% [markdown]
# ## What to remember
#
# * The mixture has several times as many parameters as its twin, and the same cost for each token.
#   What it gains grows with the length of training: a short trial is no test of it.
# * Nobody told the experts about names, punctuation or line breaks. They specialise because each
#   learns from the tokens that it gets.
# * `sparse-keras train`, `generate` and `inspect` do all of this from the command line.
