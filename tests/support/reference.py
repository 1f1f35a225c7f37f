"""Naive NumPy loops in float64: what the fast paths must equal."""

import numpy as np
from keras import ops


def grouped_matmul(x, w, group_sizes):
    y = np.zeros((x.shape[0], w.shape[2]))
    start = 0
    for e, size in enumerate(group_sizes):
        for i in range(start, start + size):
            y[i] = x[i] @ w[e]
        start += size
    return y


# BLAS may raise the flag of an invalid value by lanes that it does not use.
@np.errstate(invalid="ignore")
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


def kept_by_score(expert_index, is_open, scores, num_experts, capacity, first_choices_first):
    """Each expert keeps its assignments of the highest scores, or those of the tokens with the
    highest scores, choice by choice."""
    kept = np.zeros_like(is_open)
    for e in range(num_experts):
        found = [(n, c) for n, c in zip(*np.nonzero(is_open & (expert_index == e)), strict=True)]
        if first_choices_first:
            found.sort(key=lambda nc: (nc[1], -scores[nc[0]].max(), nc[0]))
        else:
            found.sort(key=lambda nc: (-scores[nc[0], e], nc[1], nc[0]))
        for n, c in found[: int(capacity)]:
            kept[n, c] = True
    return kept


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


# Each activation with its derivative.
ACTIVATIONS = {
    "linear": (lambda x: x, np.ones_like),
    "relu": (lambda x: np.maximum(x, 0), lambda x: (x > 0).astype("float64")),
    "silu": (lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * (1 - sigmoid(x)))),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
}


def weights_of(layer):
    """A layer's weights in float64, by name."""
    return {w.name: np.array(ops.convert_to_numpy(w), "float64") for w in layer.weights}


class Expert:
    """Expert e of a bank, computed for one row at a time; and backwards.

    Args:
        bank: The bank.
        weights: Dict from names to float64 arrays, as `weights_of` returns it.
        gradients: Dict from the same names to arrays that `backward` adds to.
    """

    def __init__(self, bank, weights, gradients, e):
        self.activate, self.slope = ACTIVATIONS[bank.activation.__name__]
        self.bank, self.weights, self.gradients, self.e = bank, weights, gradients, e
        self.run = getattr(self, f"run_{type(bank).__name__}")

    def __call__(self, x):
        """The output for one row, and a function from its gradient to that of the row."""
        return self.run(x)

    def own(self, role):
        """This expert's slice of a weight, 0 if the bank does not have it."""
        return self.weights[role][self.e] if role in self.weights else 0.0

    def add(self, role, gradient):
        if role in self.gradients:
            self.gradients[role][self.e] += gradient

    def dense(self, x, role, activate=False):
        kernel = self.own(f"{role}_kernel")
        z = x @ kernel + self.own(f"{role}_bias")

        def backward(upstream):
            dz = upstream * self.slope(z) if activate else upstream
            self.add(f"{role}_kernel", np.outer(x, dz))
            self.add(f"{role}_bias", dz)
            return kernel @ dz

        return self.activate(z) if activate else z, backward

    def run_DenseExperts(self, x):
        return self.dense(x, "expert", activate=True)

    def run_MLPExperts(self, x):
        hidden, from_hidden = self.dense(x, "expert_up", activate=True)
        y, from_y = self.dense(hidden, "expert_down")
        return y, lambda upstream: from_hidden(from_y(upstream))

    def run_GLUExperts(self, x):
        if self.bank.limit is not None:
            return self.run_clamped(x)
        gate, from_gate = self.dense(x, "expert_gate", activate=True)
        up, from_up = self.dense(x, "expert_up")
        y, from_y = self.dense(gate * up, "expert_down")

        def backward(upstream):
            product = from_y(upstream)
            return from_gate(product * up) + from_up(product * gate)

        return y, backward

    def run_clamped(self, x):
        limit, alpha = self.bank.limit, self.bank.alpha
        before_g, from_g = self.dense(x, "expert_gate")
        before_u, from_u = self.dense(x, "expert_up")
        g, u = np.minimum(before_g, limit), np.clip(before_u, -limit, limit)
        s = sigmoid(alpha * g)
        up = u + self.bank.up_offset
        y, from_y = self.dense(g * s * up, "expert_down")

        def backward(upstream):
            product = from_y(upstream)
            dg = product * up * (s + alpha * g * s * (1 - s)) * (before_g < limit)
            du = product * g * s * (np.abs(before_u) < limit)
            return from_g(dg) + from_u(du)

        return y, backward

    def run_LowRankExperts(self, x):
        reduced, from_reduced = self.dense(x, "expert_reduce", activate=True)
        core, from_core = self.dense(reduced, "expert_core", activate=True)
        y, from_y = self.dense(core, "expert_expand")
        return y, lambda upstream: from_reduced(from_core(from_y(upstream)))

    def run_TiedExperts(self, x):
        kernel = self.weights["expert_shared_kernel"]
        r, s = self.own("expert_input_scale"), self.own("expert_output_scale")
        shared = (x * r) @ kernel
        z = shared * s + self.own("expert_bias")

        def backward(upstream):
            dz = upstream * self.slope(z)
            self.add("expert_bias", dz)
            self.add("expert_output_scale", dz * shared)
            self.gradients["expert_shared_kernel"] += np.outer(x * r, dz * s)
            scaled = kernel @ (dz * s)
            self.add("expert_input_scale", scaled * x)
            return scaled * r

        return self.activate(z), backward


def mixture(bank, tokens, expert_index, weight, is_open, weights=None):
    """The mixture's output `[N, B]` for a routing held fixed."""
    upstream = np.zeros((len(tokens), bank.compute_output_shape(tokens.shape)[-1]))
    return mixture_and_gradients(bank, tokens, expert_index, weight, is_open, upstream, weights)[0]


def mixture_and_gradients(bank, tokens, expert_index, weight, is_open, upstream, weights=None):
    """The mixture's output for a routing held fixed, and the gradients of `sum(y * upstream)`.

    Returns:
        Output `[N, B]`, gradient in the tokens `[N, D]`, in the routing's weights `[N, K]`, and a
        dict of gradients in the bank's weights.
    """
    weights = weights_of(bank) if weights is None else weights
    gradients = {name: np.zeros_like(value) for name, value in weights.items()}
    y, dx, dweight = np.zeros(upstream.shape), np.zeros(tokens.shape), np.zeros(weight.shape)
    for n in range(len(tokens)):
        for slot in range(expert_index.shape[1]):
            if is_open[n, slot]:
                expert = Expert(bank, weights, gradients, expert_index[n, slot])
                output, backward = expert(tokens[n])
                y[n] += weight[n, slot] * output
                dx[n] += backward(weight[n, slot] * upstream[n])
                dweight[n, slot] = output @ upstream[n]
    return y, dx, dweight, gradients


def route(router, logits, mask=None, weights=None, training=False):
    """The routing of each token, one at a time: `expert_index`, `weight`, `is_open`.

    Args:
        router: The router.
        logits: Float64 `[N, E]`.
        mask: Optional bool `[N]`, False for padding.
        weights: The router's weights, as `weights_of` returns them; `None` for its own.
        training: Whether the call is part of training, for a router that chooses otherwise then.
    """
    name = type(router).__name__
    if name == "CosineRouter":
        name = "TopKRouter"  # By other logits.
    if name == "ExpertChoiceRouter":
        return expert_choice(logits, mask, router.capacity_factor)
    if name == "DSelectKRouter":
        return dselect_k(logits, mask, router.k, router.num_experts, router.gamma)
    if name == "HierarchicalRouter":
        return hierarchical(router, logits, mask)
    if name == "SinkhornRouter":
        return sinkhorn(router, logits, mask, training)
    if name == "BalancedRouter":
        return balanced(logits, mask, router.k, router.equal_weights)
    slots = getattr(router, "k" if name == "TopKRouter" else "max_experts", None)
    slots = slots or router.num_experts
    index = np.zeros((len(logits), slots), int)
    weight, is_open = np.zeros(index.shape), np.zeros(index.shape, bool)
    weights = weights_of(router) if weights is None else weights
    for n, row in enumerate(logits):
        if name == "TopKRouter":
            is_open[n] = mask is None or mask[n]
            index[n], weight[n] = token_choice(router, row, weights)
            weight[n] *= is_open[n]
            continue
        if name == "DenseRouter":
            gates, lowest = softmax(row), -np.inf
        elif name == "UniformRouter":
            gates, lowest = np.full(len(row), 1 / len(row)), -np.inf
        elif name == "ThresholdRouter":
            gates, lowest = sigmoid(row), router.threshold
        else:
            gates, lowest = np.maximum(row, 0), 0.0
        best = np.argsort(-gates, kind="stable")[:slots]
        if slots == router.num_experts:
            best = np.arange(slots)  # Nothing to choose: slot e is expert e.
        index[n] = best
        is_open[n] = (gates[best] > lowest) & (mask is None or mask[n])
        weight[n] = np.where(is_open[n], gates[best], 0.0)
        if getattr(router, "normalize", False) and weight[n].sum() > 0:
            weight[n] /= weight[n].sum()
    return index, weight, is_open


def expert_choice(logits, mask, capacity_factor):
    """Each expert, one at a time, takes its best tokens among those that are not padding."""
    tokens, num_experts = logits.shape
    candidates = np.arange(tokens) if mask is None else np.flatnonzero(mask)
    capacity = int(np.ceil(capacity_factor * len(candidates) / num_experts - 1e-9))
    scores = softmax(logits)
    is_open = np.zeros(logits.shape, bool)
    for e in range(num_experts):
        best = candidates[np.argsort(-scores[candidates, e], kind="stable")]
        is_open[best[:capacity], e] = True
    index = np.tile(np.arange(num_experts), (tokens, 1))
    return index, np.where(is_open, scores, 0.0), is_open


def balanced(logits, mask, k, equal_weights):
    """Tokens that are not padding get the next k experts each, from the first again after the last.

    Padding gets the experts of the token before it, closed.
    """
    num_experts = logits.shape[1]
    index = np.zeros((len(logits), k), int)
    weight, is_open = np.zeros(index.shape), np.zeros(index.shape, bool)
    following = 0
    for n, row in enumerate(logits):
        if mask is not None and not mask[n]:
            index[n] = [(following - k + slot) % num_experts for slot in range(k)]
            continue
        for slot in range(k):
            index[n, slot], following = following % num_experts, following + 1
        scores = softmax(row)
        others = max(np.delete(scores, index[n]), default=0.0) if k == 1 else 0.0
        weight[n] = scores[index[n]] / (scores[index[n]].sum() + others)
        if equal_weights:
            weight[n] = 1 / k
        is_open[n] = True
    return index, weight, is_open


def even_plan(logits, mask, temperature, iterations):
    """The powers of the logits, rows and columns scaled in turn to 1 and N / E.

    Padding is a row of zeros, and no part of N.
    """
    plan = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    if mask is not None:
        plan[~mask] = 0.0
    rows = np.flatnonzero(plan.sum(axis=1))
    for _ in range(iterations):
        for n in rows:
            plan[n] /= plan[n].sum()
        for e in range(plan.shape[1]):
            if len(rows):
                plan[:, e] *= len(rows) / plan.shape[1] / plan[:, e].sum()
    return plan


def sinkhorn(router, logits, mask, training):
    """The k experts of each token with the largest shares of the even plan in training, else with
    the largest logits; their weights are of the logits."""
    selection = logits
    if training:
        selection = even_plan(logits, mask, router.temperature, router.iterations)
        # Among entries that are nearly equal, the logits decide.
        selection *= np.exp(1e-3 * (logits - logits.max(initial=-1e9)) / router.temperature)
    index = np.zeros((len(logits), router.k), int)
    weight, is_open = np.zeros(index.shape), np.zeros(index.shape, bool)
    for n, row in enumerate(logits):
        index[n] = np.argsort(-selection[n], kind="stable")[: router.k]
        is_open[n] = mask is None or mask[n]
        if is_open[n].all():
            weight[n] = (sigmoid(row) if router.k == 1 else softmax(row))[index[n]]
            if router.k > 1 and router.normalize:
                weight[n] /= weight[n].sum()
    return index, weight, is_open


def cosine_logits(x, weights):
    """The cosine between each projected token and each expert's embedding over the temperature."""
    tokens, experts = x @ weights["router_kernel"], weights["router_embeddings"].T
    logits = np.zeros((len(tokens), len(experts)))
    for n, token in enumerate(tokens):
        for e, expert in enumerate(experts):
            lengths = np.linalg.norm(token) * np.linalg.norm(expert)
            logits[n, e] = token @ expert / lengths if lengths > 0 else 0.0
    return logits / np.exp(weights["router_log_temperature"]) + weights.get("router_bias", 0.0)


def two_level_logits(x, weights):
    """The logarithms of p(group) p(expert | group), from the two gates of a HierarchicalRouter."""
    groups = softmax(x @ weights["router_group_kernel"] + weights.get("router_group_bias", 0.0))
    experts = x @ weights["router_kernel"] + weights.get("router_bias", 0.0)
    size = experts.shape[1] // groups.shape[1]
    logits = np.zeros(experts.shape)
    for g in range(groups.shape[1]):
        of_group = slice(g * size, (g + 1) * size)
        logits[:, of_group] = np.log(groups[:, g : g + 1] * softmax(experts[:, of_group]))
    return logits


def hierarchical(router, logits, mask):
    """The best groups of each token, one at a time, and the best experts of each group."""

    def divisor(scores, chosen):
        others = np.delete(scores, chosen)
        alone = len(chosen) == 1 and router.normalize is None
        return scores[chosen].sum() + (others.max() if alone else 0.0)

    index = np.zeros((len(logits), router.k), int)
    weight, is_open = np.zeros(index.shape), np.zeros(index.shape, bool)
    per_group = router.k // router.groups_kept
    for n, row in enumerate(logits):
        joint = np.exp(row).reshape(router.num_groups, -1)
        of_groups = joint.sum(axis=1)
        groups = np.argsort(-of_groups, kind="stable")[: router.groups_kept]
        slot = 0
        for g in groups:
            of_experts = joint[g] / of_groups[g]
            experts = np.argsort(-of_experts, kind="stable")[:per_group]
            for e in experts:
                index[n, slot] = g * len(of_experts) + e
                weight[n, slot] = of_groups[g] * of_experts[e]
                if router.normalize is not False:
                    weight[n, slot] /= divisor(of_groups, groups) * divisor(of_experts, experts)
                slot += 1
        is_open[n] = mask is None or mask[n]
        weight[n] *= is_open[n]
    return index, weight, is_open


def token_choice(router, logits, weights):
    """The k experts of one token and their weights, by a TopKRouter's arguments."""
    experts = range(len(logits))
    scores = {
        "softmax": softmax,
        "sigmoid": sigmoid,
        "sqrt_softplus": lambda z: np.sqrt(np.log1p(np.exp(z))),
        "identity": lambda z: z,
    }[router.score](logits)
    selection = list(logits if router.select_on == "logits" else scores)
    if router.select_on == "score_plus_bias":
        selection = [selection[e] + weights["router_selection_bias"][e] for e in experts]
    if router.num_groups:
        size = len(logits) // router.num_groups
        best = {"max": 1, "top2_sum": 2}[router.group_score]
        groups = [selection[g * size : (g + 1) * size] for g in range(router.num_groups)]
        group_scores = [sum(sorted(group, reverse=True)[:best]) for group in groups]
        kept = sorted(range(router.num_groups), key=lambda g: -group_scores[g])[
            : router.groups_kept
        ]
        experts = [e for e in experts if e // size in kept]
    experts = sorted(experts, key=lambda e: -selection[e])
    alone = router.k == 1 and router.normalize is None  # Weighed beside the runner-up.
    experts = experts[: 2 if alone else router.k]
    weight = np.array([scores[e] for e in experts])
    if router.normalize == "softmax" or (router.normalize is None and router.score == "identity"):
        weight = softmax(weight)
    elif router.normalize is not False:
        weight = weight / weight.sum()
    weight, experts = router.scale * weight[: router.k], experts[: router.k]
    if router.per_expert_scale:
        weight = weight * weights["router_expert_scale"][experts]
    return experts, weight


def smooth_step(z, gamma):
    if z <= -gamma / 2:
        return 0.0
    if z >= gamma / 2:
        return 1.0
    return -2 * z**3 / gamma**3 + 3 * z / (2 * gamma) + 0.5


def selector(z, num_experts, gamma):
    """One selector's distribution: every code of bits, one at a time, to the expert it is for."""
    distribution = np.zeros(num_experts)
    for code in range(2 ** len(z)):
        # A code beyond the last expert ignores its first bit.
        expert = code if code < num_experts else code - 2 ** (len(z) - 1)
        mass = 1.0
        for b, value in enumerate(z):
            bit = smooth_step(value, gamma)
            mass *= bit if code >> b & 1 else 1 - bit
        distribution[expert] += mass
    return distribution


def dselect_k(values, mask, k, num_experts, gamma):
    """Each token's k selectors, one at a time, from `[N, k * (bits + 1)]`."""
    weight = np.zeros((len(values), num_experts))
    for n, row in enumerate(values):
        if mask is None or mask[n]:
            codes = row[k:].reshape(k, -1)
            for share, z in zip(softmax(row[:k]), codes, strict=True):
                weight[n] += share * selector(z, num_experts, gamma)
    index = np.tile(np.arange(num_experts), (len(values), 1))
    return index, weight, weight > 0


def gates_and_gradients(banks, tokens, gates, upstream):
    """Several gates over banks, for routings held fixed: outputs, and the gradients of
    `sum over gates of sum(y_gate * upstream_gate)`.

    Args:
        banks: Dict from groups to banks.
        tokens: Dict from groups to float64 `[N, D]`.
        gates: Dict from gates to `(groups that it sees, expert_index, weight, is_open)`.
        upstream: Dict from gates to `[N, B]`.

    Returns:
        Dicts of outputs by gate, of gradients in the tokens and in the weights by group, and of
        gradients in the routing's weights by gate.
    """
    y = {gate: np.zeros(values.shape) for gate, values in upstream.items()}
    dtokens = {group: np.zeros(x.shape) for group, x in tokens.items()}
    dweights = {
        group: {name: np.zeros_like(value) for name, value in weights_of(bank).items()}
        for group, bank in banks.items()
    }
    drouting = {gate: np.zeros(weight.shape) for gate, (_, _, weight, _) in gates.items()}
    for gate, (groups, expert_index, weight, is_open) in gates.items():
        owners = [(group, e) for group in groups for e in range(banks[group].num_experts)]
        for slot in range(expert_index.shape[1]):
            for n in np.flatnonzero(is_open[:, slot]):
                group, e = owners[expert_index[n, slot]]
                one = np.array([[e]]), weight[n : n + 1, slot : slot + 1], np.ones((1, 1), bool)
                part, dx, dweight, found = mixture_and_gradients(
                    banks[group], tokens[group][n : n + 1], *one, upstream[gate][n : n + 1]
                )
                y[gate][n] += part[0]
                dtokens[group][n] += dx[0]
                drouting[gate][n, slot] += dweight[0, 0]
                for name, gradient in found.items():
                    dweights[group][name] += gradient
    return y, dtokens, dweights, drouting
