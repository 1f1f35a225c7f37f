"""Sums over the routings of one gate, batch by batch, so that any number of tokens fits."""

import numpy as np
from scipy import sparse

BINS = 50  # of a distribution over [0, 1]
MOST_NAMED = 5  # of the examples that are told as unfit


class Tally:
    """Adds up what one gate did.

    Args:
        num_experts: E.
        soft: Whether every token has every expert, so that weights tell what choices do not.

    Attributes:
        tokens: Tokens that are not padding.
        open: `[E]`, assignments of each expert.
        weight: `[E]`, the sum of its weights.
        together: `[E, E]`, tokens that have both.
        top: `[BINS]`, a histogram of the largest normalised score.
        labelled: The `LabelTally`.
        unfit: Examples with a token whose scores or weights are NaN or infinite, which counts
            nowhere else; where the example of a token is unknown, such tokens. `first_unfit`: the
            first of the examples.
    """

    def __init__(self, num_experts, soft):
        self.num_experts = num_experts
        self.soft = soft
        self.tokens = 0
        self.open = np.zeros(num_experts)
        self.weight = np.zeros(num_experts)
        self.together = np.zeros((num_experts, num_experts))
        self.dropped = 0.0
        self.entropy = self.top_sum = self.margin_sum = 0.0
        self.top = np.zeros(BINS)
        self.labelled = LabelTally(num_experts)
        self.unfit, self.first_unfit = 0, []

    def add(self, routing, mask, codes=None, unit=None):
        """Adds a batch.

        Args:
            routing: The routing, of NumPy arrays.
            mask: Bool `[N]`, False for padding; or `None`.
            codes: Int `[N]`, each token's label, -1 for none; or `None`.
            unit: Int `[N]`, the example that each token is of; or `None`, where that is unknown.
        """
        kept = np.arange(len(routing["is_open"]))
        kept = kept if mask is None else kept[mask]
        routing = {name: values[kept] for name, values in routing.items()}
        scores, finite = finite_scores(routing)
        if not finite.all():
            self._add_unfit(kept[~finite], unit)
            kept = kept[finite]
            routing = {name: values[finite] for name, values in routing.items()}
            scores = normalised_scores(routing)
        is_open, weight = by_expert(routing, self.num_experts)
        tokens = len(is_open)
        if not tokens:
            return
        self.tokens += tokens
        self.open += is_open.sum(axis=0)
        self.weight += weight.sum(axis=0)
        self.together += is_open.T @ is_open
        self._add_confidence(scores)
        if codes is not None:
            usage = normalised(weight) if self.soft else is_open
            self.labelled.add(usage, codes[kept], unit[kept])

    def _add_unfit(self, tokens, unit):
        if unit is None:
            self.unfit += len(tokens)
            return
        examples = np.unique(unit[tokens])
        self.unfit += len(examples)
        self.first_unfit += examples[: MOST_NAMED - len(self.first_unfit)].tolist()

    def _add_confidence(self, scores):
        self.entropy += float(-(scores * np.log(np.maximum(scores, 1e-20))).sum())
        best = np.sort(scores, axis=1)[:, ::-1]
        top = best[:, 0]
        margin = top - best[:, 1] if self.num_experts > 1 else top
        self.top_sum += float(top.sum())
        self.margin_sum += float(margin.sum())
        self.top += np.histogram(top, BINS, (0.0, 1.0))[0]


class LabelTally:
    """What `association.associate` needs: sums over examples, by label and expert.

    Tokens of one example are alike, and prove less than so many independent ones. So an example
    counts as one draw: beside the sums of its usage a (tokens that use an expert) and its tokens n,
    those of their squares and products are kept, by label l and over all labels.
    """

    def __init__(self, num_experts):
        self.num_experts = num_experts
        self.by_label = {name: np.zeros(0) for name in ("n", "nn", "n_all", "examples")}
        self.by_both = {
            name: np.zeros((0, num_experts)) for name in ("a", "aa", "an", "a_all", "a_n", "n_a")
        }
        self.by_expert = {name: np.zeros(num_experts) for name in ("a", "aa", "an")}
        self.n = self.nn = 0.0
        self.examples = 0

    def add(self, usage, codes, unit):
        """Adds tokens: usage `[N, E]`, labels `[N]` (-1: left out), examples `[N]`."""
        kept = codes >= 0
        usage, codes, unit = usage[kept], codes[kept], unit[kept]
        if not len(codes):
            return
        self._make_room(int(codes.max()) + 1)
        _, unit = np.unique(unit, return_inverse=True)
        a_all, n_all = _sum_by(unit, usage), np.bincount(unit).astype("float64")
        # One row for each example and each label that is in it.
        pairs, place = np.unique(np.stack([unit, codes]), axis=1, return_inverse=True)
        place = place.reshape(-1)
        unit, codes = pairs
        a, n = _sum_by(place, usage), np.bincount(place).astype("float64")

        labels = len(self.by_label["n"])
        for name, values in (
            ("n", n), ("nn", n * n), ("n_all", n * n_all[unit]), ("examples", np.ones_like(n))
        ):  # fmt: skip
            self.by_label[name] += np.bincount(codes, values, minlength=labels)
        for name, values in (
            ("a", a),
            ("aa", a * a),
            ("an", a * n[:, None]),
            ("a_all", a * a_all[unit]),
            ("a_n", a * n_all[unit][:, None]),
            ("n_a", n[:, None] * a_all[unit]),
        ):
            self.by_both[name] += _sum_by(codes, values, labels)
        self.by_expert["a"] += a_all.sum(axis=0)
        self.by_expert["aa"] += (a_all**2).sum(axis=0)
        self.by_expert["an"] += (a_all * n_all[:, None]).sum(axis=0)
        self.n += n_all.sum()
        self.nn += (n_all**2).sum()
        self.examples += len(n_all)

    def _make_room(self, labels):
        for sums in (self.by_label, self.by_both):
            for name, values in sums.items():
                if len(values) < labels:
                    more = np.zeros((labels - len(values), *values.shape[1:]))
                    sums[name] = np.concatenate([values, more])


def by_expert(routing, num_experts):
    """Whether each expert is open, and its weight: two float64 `[N, E]`."""
    is_open = routing["is_open"].astype(bool)
    rows = np.broadcast_to(np.arange(len(is_open))[:, None], is_open.shape)[is_open]
    experts = routing["expert_index"][is_open]
    opened = np.zeros((len(is_open), num_experts))
    opened[rows, experts] = 1.0
    weight = np.zeros_like(opened)
    np.add.at(weight, (rows, experts), routing["weight"][is_open])
    return opened, weight


def finite_scores(routing):
    """Each token's scores as shares, `[N, E]`; and whether they and its weights are numbers."""
    with np.errstate(invalid="ignore"):
        scores = normalised_scores(routing)
    return scores, np.isfinite(scores).all(axis=1) & np.isfinite(routing["weight"]).all(axis=1)


def normalised_scores(routing):
    """What the choice was made by, as shares of a token: `[N, E]`."""
    scores = routing["scores"].astype("float64")
    if (scores < 0).any():  # Raw logits, for instance.
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return normalised(scores)


def normalised(values):
    return values / np.maximum(values.sum(axis=1, keepdims=True), 1e-20)


def _sum_by(groups, values, num_groups=None):
    """Sums of the rows of `values` `[N, E]` by group: `[G, E]`."""
    num_groups = int(groups.max()) + 1 if num_groups is None else num_groups
    rows = np.arange(len(groups))
    ones = np.ones(len(groups))
    return sparse.csr_matrix((ones, (groups, rows)), shape=(num_groups, len(groups))) @ values
