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
# # Sixteen experts, and a gate that closes
#
# This library began with a blog article about *sparse expert models*: a network of sixteen
# experts, of which each input should use only a few. The idea is good, but the article's code
# does not implement it.
#
# In this notebook we
#
# 1. implement the article's sketch and measure what it computes,
# 2. correct it step by step, until every part does what its name says,
# 3. train the corrected model on real data, and compare it with a dense model of the same cost,
# 4. discuss open questions.
#
# You should know the basics of Keras: what a layer is, and what `fit` does. Every claim below is
# checked by an `assert`. If a claim does not hold on your machine, the notebook stops there.

# %%
# To install what this notebook needs, in a clone of the repository: pip install ".[notebooks]"

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # Hides TensorFlow's start-up messages.

import logging
import time
import warnings

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import ops
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, roc_auc_score

import sparse_keras
from sparse_keras.callbacks import ExpertLoad, RoutingWarning
from sparse_keras.layers import (
    DenseExperts,
    FeatureGate,
    MixtureOfExperts,
    MLPExperts,
    ReLURouter,
    ThresholdRouter,
    TiedExperts,
    TopKRouter,
)
from sparse_keras.models import active_params, flops_per_example

# `ExpertLoad` warns when experts get no tokens. Here, we look at the load ourselves.
warnings.simplefilter("ignore", RoutingWarning)

BLUE, ORANGE, GREY = "#2a6f97", "#e07a3f", "#8a9299"
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
logging.getLogger("tensorflow").setLevel("ERROR")  # We compile several functions on purpose.
rng = np.random.default_rng(0)
keras.utils.set_random_seed(0)

# %% [markdown]
# ## 1. The sketch
#
# The article puts sixteen `Dense` layers into a `Sequential` model and calls each of them an
# expert. In our code:

# %%
sketch = keras.Sequential(
    [keras.Input((100,)), *(keras.layers.Dense(100, activation="relu") for _ in range(16))]
)

# %% [markdown]
# Layers in a row are not experts that share the work: each gets the output of the layer before.
# This is a deep network, and two measurements show it.
#
# First, we count parameters. In a sparse model, an input uses only some of them.

# %%
print(f"total parameters:  {sketch.count_params():,}")
print(f"active parameters: {active_params(sketch):,}")

assert active_params(sketch) == sketch.count_params()

# %% [markdown]
# Second, we remove one "expert". Of sixteen experts, fifteen could still answer. Here the chain
# breaks, and the model predicts the same for every input:

# %%
x = rng.normal(size=(500, 100)).astype("float32")
spread = ops.convert_to_numpy(sketch(x)).std(axis=0).max()

silenced = keras.models.clone_model(sketch)
silenced.set_weights(sketch.get_weights())
silenced.layers[7].set_weights([np.zeros((100, 100)), np.zeros(100)])
spread_silenced = ops.convert_to_numpy(silenced(x)).std(axis=0).max()

print(f"spread of the outputs over 500 inputs: {spread:.4f}")
print(f"the same with layer 8 silenced:        {spread_silenced:.4f}")

assert spread > 0
assert spread_silenced == 0

# %% [markdown]
# The article does describe a gate, though its code has none:
#
# $$g_i(x) = \mathrm{sigmoid}\Big(\sum_j w_{ij} x_j + b_i\Big), \quad \text{open when } g_i(x) > 0$$
#
# A sigmoid is positive everywhere, so this gate never closes. (Except by rounding: float32
# underflows for inputs below about −88.)

# %%
gate = ops.convert_to_numpy(ops.sigmoid(np.linspace(-80, 80, 1601).astype("float32")))
print(f"smallest gate:             {gate.min():.1e}")
print(f"share open with g > 0:     {np.mean(gate > 0):.0%}")
print(f"share open with g > 0.5:   {np.mean(gate > 0.5):.0%}")

assert np.all(gate > 0)
assert 0.49 < np.mean(gate > 0.5) < 0.51

# %% [markdown]
# So nothing is gated and nothing is sparse: the sketch computes everything for every input,
# sixteen layers deep. Let us build what was intended.

# %% [markdown]
# ## 2. The correction, step by step
#
# ### Experts side by side, and a router in front
#
# A *mixture of experts* ([Shazeer et al., 2017](https://arxiv.org/abs/1701.06538)) has experts in
# parallel. A small *router* scores the experts for each input, the best `k` are computed, and
# their outputs are summed, weighted by the scores. Written as a loop over inputs:


# %%
def naive_mixture(x, router, kernels, biases, k):
    y = np.zeros((len(x), kernels.shape[-1]))
    for n, row in enumerate(x):
        scores = np.exp(row @ router)
        chosen = np.argsort(-scores)[:k]
        weights = scores[chosen] / scores[chosen].sum()
        for e, weight in zip(chosen, weights, strict=True):
            y[n] += weight * np.maximum(row @ kernels[e] + biases[e], 0)
    return y


# %% [markdown]
# `MixtureOfExperts` is the same as a Keras layer. Its first argument is the template of the
# experts:

# %%
layer = MixtureOfExperts(keras.layers.Dense(100, activation="relu"), num_experts=16, k=2)
fast = ops.convert_to_numpy(layer(x))

weights = {w.name: ops.convert_to_numpy(w).astype("float64") for w in layer.trainable_weights}
for name, value in weights.items():
    print(f"{name:15} {value.shape}")
slow = naive_mixture(
    x, weights["router_kernel"], weights["expert_kernel"], weights["expert_bias"], k=2
)
error = np.abs(fast - slow).max() / np.abs(slow).max()
print(f"\nlargest relative difference from the loop: {error:.1e}")

assert error < 1e-5

# %% [markdown]
# Again there are sixteen experts with sixteen matrices. But now each input uses only the router
# and two experts:

# %%
mixture = keras.Sequential([keras.Input((100,)), layer])
costs = pd.DataFrame(
    {
        name: {
            "total parameters": sum(int(np.prod(w.shape)) for w in model.trainable_weights),
            "active parameters": active_params(model),
            "FLOPs for one input": flops_per_example(model),
        }
        for name, model in {"sketch": sketch, "mixture": mixture}.items()
    }
).T

assert costs.loc["mixture", "total parameters"] > costs.loc["sketch", "total parameters"]
assert costs.loc["mixture", "active parameters"] < 0.15 * costs.loc["mixture", "total parameters"]
costs.map("{:,}".format)

# %% [markdown]
# ### The cost grows with k, not with the number of experts
#
# Fewer operations should also take less time. We measure the time for 2,048 inputs with
# increasing numbers of experts, with `k=2` and with all experts, and take the best of several
# runs.

# %%
inputs = rng.normal(size=(2048, 128)).astype("float32")
sizes = (2, 8, 32)
predict = {}
for num_experts in sizes:
    for k in {2, num_experts}:
        block = MixtureOfExperts(MLPExperts(num_experts=num_experts, hidden_dim=256), k=k)
        predict[num_experts, k] = keras.Sequential([block]).predict_on_batch

milliseconds = dict.fromkeys(predict, np.inf)
for _ in range(6):
    for setting, function in predict.items():
        start = time.perf_counter()
        function(inputs)
        elapsed = 1000 * (time.perf_counter() - start)
        milliseconds[setting] = min(milliseconds[setting], elapsed)

lines = {
    "all experts open": (GREY, [milliseconds[e, e] for e in sizes]),
    "k = 2": (BLUE, [milliseconds[e, 2] for e in sizes]),
}
figure, axes = plt.subplots(figsize=(5, 2.8))
for label, (color, values) in lines.items():
    axes.plot(sizes, values, "o-", color=color)
    axes.annotate(
        f"{label}\n{values[-1]:.0f} ms",
        (sizes[-1], values[-1]),
        (8, 0),
        textcoords="offset points",
        va="center",
        color=color,
    )
axes.set(xscale="log", yscale="log", xlabel="experts", ylabel="milliseconds (log scale)")
axes.set_xticks(sizes, sizes)
axes.minorticks_off()
axes.yaxis.set_major_formatter("{x:g}")
axes.set_title("2,048 inputs through one layer")
plt.show()

assert milliseconds[32, 2] < 0.5 * milliseconds[32, 32]
assert milliseconds[32, 2] / milliseconds[2, 2] < 0.5 * 32 / 2

# %% [markdown]
# ### Gates that close
#
# The top-`k` router selects the same number of experts for every input. The article wanted gates
# that open and close independently. Two routers do that:
#
# * `ThresholdRouter`, the article's sigmoid with a threshold, 0.5 by default;
# * `ReLURouter`, whose gate is `relu(...)`: open *exactly* when it is greater than 0, as the
#   article says. A penalty, which adapts during training, steers the average number of open
#   experts towards `k` ([ReMoE](https://arxiv.org/abs/2412.14711)).
#
# We need a problem to learn. Below, each input belongs to one of sixteen groups, and each group
# has its own rule for the label, so it pays to specialise.

# %%
centres = 1 + 1.5 * rng.normal(size=(16, 16))
rules = rng.normal(size=(16, 16))


def sample(n):
    group = rng.integers(16, size=n)
    offset = rng.normal(size=(n, 16))
    label = np.sum(offset * rules[group], axis=1) > 0
    return (centres[group] + offset).astype("float32"), label.astype("float32")


x_train, y_train = sample(8192)
x_test, y_test = sample(4096)


def fit(router, epochs=5):
    """Trains sixteen small experts with `router`. Returns the model and the logs of each epoch."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((16,)),
            MixtureOfExperts(
                keras.layers.Dense(4, activation="relu"),
                num_experts=16,
                router=router,
                name="mixture",
            ),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(
        x_train,
        y_train,
        batch_size=128,
        epochs=epochs,
        verbose=0,
        callbacks=[ExpertLoad(per_layer=True, per_expert=True)],
    )
    return model, pd.DataFrame(history.history)


def open_experts(layer, x):
    """Returns the number of open experts for each row of `x`."""
    _, routing = layer(x, return_routing=True)
    return ops.convert_to_numpy(ops.sum(ops.cast(routing["is_open"], "int32"), axis=1))


threshold_layer = MixtureOfExperts(
    keras.layers.Dense(4), num_experts=16, router=ThresholdRouter(threshold=0.5)
)
by_threshold = open_experts(threshold_layer, x_test)

# With so few steps, the penalty has to adapt faster than by default.
relu_model, logs = fit(ReLURouter(k=2, l1_multiplier=1.2), epochs=10)
by_relu = open_experts(relu_model.get_layer("mixture"), x_test)

figure, axes = plt.subplots(1, 2, figsize=(7.5, 2.6), sharey=True)
for ax, counts, color, title in (
    (axes[0], by_threshold, ORANGE, "ThresholdRouter, before training"),
    (axes[1], by_relu, BLUE, "ReLURouter, trained towards k = 2"),
):
    ax.bar(range(17), np.bincount(counts, minlength=17) / len(counts), color=color)
    ax.axvline(counts.mean(), color="black", linewidth=1, linestyle=":")
    ax.set_title(f"{title}: {counts.mean():.1f} on average")
    ax.set_xlabel("open experts of an input, out of 16")
    ax.set_xticks(range(0, 17, 4))
axes[0].set_ylabel("share of inputs")
plt.show()

# The threshold gate implements the formula: open where sigmoid(x @ w + b) > 0.5.
gates = ops.sigmoid(x_test @ threshold_layer.router.kernel + threshold_layer.router.bias)
assert np.mean(by_threshold == np.sum(ops.convert_to_numpy(gates) > 0.5, axis=1)) > 0.999
assert by_threshold.min() < by_threshold.max() <= 16
# The penalty steered the ReLU gates to two open experts on average.
per_epoch = logs.filter(like="experts_per_token").squeeze()
assert abs(per_epoch.iloc[-1] - 2) < 1
assert abs(per_epoch.iloc[-1] - 2) < abs(per_epoch.iloc[0] - 2)

# %% [markdown]
# Both gates really close. The threshold does not determine *how many* are open; the ReLU router
# has a target of two, which it meets on average, with more for some inputs and none for others.
#
# ### Why balance matters
#
# A router starts with random preferences. The experts that it prefers get more examples, learn
# more, and are preferred even more, while others stay unused. A *balance loss* counteracts this
# ([Switch Transformers](https://arxiv.org/abs/2101.03961)): it is smallest when all experts get
# the same share.
#
# `ExpertLoad` adds statistics of the routing to the logs of `fit`. Here, `load_violation` shows
# how far the load of the busiest expert is above the mean load: 0 is perfect balance, 1 means
# twice the mean.

# %%
runs = {weight: fit(TopKRouter(k=1, balance_loss=weight)) for weight in (0.0, 0.1, 1.0)}
accuracy = {
    weight: model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]
    for weight, (model, _) in runs.items()
}
violation = {weight: logs["load_violation"].iloc[-1] for weight, (_, logs) in runs.items()}

figure, axes = plt.subplots(1, 3, figsize=(8, 2.5), sharey=True)
for ax, (weight, (_, logs)) in zip(axes, runs.items(), strict=True):
    load = logs.filter(regex=r"/load_\d+$").iloc[-1]
    ax.bar(range(16), sorted(load, reverse=True), color=BLUE)
    ax.axhline(1 / 16, color="black", linewidth=1, linestyle=":")
    ax.set_title(f"balance_loss={weight}\ntest accuracy {accuracy[weight]:.3f}")
    ax.set_xlabel("experts, busiest first")
    ax.set_xticks([])
axes[0].set_ylabel("share of inputs")
plt.show()

runs[0.1][1][["loss", "task_loss", "aux_loss", "accuracy", "load_violation"]].round(3)

# %%
assert violation[0.1] < 0.5 * violation[0.0]
assert accuracy[0.1] > accuracy[0.0] - 0.02
assert accuracy[1.0] < accuracy[0.1]

# %% [markdown]
# The dotted line is the mean load. Without a balance loss, the load is uneven, and some experts
# are hardly used. With a small balance loss it is nearly even, at no cost in accuracy. With a
# large one it is even more balanced, but then the balance loss dominates the task, and accuracy
# drops. So use a small weight, such as 0.01, and watch the logs. (`task_loss` is the loss without
# the balance loss, and can be compared between runs.)
#
# ### Sharing weights
#
# The article wants experts to share a matrix, but does not say how. One interpretation is that
# all experts share the same matrix, and each rescales its rows and columns, as in
# [BatchEnsemble](https://arxiv.org/abs/2002.06715). This is `TiedExperts`:
#
# $$y = \mathrm{relu}\big(((x \odot r_e)\,W) \odot s_e + b_e\big)$$

# %%
separate = MixtureOfExperts(DenseExperts(num_experts=16, units=100), k=2)
tied = MixtureOfExperts(TiedExperts(num_experts=16, units=100), k=2)
separate.build((None, 100))
tied.build((None, 100))

print(f"sixteen separate matrices:  {separate.experts.count_params():>7,} weights")
print(f"one matrix, sixteen scales: {tied.experts.count_params():>7,} weights")

# Each expert still has its own matrix: W * outer(r_e, s_e).
bank = {w.name: ops.convert_to_numpy(w) for w in tied.experts.weights}
matrices = bank["expert_shared_kernel"] * (
    bank["expert_input_scale"][:, :, None] * bank["expert_output_scale"][:, None, :]
)
slow = naive_mixture(
    x, ops.convert_to_numpy(tied.router.kernel), matrices, bank["expert_bias"], k=2
)
error = np.abs(ops.convert_to_numpy(tied(x)) - slow).max() / np.abs(slow).max()

assert tied.experts.count_params() == 100 * 100 + 16 * 3 * 100
assert separate.experts.count_params() == 16 * (100 * 100 + 100)
assert error < 1e-5

# %% [markdown]
# ### A gate on each feature
#
# The article also mentions *sparse features*. `FeatureGate` applies its sigmoid gate, with a
# threshold, to each input feature. A penalty on open gates makes the network close the gates of
# features that it does not need. (It also offers the gates of [Louizos et al.,
# 2018](https://arxiv.org/abs/1712.01312), which are trained by sampling.)
#
# As a test, we use 80 features, of which the label depends on the first 8, and only 2,000
# examples.


# %%
def noisy(n):
    x = rng.normal(size=(n, 80)).astype("float32")
    pairs = x[:, 0] * x[:, 1] + x[:, 2] * x[:, 3] + x[:, 4] * x[:, 5] + x[:, 6] * x[:, 7]
    return x, (pairs > 0).astype("float32")


train_set, test_set = noisy(2000), noisy(4000)


def fit_network(*first_layers):
    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(32, activation="relu")
    output = keras.layers.Dense(1, activation="sigmoid")
    model = keras.Sequential([keras.Input((80,)), *first_layers, hidden, output])
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    model.fit(*train_set, batch_size=100, epochs=25, verbose=0)
    return model.evaluate(*test_set, verbose=0, return_dict=True)["accuracy"]


feature_gate = FeatureGate(gate="threshold", penalty=0.0125)
without, with_gate = fit_network(), fit_network(feature_gate)
gates = feature_gate.gates()

figure, axes = plt.subplots(figsize=(7.5, 2.2))
for features, color, label in (
    (range(8), BLUE, "the label depends on it"),
    (range(8, 80), ORANGE, "noise"),
):
    axes.plot(features, gates[features.start : features.stop], "o", color=color, label=label)
axes.axhline(feature_gate.threshold, color="black", linewidth=1, linestyle=":")
axes.set(xlabel="feature", ylabel="gate after training", ylim=(-0.05, 1.05), xlim=(-1, 80))
axes.legend()
axes.set_title(f"{len(feature_gate.selected_features())} of {len(gates)} gates stay open")
plt.show()

print(f"features selected:            {feature_gate.selected_features()}")
print(f"test accuracy without a gate: {without:.3f}")
print(f"test accuracy with the gate:  {with_gate:.3f}")

assert set(range(8)) <= set(feature_gate.selected_features())
assert len(feature_gate.selected_features()) < 20
assert with_gate > without + 0.1

# %% [markdown]
# ## 3. The whole model, on real data
#
# These parts form a model for tables, `sparse_mlp`, which a few lines of YAML describe. This
# config is for the census data of [UCI Adult](https://archive.ics.uci.edu/dataset/2/adult): does
# a person earn more than 50,000 dollars a year? It ships with the package, and any value can be
# overridden. Here, we train for three epochs, without early stopping.

# %%
config = sparse_keras.load_config(
    "tabular/sparse_mlp_adult", ["training.epochs=3", "training.early_stopping=null"]
)
print(config.source_text)

# %% [markdown]
# `train` does the rest: it loads and encodes the data, builds the model, trains and tests it, and
# writes everything about the run to a folder. Its logs include those of `ExpertLoad`.

# %%
data = sparse_keras.load_data(config)
run = sparse_keras.train(config, data, verbose=0)
pd.DataFrame(run.history)[["loss", "task_loss", "val_loss", "val_auc", "load_violation"]].round(3)

# %% [markdown]
# Is that good? A fair baseline is the *dense twin*: the same data, training and architecture, but
# with a dense block instead of the experts, wide enough for equal FLOPs. We train it with `fit`,
# to show that `build_model` returns an ordinary Keras model.

# %%
twin = sparse_keras.dense_twin(config, data)
data.train.epoch = 0  # Uses the same order of rows as for the sparse model.
keras.utils.set_random_seed(twin.training.seed)

twin_model = sparse_keras.build_model(twin, data)
twin_model.fit(
    data.train,
    validation_data=data.validation,
    epochs=twin.training.epochs,
    shuffle=False,  # The batches shuffle their rows themselves.
    verbose=0,
)
twin_metrics = twin_model.evaluate(data.test, return_dict=True, verbose=0)

# %% [markdown]
# Neural networks are not the only option, so we also train gradient-boosted trees from
# scikit-learn, with default settings.

# %%
frame = {part: rows.drop(columns=data.features.target.name) for part, rows in data.frames.items()}
frame = {
    part: rows.astype(dict.fromkeys(rows.select_dtypes(exclude="number"), "category"))
    for part, rows in frame.items()
}
trees = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=0)
trees.fit(frame["train"], data.train.y)
probability = trees.predict_proba(frame["test"])[:, 1]

table = pd.DataFrame(
    {
        name: {
            "test AUC": metrics["auc"],
            "test accuracy": metrics["accuracy"],
            "FLOPs for one row": flops_per_example(model),
            "total parameters": model.count_params(),
            "active parameters": active_params(model),
        }
        for name, model, metrics in (
            ("sparse experts", run.model.core, run.metrics),
            ("dense twin", twin_model, twin_metrics),
        )
    }
).T
table.loc["boosted trees", ["test AUC", "test accuracy"]] = (
    roc_auc_score(data.test.y, probability),
    accuracy_score(data.test.y, probability > 0.5),
)
columns = {name: "{:.4f}" if name.startswith("test") else "{:,.0f}" for name in table}
pd.DataFrame(
    {name: table[name].map(style.format, na_action="ignore") for name, style in columns.items()}
).fillna("–")

# %%
best = table["test AUC"].idxmax()
ahead = table.loc["sparse experts", "test AUC"] - table.loc["dense twin", "test AUC"]
print(f"best test AUC: {best}")
print(f"sparse experts minus dense twin, test AUC: {ahead:+.4f}")

majority = max(np.mean(data.test.y), 1 - np.mean(data.test.y))
operations = table["FLOPs for one row"]
assert table["test AUC"].min() > 0.90
assert table["test accuracy"].min() > majority + 0.05
assert abs(operations["sparse experts"] / operations["dense twin"] - 1) < 0.01
totals = table["total parameters"]
assert totals["sparse experts"] > 3 * totals["dense twin"]

# %% [markdown]
# At equal FLOPs, the sparse model has several times the parameters of the dense twin. More
# parameters alone do not increase accuracy: this table is small, with a few tens of thousands of
# rows, and boosted trees are hard to beat on such data. A single seed and three epochs also do
# not prove much.
#
# ### One raw row
#
# The run folder holds the config, the environment, the logs, the test metrics and the model. The
# saved model includes the preprocessing, so it predicts from raw rows; missing values and unseen
# categories are handled.

# %%
print(*sorted(file.name for file in run.path.iterdir()), sep="\n")

# %%
loaded = sparse_keras.load_model(run.path)
person = data.frames["test"].drop(columns=data.features.target.name).iloc[2].to_dict()
stranger = person | {"occupation": None, "native-country": "Atlantis"}

before = run.model.predict(person, verbose=0)
after = loaded.predict(person, verbose=0)
print(person)
print(f"earns more than 50,000 dollars:           {after.item():.1%}")
print(f"unknown occupation, born in Atlantis:     {loaded.predict(stranger, verbose=0).item():.1%}")

np.testing.assert_allclose(after, before, atol=1e-6)
assert set(stranger) == set(person)
assert 0 < loaded.predict(stranger, verbose=0).item() < 1

# %% [markdown]
# ## 4. What is left open
#
# The article presents ideas. We have now built its gate, its experts, its weight sharing and its
# sparse features. Some questions remain:
#
# * **When are experts worth it?** They add parameters without adding computation. This helps most
#   when there is much to learn and enough data to learn it from. On a small table, a dense
#   network of the same cost is a strong baseline, and here every sparse model is compared with
#   one.
# * **What do experts specialise in?** The loss does not ask them to divide the work in a way that
#   people would. The load shows how much each expert does, but not what; `sparse_keras.inspect`
#   does.
# * **How many experts, and how many of them active?** `num_experts`, `k` and the weight of the
#   balance loss are choices. Change one with an override, such as
#   `load_config("tabular/sparse_mlp_adult", ["model.router.k=1"])`, and compare.
#
# Next steps: `sparse-keras list` shows the shipped configs; `tabular/sparse_mlp_article` has the
# article's own numbers. For a table of your own, write two lines and train:
#
# ```yaml
# extends: tabular/sparse_mlp
# data: {type: csv, path: churn.csv, target: churned}
# ```
#
# The docstring of each layer names its paper: `help(sparse_keras.layers.ReLURouter)`. The
# [glossary](../docs/glossary.md) explains the terms.
