"""A Transformer block in NumPy, float64."""

import numpy as np

from tests.layers.transformer.attention_reference import dense, rms_norm


def part(weights, name):
    """The weights of one sublayer, without its name."""
    return {k.split("/", 1)[1]: v for k, v in weights.items() if k.startswith(f"{name}/")}


def feed_forward(x, weights):
    """With a gate if the weights have one; the activation is SiLU."""

    def silu(x):
        return x / (1 + np.exp(-x))

    hidden = dense(x, weights, "up")
    if "gate/kernel" in weights:
        hidden = silu(dense(x, weights, "gate")) * hidden
    else:
        hidden = silu(hidden)
    return dense(hidden, weights, "down")


def layer_norm(x, weights, epsilon):
    x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + epsilon)
    return x * weights["gamma"] + weights["beta"]


def block(
    x,
    weights,
    attention,
    feed_forward,
    norm="rms",
    norm_placement="pre",
    norm_epsilon=1e-6,
    residual_multiplier=1.0,
):
    """The outputs of a block.

    Args:
        x: `[B, T, D]`.
        weights: Those of the block.
        attention: Function of an array.
        feed_forward: Function of an array.
        norm: As of the layer, and so are the others.
    """
    for name, function in (("attention", attention), ("feed_forward", feed_forward)):
        own = part(weights, f"{name}_norm")

        def normalize(x, own=own):
            if norm == "rms":
                return rms_norm(x, own["scale"], norm_epsilon)
            return layer_norm(x, own, norm_epsilon)

        if norm_placement == "pre":
            x = x + residual_multiplier * function(normalize(x))
        else:
            x = normalize(x + residual_multiplier * function(x))
    return x
