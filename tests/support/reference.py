"""Naive NumPy loops in float64: what the fast paths must equal."""

import numpy as np


def grouped_matmul(x, w, group_sizes):
    y = np.zeros((x.shape[0], w.shape[2]))
    start = 0
    for e, size in enumerate(group_sizes):
        for i in range(start, start + size):
            y[i] = x[i] @ w[e]
        start += size
    return y


def grouped_matmul_gradients(x, w, group_sizes, upstream):
    dx, dw = np.zeros(x.shape), np.zeros(w.shape)
    start = 0
    for e, size in enumerate(group_sizes):
        for i in range(start, start + size):
            dx[i] = w[e] @ upstream[i]
            dw[e] += np.outer(x[i], upstream[i])
        start += size
    return dx, dw


def kept_assignments(expert_index, is_open, num_experts, capacity):
    """First choices first, then earlier tokens; an expert stops taking at its capacity."""
    taken = np.zeros(num_experts, int)
    kept = np.zeros_like(is_open)
    for choice in range(expert_index.shape[1]):
        for token in range(expert_index.shape[0]):
            e = expert_index[token, choice]
            if is_open[token, choice] and taken[e] < capacity:
                kept[token, choice] = True
                taken[e] += 1
    return kept


ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "tanh": np.tanh,
}


def expert_function(bank, e):
    """Expert e of a bank as a float64 function of one row."""
    weights = {w.name: np.asarray(w.numpy() if hasattr(w, "numpy") else w, "float64")
               for w in bank.weights}
    act = ACTIVATIONS[bank.activation.__name__]

    def dense(x, role):
        y = x @ weights[f"{role}_kernel"][e]
        return y + weights[f"{role}_bias"][e] if f"{role}_bias" in weights else y

    kind = type(bank).__name__
    if kind == "DenseExperts":
        return lambda x: act(dense(x, "expert"))
    if kind == "MLPExperts":
        return lambda x: dense(act(dense(x, "expert_up")), "expert_down")
    if kind == "GLUExperts":
        return lambda x: dense(
            act(dense(x, "expert_gate")) * dense(x, "expert_up"), "expert_down"
        )
    if kind == "TiedExperts":
        bias = weights.get("expert_bias")
        return lambda x: act(
            (x * weights["expert_input_scale"][e]) @ weights["expert_shared_kernel"]
            * weights["expert_output_scale"][e]
            + (0 if bias is None else bias[e])
        )
    raise NotImplementedError(kind)


def mixture(bank, tokens, expert_index, weight, is_open, width):
    """The mixture's output for a routing held fixed."""
    y = np.zeros((tokens.shape[0], width))
    for n in range(tokens.shape[0]):
        for slot in range(expert_index.shape[1]):
            if is_open[n, slot]:
                expert = expert_function(bank, expert_index[n, slot])
                y[n] += weight[n, slot] * expert(tokens[n])
    return y
