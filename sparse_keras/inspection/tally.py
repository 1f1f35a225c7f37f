"""Sums over the routings of one gate, batch by batch, so that memory does not grow with tokens."""

from collections.abc import Mapping

import numpy as np
from scipy import sparse

BINS = 50  # of a histogram over [0, 1]
MOST_NAMED = 5  # examples that an error about NaN or infinite scores lists


class Tally:
    """Adds up the routings of one gate.

    Args:
        num_experts: E.
        soft: Whether every token uses every expert, so that only the weights differ.

    Attributes:
        tokens: Number of tokens that are not padding.
        open: `[E]`, assignments of each expert.
        weight: `[E]`, the sum of each expert's weights.
        together: `[E, E]`, number of tokens that use both experts.
        top: `[BINS]`, a histogram of the largest normalised score.
        labelled: The `LabelTally`.
        not_finite: Number of examples with a token whose scores or weights are NaN or infinite;
            these tokens count nowhere else. Where it is not known to which example a token
            belongs, the number of such tokens.
        first_not_finite: The first of these examples.
    """

    def __init__(self, num_experts: int, soft: bool):
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
        self.not_finite, self.first_not_finite = 0, []

    def add(
        self,
        routing: Mapping[str, np.ndarray],
        mask: np.ndarray | None,
        codes: np.ndarray | None = None,
        example: np.ndarray | None = None,
    ) -> None:
        """Adds a batch.

        Args:
            routing: The routing as NumPy arrays.
            mask: Bool `[N]`, False for padding; or `None`.
            codes: Int `[N]`, each token's label, -1 for none; or `None`.
            example: Int `[N]`, the example each token belongs to; `None` if unknown.
        """
        tokens = np.arange(len(routing["is_open"]))
        tokens = tokens if mask is None else tokens[mask]
        routing = {name: values[tokens] for name, values in routing.items()}
        scores, finite = finite_scores(routing)
        if not finite.all():
            self._add_not_finite(tokens[~finite], example)
            tokens = tokens[finite]
            routing = {name: values[finite] for name, values in routing.items()}
            scores = normalised_scores(routing)
        is_open, weight = by_expert(routing, self.num_experts)
        if not len(tokens):
            return
        self.tokens += len(tokens)
        self.open += is_open.sum(axis=0)
        self.weight += weight.sum(axis=0)
        self.together += is_open.T @ is_open
        self._add_confidence(scores)
        if codes is not None:
            usage = normalised(weight) if self.soft else is_open
            self.labelled.add(usage, codes[tokens], example[tokens])

    def _add_not_finite(self, tokens, example):
        if example is None:
            self.not_finite += len(tokens)
            return
        examples = np.unique(example[tokens])
        self.not_finite += len(examples)
        self.first_not_finite += examples[: MOST_NAMED - len(self.first_not_finite)].tolist()

    def _add_confidence(self, scores):
        self.entropy += float(-(scores * np.log(np.maximum(scores, 1e-20))).sum())
        best = np.sort(scores, axis=1)[:, ::-1]
        top = best[:, 0]
        margin = top - best[:, 1] if self.num_experts > 1 else top
        self.top_sum += float(top.sum())
        self.margin_sum += float(margin.sum())
        self.top += np.histogram(top, BINS, (0.0, 1.0))[0]


class LabelTally:
    """Sums over examples, by label and expert, from which `association.associate` computes.

    Tokens of one example resemble each other and carry less evidence than independent ones. So an
    example counts as one draw: beside the sums of its usage a (number of tokens that use an expert)
    and of its number of tokens n, the sums of their squares and products are stored, by label and
    over all labels.
    """

    def __init__(self, num_experts: int):
        self.num_experts = num_experts
        self.by_label = {name: np.zeros(0) for name in ("n", "nn", "n_all", "examples")}
        self.by_both = {
            name: np.zeros((0, num_experts)) for name in ("a", "aa", "an", "a_all", "a_n", "n_a")
        }
        self.by_expert = {name: np.zeros(num_experts) for name in ("a", "aa", "an")}
        self.n = self.nn = 0.0
        self.examples = 0

    def add(self, usage: np.ndarray, codes: np.ndarray, example: np.ndarray) -> None:
        """Adds tokens.

        Args:
            usage: `[N, E]`, how much each token uses each expert: 0 or 1, or the expert's share.
            codes: Int `[N]`, labels; tokens with label -1 are left out.
            example: Int `[N]`, the example each token belongs to.
        """
        labelled = codes >= 0
        usage, codes, example = usage[labelled], codes[labelled], example[labelled]
        if not len(codes):
            return
        self._make_room(int(codes.max()) + 1)
        _, example = np.unique(example, return_inverse=True)
        a_all, n_all = _sum_by(example, usage), np.bincount(example).astype("float64")
        # A row for each pair of an example and a label that occurs in it.
        pairs, pair = np.unique(np.stack([example, codes]), axis=1, return_inverse=True)
        pair = pair.reshape(-1)
        example, codes = pairs
        a, n = _sum_by(pair, usage), np.bincount(pair).astype("float64")

        labels = len(self.by_label["n"])
        for name, values in (
            ("n", n), ("nn", n * n), ("n_all", n * n_all[example]), ("examples", np.ones_like(n))
        ):  # fmt: skip
            self.by_label[name] += np.bincount(codes, values, minlength=labels)
        for name, values in (
            ("a", a),
            ("aa", a * a),
            ("an", a * n[:, None]),
            ("a_all", a * a_all[example]),
            ("a_n", a * n_all[example][:, None]),
            ("n_a", n[:, None] * a_all[example]),
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


def by_expert(routing: Mapping[str, np.ndarray], num_experts: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns whether each expert is open (1 or 0) and its weight: two float64 `[N, E]`."""
    is_open = routing["is_open"].astype(bool)
    rows = np.broadcast_to(np.arange(len(is_open))[:, None], is_open.shape)[is_open]
    experts = routing["expert_index"][is_open]
    opened = np.zeros((len(is_open), num_experts))
    opened[rows, experts] = 1.0
    weight = np.zeros_like(opened)
    np.add.at(weight, (rows, experts), routing["weight"][is_open])
    return opened, weight


def finite_scores(routing: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Returns normalised scores `[N, E]`, and bool `[N]`: scores and weights are all finite."""
    with np.errstate(invalid="ignore"):
        scores = normalised_scores(routing)
    return scores, np.isfinite(scores).all(axis=1) & np.isfinite(routing["weight"]).all(axis=1)


def normalised_scores(routing: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns each token's scores, by which experts are chosen, divided by their sum: `[N, E]`."""
    scores = routing["scores"].astype("float64")
    if (scores < 0).any():  # Raw logits, for instance.
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return normalised(scores)


def normalised(values: np.ndarray) -> np.ndarray:
    """Divides each row of `[N, E]` by its sum."""
    return values / np.maximum(values.sum(axis=1, keepdims=True), 1e-20)


def _sum_by(groups, values, num_groups=None):
    """Sums the rows of `values` `[N, E]` by group: `[G, E]`."""
    num_groups = int(groups.max()) + 1 if num_groups is None else num_groups
    rows = np.arange(len(groups))
    ones = np.ones(len(groups))
    return sparse.csr_matrix((ones, (groups, rows)), shape=(num_groups, len(groups))) @ values
