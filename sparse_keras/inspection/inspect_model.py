"""inspect: runs a model on examples, and measures what its routers decide."""

from typing import Any

import keras
import numpy as np

from sparse_keras.inspection import association
from sparse_keras.inspection.batches import batches_of, num_rows
from sparse_keras.inspection.labels import Vocabulary, plain
from sparse_keras.inspection.result import Finding, GateInspection, Inspection
from sparse_keras.inspection.tally import Tally
from sparse_keras.layers.mixtures.gated_layer import SPARSIFY_FIRST, gated_layers
from sparse_keras.layers.mixtures.routing_hooks import hooked, values_of
from sparse_keras.layers.mixtures.routing_warnings import concentration, listed, routing_problems
from sparse_keras.layers.mixtures.soft_mixture import SoftMixtureOfExperts
from sparse_keras.ops import expert_capacity


def inspect(
    model: keras.Model,
    x: Any,
    labels: Any = None,
    *,
    batch_size: int = 256,
    data: str = "examples",
    label: str = "label",
) -> Inspection:
    """Runs a model on examples and measures how its routers distribute them over experts.

    The model runs eagerly and in inference mode, batch by batch; its compiled functions are not
    touched. Padding is ignored. Only sums are stored, so the number of examples is not limited.

    Args:
        model: A Keras model with at least one mixture of experts, at any depth; or what
            `load_model` returns.
        x: Examples: what `model.predict` takes (arrays, a dict of arrays, or raw data for a model
            with preprocessing), or a dataset: `tf.data.Dataset`, `keras.utils.PyDataset`, or an
            iterable of batches `inputs` or `(inputs, targets)`.
        labels: Classes in which experts may specialise, strings or whole numbers: an array `[B]`
            with a label for each example; or one with as many axes as the tokens have, such as
            `[B, T]`, with a label for each token (`labels=x` for models that read token numbers).
            `None` and NaN mean "no label". For a dataset, `"targets"` uses the targets it yields.
        batch_size: Examples per batch, if `x` does not come in batches.
        data: What to call the examples in tables and pages.
        label: What to call the labels.

    Returns:
        An `Inspection`.

    Raises:
        ValueError: If the model has no mixture of experts, or runs one inside a compiled function;
            if there are no examples, or the number of labels fits neither examples nor tokens; or
            if a router's scores are NaN or infinite, for instance because the inputs are. Padding
            may hold any value.

    Example:

    >>> inputs = keras.Input((3,))
    >>> layer = sparse_keras.layers.MixtureOfExperts(keras.layers.Dense(1), num_experts=4, k=1)
    >>> model = keras.Model(inputs, layer(inputs))
    >>> x = np.random.default_rng(0).normal(size=(500, 3)).astype("float32")
    >>> inspection = sparse_keras.inspect(model, x, labels=np.where(x[:, 0] > 0, "right", "left"))
    >>> inspection[0].load.shape, inspection[0].labels
    ((4,), ['left', 'right'])
    >>> _ = inspection.to_html("inspection.html")  # doctest: +SKIP
    """
    layers = gated_layers(model)
    if not layers:
        raise ValueError(
            f"The model {model.name!r} has no mixture of experts to look at. {SPARSIFY_FIRST}"
        )
    if isinstance(x, str):
        raise ValueError(f"`x` must be a list of examples. Received one string: {x[:50]!r}.")
    use_targets = isinstance(labels, str) and labels == "targets"
    if isinstance(labels, str) and not use_targets:
        raise ValueError(
            f"`labels` must be an array, or 'targets' of a dataset. Received: {labels!r}."
        )
    label_array = None if labels is None or use_targets else plain(labels)
    vocabulary = Vocabulary()
    recorder = _Recorder(layers)
    examples = 0
    with hooked(recorder):
        for inputs, targets in batches_of(model, x, batch_size):
            rows = num_rows(inputs)
            if not rows:
                continue
            codes = None
            if label_array is not None:
                codes = vocabulary.encode(_rows_of(label_array, examples, rows))
            elif use_targets:
                codes = vocabulary.encode(_rows_of(_labels_of(targets), 0, rows))
            recorder.start_batch(rows, codes, examples)
            model(inputs, training=False)
            examples += rows
    if not examples:
        raise ValueError("Expected at least one example. Received none.")
    if label_array is not None and len(label_array) != examples:
        raise ValueError(
            f"Expected a label for each of {examples} examples. Received: `labels` of shape "
            f"{label_array.shape}."
        )
    gates = recorder.gates()
    if not gates:
        raise ValueError(f"The model {model.name!r} called none of its mixtures of experts.")
    recorder.check_finite(examples)
    return Inspection(
        model.name,
        data,
        examples,
        None if labels is None else label,
        [_inspect_gate(key, vocabulary, len(gates), recorder, data) for key in gates],
    )


def _rows_of(labels, start, rows):
    if not labels.ndim or len(labels) < start + rows:
        raise ValueError(
            f"Expected a label for each example, and there are at least {start + rows} examples. "
            f"Received: `labels` of shape {labels.shape}."
        )
    return labels[start : start + rows]


def _labels_of(targets):
    if targets is None or isinstance(targets, (dict, list, tuple)):
        raise ValueError(
            "labels='targets' needs a dataset that yields pairs (inputs, targets) with one array "
            f"of targets. Received: targets of type {type(targets).__name__}."
        )
    return plain(targets)


class _Recorder:
    """A hook that adds up routings, by gate and, within a batch, by the number of the call."""

    def __init__(self, layers):
        self.layers = {id(layer): layer for layer in layers}
        self.tallies = {}  # (id of the layer, gate, call) -> Tally
        self.notes = {}

    def start_batch(self, rows, codes, first):
        self.rows, self.codes, self.first = rows, codes, first
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
        soft = isinstance(layer, SoftMixtureOfExperts) or (
            router.always_open and router.slots == router.num_experts
        )
        tally = self.tallies.setdefault(key, Tally(router.num_experts, soft))
        example = self._examples_of_tokens(len(routing["is_open"]))
        codes = self._codes_of_tokens(key, len(routing["is_open"]))
        tally.add(routing, mask, codes, example)
        tally.dropped += _dropped(layer, routing, router.num_experts)

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
        name = self.layers[layer].gate_path(gate)
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


def _inspect_gate(key, vocabulary, num_gates, recorder, data):
    layer, gate = recorder.layers[key[0]], key[1]
    tally, router = recorder.tallies[key], layer.gates[gate]
    num_experts, tokens = tally.num_experts, tally.tokens
    assigned = tally.open.sum()
    used = tally.weight if tally.soft else tally.open
    load = used / used.sum() if assigned else np.full(num_experts, np.nan)
    per_token = assigned / tokens if tokens else np.nan
    dead = np.flatnonzero(tally.open == 0).tolist() if assigned else list(range(num_experts))
    statistics = {
        "load": tally.open / assigned if assigned else load,
        "assigned": assigned,
        "experts_per_token": per_token,
        "dead": len(dead) if assigned else 0,
        "dropped": tally.dropped / assigned if assigned else np.nan,
    }
    name = recorder.name(key)
    problems = routing_problems(
        statistics,
        router,
        gate=name,
        when=f"on these {data}",
        training=False,
        capacity=getattr(layer, "eval_capacity_factor", None),
        capacity_name="eval_capacity_factor",
    )
    together = tally.together.copy()
    np.fill_diagonal(together, 0.0)
    names = layer.expert_names(gate) if hasattr(layer, "expert_names") else range(num_experts)
    count = max(tokens, 1)
    uniform_entropy = np.log(max(num_experts, 2))
    return GateInspection(
        name=name,
        router=router.kind,
        num_experts=num_experts,
        expert_names=[name if isinstance(name, str) else f"expert {name}" for name in names],
        tokens=tokens,
        experts_per_token=per_token,
        soft=tally.soft,
        load=load,
        importance=tally.weight / max(tally.weight.sum(), 1e-20),
        load_violation=float(load.max() * num_experts - 1),
        concentration=concentration(load, 1 if tally.soft else per_token),
        dead=dead,
        dropped=statistics["dropped"],
        entropy=tally.entropy / count / uniform_entropy,
        confidence=tally.top_sum / count,
        confidence_histogram=tally.top / count,
        margin=tally.margin_sum / count,
        coactivation=(
            np.full(together.shape, np.nan) if tally.soft else association.coactivation(together)
        ),
        coactivation_tokens=together,
        problems=problems,
        **_by_label(tally.labelled, vocabulary, num_gates, recorder.notes.get(key)),
    )


def _by_label(tally, vocabulary, num_gates, note):
    if note is not None or not tally.n:
        return {"note": note}
    associations = association.associate(tally)
    # Labels in their own order, not that of their first appearance; without those of padding only.
    codes = np.flatnonzero(associations["tokens"])
    order = sorted(codes.tolist(), key=lambda code: _order(vocabulary.names[code]))
    findings = [
        Finding(
            label=vocabulary.names[code],
            expert=expert,
            share=float(associations["rate"][code, expert]),
            base_share=float(associations["base_rate"][expert]),
            lift=float(associations["lift"][code, expert]),
            tokens=int(associations["tokens"][code]),
            examples=int(associations["examples"][code]),
            p_value=p_value,
        )
        for code, expert, p_value in association.significant_pairs(associations, num_gates)
    ]
    return {
        "labels": [vocabulary.names[code] for code in order],
        "label_tokens": associations["tokens"][order],
        "rate": associations["rate"][order],
        "base_rate": associations["base_rate"],
        "share": associations["share"][order],
        "lift": associations["lift"][order],
        "mutual_information": associations["mutual_information"],
        "mutual_information_by_chance": associations["mutual_information_by_chance"],
        "findings": findings,
    }


def _order(label):
    """Sorts numbers by size, before strings by letter."""
    if isinstance(label, (int, float)):
        return (0, label, "")
    return (1, 0, str(label))
