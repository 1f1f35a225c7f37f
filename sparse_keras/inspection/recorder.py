"""Recorder: adds up the routings of each gate while a model runs."""

import numpy as np

from sparse_keras.inspection.gate_names import gate_names
from sparse_keras.inspection.tally import Tally
from sparse_keras.layers.mixtures.routing_hooks import values_of
from sparse_keras.layers.mixtures.routing_warnings import listed
from sparse_keras.layers.mixtures.soft_mixture import SoftMixtureOfExperts
from sparse_keras.ops import expert_capacity


class Recorder:
    """A hook that adds up routings, by gate and, within a batch, by the number of the call.

    Args:
        model: The model.
        layers: Its layers with gates.

    Attributes:
        tallies: Dict from a key, (id of the layer, gate, call), to its `Tally`.
        notes: Dict from a key to why its labels could not be used.
        routings: Dict from a key to the routings of the batches whose tokens were given to
            `start_batch`: a list of dicts with `expert_index`, `weight`, `is_open` and `routed`,
            bool `[N]`, False for padding. `None` for a gate of something else than these tokens.
    """

    def __init__(self, model, layers):
        self.layers = {id(layer): layer for layer in layers}
        self.names = gate_names(model, layers)
        self.tallies = {}
        self.notes = {}
        self.routings = {}

    def start_batch(self, rows, codes, first, counted=None):
        """Begins a batch.

        Args:
            rows: Number of examples.
            codes: Codes of their labels, or `None`.
            first: Number of the first example.
            counted: Optional bool, flattened, for each token of the batch: False for those that are
                to be left out. Then routings are stored, too.
        """
        self.rows, self.codes, self.first, self.counted = rows, codes, first, counted
        self.calls = {}

    def __call__(self, layer, gate, routing, mask, training):
        if id(layer) not in self.layers:
            return
        call = self.calls.get((id(layer), gate), 0)
        self.calls[id(layer), gate] = call + 1
        key = (id(layer), gate, call)
        router = layer.gates[gate]
        purpose = "sparse_keras.inspect"
        names = ("expert_index", "weight", "is_open", "scores")
        routing = {name: values_of(routing[name], purpose) for name in names}
        mask = values_of(mask, purpose)
        if self.counted is not None:
            mask = self._store(key, routing, mask)
        soft = isinstance(layer, SoftMixtureOfExperts) or (
            router.always_open and router.slots == router.num_experts
        )
        tally = self.tallies.setdefault(key, Tally(router.num_experts, soft))
        example = self._examples_of_tokens(len(routing["is_open"]))
        codes = self._codes_of_tokens(key, len(routing["is_open"]))
        tally.add(routing, mask, codes, example)
        tally.dropped += _dropped(layer, routing, router.num_experts)

    def _store(self, key, routing, mask):
        """Stores the routing of a batch, and returns the mask of the tokens that count."""
        if len(routing["weight"]) != len(self.counted):
            self.routings[key] = None
            return mask
        routed = self.counted if mask is None else self.counted & mask
        stored = {name: routing[name] for name in ("expert_index", "weight", "is_open")}
        if self.routings.setdefault(key, []) is not None:
            self.routings[key].append({**stored, "routed": routed})
        return routed

    def _examples_of_tokens(self, tokens):
        """The example each token belongs to; `None` if examples do not have equally many tokens."""
        if tokens % self.rows:
            return None
        return self.first + np.repeat(np.arange(self.rows), tokens // self.rows)

    def _codes_of_tokens(self, key, tokens):
        """The label of each token, or `None`."""
        if self.codes is None:
            return None
        labels = self.codes.size
        # Tokens are in the order of the flattened input, whose first axis is the examples.
        if tokens % self.rows or labels not in (self.rows, tokens):
            self.notes[key] = (
                f"The labels do not fit the tokens of this layer: {labels} labels and {tokens} "
                "tokens in a batch."
            )
            return None
        return np.repeat(self.codes.reshape(-1), tokens // labels)

    def check_finite(self, examples):
        """Raises a ValueError about the first gate with NaN or infinite scores, if there is one."""
        for key, tally in self.tallies.items():
            if not tally.not_finite:
                continue
            problem = f"The scores of {self.name(key)!r} are NaN or infinite"
            if tally.first_not_finite and tally.not_finite == examples:
                raise ValueError(
                    f"{problem} for each of {examples} examples: the inputs are, or the model's "
                    "weights are, for instance because training diverged."
                )
            which = f"{tally.not_finite} tokens"
            if tally.first_not_finite:
                first = listed(tally.first_not_finite, tally.not_finite)
                which = f"{tally.not_finite} of {examples} examples (counted from 0: {first})"
            raise ValueError(
                f"{problem} for {which}: their inputs are, or an earlier layer's output is. Remove "
                "these examples, or correct them."
            )

    def gates(self):
        return list(self.tallies)

    def name(self, key):
        layer, gate, call = key
        name = self.names[layer, gate]
        calls = sum(other[:2] == key[:2] for other in self.tallies)
        return name if calls == 1 else f"{name} (call {call + 1} of {calls})"


def _dropped(layer, routing, num_experts):
    """Assignments dropped for lack of capacity, in inference."""
    factor = getattr(layer, "eval_capacity_factor", None)
    if factor is None:
        return 0.0
    is_open = routing["is_open"].astype(bool)
    load = np.bincount(routing["expert_index"][is_open], minlength=num_experts)
    capacity = int(np.asarray(expert_capacity(factor, int(load.sum()), num_experts)))
    return float(np.maximum(load - capacity, 0).sum())
