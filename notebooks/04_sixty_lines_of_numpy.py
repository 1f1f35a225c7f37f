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
# # A mixture of experts in sixty lines of NumPy
#
# A router chooses two of several experts for each input. Choosing is a step, and a step has no
# gradient. How can the router learn what to choose?
#
# In this notebook we write a mixture of experts without any framework: the router, the choice, the
# weights, the experts, and the gradient of all of them by hand. We check each number against
# `MixtureOfExperts`, train the mixture on a problem whose best routing we know, and see what the
# router has learned, and when it learns nothing.
#
# You should know what a gradient is. Every claim below is checked by an `assert`.

# %%
# To install what this notebook needs, in a clone of the repository: pip install ".[notebooks]"

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # Hides TensorFlow's start-up messages.

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy.optimize import linear_sum_assignment

from sparse_keras.layers import MixtureOfExperts, MLPExperts, TopKRouter

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
BLUE, ORANGE, GREY = "#2a6f97", "#e07a3f", "#8a9299"

# %% [markdown]
# ## 1. Forward
#
# For an input `x` the router computes a logit for each expert. The `k` experts with the largest
# logits are chosen, and the softmax over the chosen logits gives their weights:
#
#     logits = x @ router                       [N, E]
#     chosen = the k largest logits             [N, k]
#     weight = softmax(chosen logits)           [N, k]
#     y      = sum over the chosen of weight * expert(x)
#
# An expert is a small network with one hidden layer. The loop over experts is what makes the
# mixture sparse: each expert sees the rows that chose it, and no others.

# %%
EXPERTS, CHOSEN, WIDTH, HIDDEN = 8, 2, 2, 4


def new_mixture(rng):
    """Random weights. Each expert is drawn by itself."""

    def draw(*shape):
        return rng.normal(size=shape) / np.sqrt(shape[-2])

    return {
        "router": draw(WIDTH, EXPERTS),
        "up": draw(EXPERTS, WIDTH, HIDDEN),
        "up_bias": np.zeros((EXPERTS, HIDDEN)),
        "down": draw(EXPERTS, HIDDEN, WIDTH),
        "down_bias": np.zeros((EXPERTS, WIDTH)),
    }


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def forward(p, x, k=CHOSEN):
    """Returns the outputs `[N, D]`, and what the gradient needs."""
    logits = x @ p["router"]
    chosen = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    weight = softmax(np.take_along_axis(logits, chosen, axis=1))
    y, seen = np.zeros_like(x), []
    for e in range(EXPERTS):
        rows, place = np.nonzero(chosen == e)  # The rows that chose expert e, and as which choice.
        hidden = np.maximum(x[rows] @ p["up"][e] + p["up_bias"][e], 0)
        output = hidden @ p["down"][e] + p["down_bias"][e]
        y[rows] += weight[rows, place, None] * output
        seen.append((rows, place, hidden, output))
    return y, (x, logits, chosen, weight, seen)


# %% [markdown]
# ## 2. Backward
#
# Now the gradient of a loss, given its gradient `dy` with respect to the outputs. For the experts
# this is the usual chain rule, on the rows that each expert has seen. For the router we go from the
# weights to the chosen logits, through the softmax:
#
#     dweight[choice] = dy . output of the chosen expert
#     dlogit[choice]  = weight[choice] * (dweight[choice] - sum over the chosen of weight * dweight)
#
# That is the answer to our question. **The choice has no gradient, but the weights have one.** The
# logit of a chosen expert rises if its output reduces the loss more than the weighted mean of the
# chosen outputs does. Experts that are not chosen are not compared, and their logits get no
# gradient.


# %%
def backward(p, dy, cache):
    """Returns the gradient of each weight."""
    x, logits, chosen, weight, seen = cache
    grads = {name: np.zeros_like(value) for name, value in p.items()}
    dweight = np.zeros_like(weight)
    for e, (rows, place, hidden, output) in enumerate(seen):
        dweight[rows, place] = (dy[rows] * output).sum(axis=1)
        doutput = weight[rows, place, None] * dy[rows]
        dhidden = doutput @ p["down"][e].T * (hidden > 0)
        grads["down"][e], grads["down_bias"][e] = hidden.T @ doutput, doutput.sum(axis=0)
        grads["up"][e], grads["up_bias"][e] = x[rows].T @ dhidden, dhidden.sum(axis=0)
    dchosen = weight * (dweight - (weight * dweight).sum(axis=1, keepdims=True))
    dlogits = np.zeros_like(logits)
    np.put_along_axis(dlogits, chosen, dchosen, axis=1)
    grads["router"] = x.T @ dlogits
    return grads


# %% [markdown]
# ## 3. The check
#
# The same weights in a Keras layer, the same inputs, and a loss on both: outputs and gradients must
# be the same, up to the rounding of float32.

# %%
rng = np.random.default_rng(0)
p = new_mixture(rng)
x, target = rng.normal(size=(64, WIDTH)), rng.normal(size=(64, WIDTH))

layer = MixtureOfExperts(
    MLPExperts(num_experts=EXPERTS, hidden_dim=HIDDEN),
    router=TopKRouter(k=CHOSEN, balance_loss=0.0),
)
layer.build((None, WIDTH))
for variable, name in zip(layer.trainable_variables, p, strict=True):
    variable.assign(p[name])

with tf.GradientTape() as tape:
    of_layer = layer(x.astype("float32"))
    loss = tf.reduce_mean((of_layer - target.astype("float32")) ** 2)
grads_of_layer = tape.gradient(loss, [variable.value for variable in layer.trainable_variables])

y, cache = forward(p, x)
grads = backward(p, 2 * (y - target) / y.size, cache)
np.testing.assert_allclose(y, of_layer, atol=1e-5)
for name, of_keras in zip(p, grads_of_layer, strict=True):
    np.testing.assert_allclose(grads[name], of_keras, atol=1e-5)
    print(f"{name:10} largest difference {np.abs(grads[name] - of_keras).max():.1e}")

# %% [markdown]
# A second check needs no library: we change one weight of the router by a little, and compare the
# loss with what the gradient predicts. The change must be so small that no input changes its
# experts: there the loss jumps, and the gradient knows nothing of it.

# %%
step = 1e-6
for d in range(WIDTH):
    for e in range(EXPERTS):
        losses = []
        for sign in (1, -1):
            moved = {**p, "router": p["router"].copy()}
            moved["router"][d, e] += sign * step
            losses.append(((forward(moved, x)[0] - target) ** 2).mean())
        assert abs((losses[0] - losses[1]) / (2 * step) - grads["router"][d, e]) < 1e-6
print("All gradients of the router are those of the loss.")

# %% [markdown]
# ## 4. Training
#
# A problem with a known structure: the plane is cut into eight sectors, and in each of them another
# rotation turns the input. An expert with four hidden units can compute one rotation exactly, so
# that eight experts are enough if the router finds the sectors. Nothing in the data names them.
#
# One thing is missing. Early in training, an expert that is a little better is chosen more often,
# learns more, and becomes better still; the others starve. The usual remedy is the load-balancing
# loss of Switch Transformers, `E * sum over experts of f * P`. `f` is the fraction of choices that
# an expert gets, a constant for the gradient; `P` is its mean probability in a softmax over all
# experts. Its gradient pushes down the logits of experts that are chosen too often.


# %%
def balance(logits, chosen):
    """The load-balancing loss, 1 for an even load, and its gradient for the logits."""
    share = np.bincount(chosen.ravel(), minlength=EXPERTS) / chosen.size
    probability = softmax(logits)
    loss = EXPERTS * (share * probability.mean(axis=0)).sum()
    expected = (share * probability).sum(axis=1, keepdims=True)
    return loss, EXPERTS * probability * (share - expected) / len(logits)


def adam(p, grads, state, rate=0.01):
    """One step of Adam."""
    state["step"] = state.get("step", 0) + 1
    for name, grad in grads.items():
        mean, square = state.get(name, (0.0, 0.0))
        mean, square = 0.9 * mean + 0.1 * grad, 0.999 * square + 0.001 * grad**2
        state[name] = mean, square
        scale = np.sqrt(1 - 0.999 ** state["step"]) / (1 - 0.9 ** state["step"])
        p[name] = p[name] - rate * scale * mean / (np.sqrt(square) + 1e-8)


# %%
ANGLES = np.array([0.0, 1.0, 0.5, 1.5, 0.25, 1.25, 0.75, 1.75]) * np.pi


def sector(x):
    return np.floor(np.arctan2(x[:, 1], x[:, 0]) / (np.pi / 4)).astype(int) % 8


def turned(x):
    """Each input, turned by the angle of its sector."""
    cos, sin = np.cos(ANGLES[sector(x)]), np.sin(ANGLES[sector(x)])
    return np.stack([cos * x[:, 0] - sin * x[:, 1], sin * x[:, 0] + cos * x[:, 1]], axis=1)


def train(seed, balance_weight=0.001, learn_router=True, steps=2000):
    """Trains a mixture. Returns its weights and the loss of each step."""
    rng = np.random.default_rng(seed)
    p, state, losses = new_mixture(rng), {}, []
    for _ in range(steps):
        x = rng.normal(size=(256, WIDTH))
        y, cache = forward(p, x)
        error = y - turned(x)
        grads = backward(p, 2 * error / error.size, cache)
        _, dlogits = balance(*cache[1:3])
        grads["router"] += balance_weight * x.T @ dlogits
        if not learn_router:
            grads["router"][:] = 0
        adam(p, grads, state)
        losses.append((error**2).mean())
    return p, losses


SEEDS = range(5)
learned = [train(seed) for seed in SEEDS]
frozen = [train(seed, learn_router=False) for seed in SEEDS]


def final(runs):
    return np.array([np.mean(losses[-100:]) for _, losses in runs])


print(f"loss with a learned router {final(learned).mean():.3f} +- {final(learned).std():.3f}")
print(f"loss with a frozen router  {final(frozen).mean():.3f} +- {final(frozen).std():.3f}")
assert (final(learned) < final(frozen)).all()

# %% [markdown]
# With the same experts and the same number of steps, the mixture whose router learns is better for
# each of the five seeds. The picture shows where inputs go before and after training, as colours of
# the first choice; dotted lines are the boundaries of the sectors. The router is linear and has no
# bias, so that it can only draw rays from the origin.

# %%
figure, axes = plt.subplots(1, 3, figsize=(9, 3))
grid = np.stack(np.meshgrid(np.linspace(-2, 2, 200), np.linspace(-2, 2, 200)), axis=-1)
points = grid.reshape(-1, 2)
before = new_mixture(np.random.default_rng(0))
for axis, mixture, title in (
    (axes[0], before, "first choice before training"),
    (axes[1], learned[0][0], "first choice after training"),
):
    first = (points @ mixture["router"]).argmax(axis=1).reshape(200, 200)
    axis.imshow(first, origin="lower", extent=(-2, 2, -2, 2), cmap="Pastel1", vmin=0, vmax=8)
    for slope in (0, 1, 1e9, -1):
        axis.axline((0, 0), slope=slope, color="black", lw=0.6, ls=":")
    axis.set(title=title, xticks=[-2, 0, 2], yticks=[-2, 0, 2], xlim=(-2, 2), ylim=(-2, 2))
for runs, colour, label in ((learned, BLUE, "router learns"), (frozen, ORANGE, "router frozen")):
    for number, (_, losses) in enumerate(runs):
        smooth = np.convolve(losses, np.ones(50) / 50, mode="valid")
        axes[2].plot(smooth, color=colour, lw=1, label=label if number == 0 else None)
axes[2].set(title="loss, five seeds", xlabel="step", yscale="log")
axes[2].legend()
plt.show()

# %% [markdown]
# Do the experts match the sectors? We give each sector an expert of its own, in the best way there
# is, and count the inputs whose first choice is the expert of their sector.

# %%
x = np.random.default_rng(1).normal(size=(20_000, WIDTH))


def matched(p):
    """The share of inputs whose first choice is the expert of their sector."""
    table = np.zeros((8, EXPERTS), int)
    np.add.at(table, (sector(x), (x @ p["router"]).argmax(axis=1)), 1)
    return table[linear_sum_assignment(table, maximize=True)].sum() / len(x)


after = np.array([matched(p) for p, _ in learned])
before = np.array([matched(new_mixture(np.random.default_rng(seed))) for seed in SEEDS])
print("inputs that go to the expert of their sector, one number for each seed")
print("before training", before.round(2))
print("after training ", after.round(2))
assert after.mean() > before.mean()

# %% [markdown]
# ## 5. When the router learns nothing
#
# With `k = 1` the softmax over a single chosen logit is 1, whatever the logit is. Then the weight
# has no gradient, and the router stays as it was drawn:

# %%
y, cache = forward(p, x, k=1)
grads = backward(p, y - turned(x), cache)
assert (cache[3] == 1).all() and (grads["router"] == 0).all()

one = MixtureOfExperts(
    MLPExperts(num_experts=EXPERTS, hidden_dim=HIDDEN),
    router=TopKRouter(k=1, balance_loss=0.0),
)
inputs = x[:256].astype("float32")
with tf.GradientTape() as tape:
    loss = tf.reduce_mean((one(inputs) - turned(x)[:256].astype("float32")) ** 2)
of_router = tape.gradient(loss, one.trainable_variables[0].value)
print(f"largest gradient of the router in our layer with k=1: {np.abs(of_router).max():.4f}")
assert np.abs(of_router).max() > 0

# %% [markdown]
# Libraries have this bug: they normalize the weights of the chosen experts also for `k = 1`. Switch
# Transformers keep the probability of a softmax over *all* experts as the weight. Our layer divides
# by the sum of the two largest probabilities, so that the weight lies between a half and one.
#
# ## What to remember
#
# * The choice of experts is not differentiable, and does not have to be. The router learns from the
#   weights of the experts that were chosen.
# * It compares chosen experts with each other. That is why `k = 2` is easier to train than `k = 1`,
#   and why noise, or a balancing loss, is needed to try experts that are not chosen.
# * Where the boundary between experts moves, the output jumps. A gradient does not see the jump.
