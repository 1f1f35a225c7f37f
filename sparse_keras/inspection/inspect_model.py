"""inspect: runs a model on examples, and looks at what its routers decide."""

import numpy as np

from sparse_keras.inspection import association
from sparse_keras.inspection.batches import batches_of, num_rows
from sparse_keras.inspection.labels import Vocabulary, plain
from sparse_keras.inspection.result import Finding, GateInspection, Inspection
from sparse_keras.inspection.tally import Tally
from sparse_keras.layers.mixtures import routing_warnings as health
from sparse_keras.layers.mixtures.mixture import mixtures
from sparse_keras.layers.mixtures.routing_hooks import hooked, values_of
from sparse_keras.layers.mixtures.soft_mixture import SoftMixtureOfExperts
from sparse_keras.ops import expert_capacity


def inspect(model, x, labels=None, *, batch_size=256, data="examples", label="label"):
    """Runs a model on examples, and tells what its routers do with them.

    The model runs eagerly and outside training, batch by batch; its compiled functions stay as they
    are. Padding counts nowhere. What is kept are sums, so that any number of examples fits.

    Args:
        model: Any Keras model, or what `load_model` returns, with a mixture of experts of any kind
            somewhere in it.
        x: Examples: what `model.predict` takes (arrays, a dict of them; raw rows, for a model that
            encodes them), or a dataset: `tf.data.Dataset`, `keras.utils.PyDataset`, or anything
            that yields batches `inputs` or `(inputs, targets)`.
        labels: What to tell specialisation by, strings or whole numbers: an array `[B]`, a label
            for each example; or one with as many axes as the tokens have, such as `[B, T]`, a label
            for each token (`labels=x` for models that read token numbers). `None` and NaN are no
            label. Of a dataset, `"targets"` takes the targets that it yields.
        batch_size: Rows in a batch, of what is not in batches yet.
        data: What to call the examples, in tables and pages.
        label: What to call the labels.

    Returns:
        An `Inspection`.

    Raises:
        ValueError: If the model has no mixture of experts, or runs one inside a compiled function;
            if there are no examples, or not as many labels as examples or tokens; or if a router's
            scores are NaN or infinite, as those of NaN inputs are. Padding may hold anything.

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
    layers = mixtures(model)
    if not layers:
        raise ValueError(f"The model {model.name!r} has no mixture of experts to look at.")
    targets = isinstance(labels, str) and labels == "targets"
    if isinstance(labels, str) and not targets:
        raise ValueError(
            f"`labels` must be an array, or 'targets' of a dataset. Received: {labels!r}."
        )
    given = None if labels is None or targets else plain(labels)
    vocabulary = Vocabulary()
    watch = _Watch(layers)
    examples = 0
    with hooked(watch):
        for inputs, target in batches_of(model, x, batch_size):
            rows = num_rows(inputs)
            if not rows:
                continue
            codes = None
            if given is not None:
                codes = vocabulary.encode(_rows_of(given, examples, rows))
            elif targets:
                codes = vocabulary.encode(_rows_of(_labels_of(target), 0, rows))
            watch.start_batch(rows, codes, examples)
            model(inputs, training=False)
            examples += rows
    if not examples:
        raise ValueError("Expected at least one example. Received none.")
    if given is not None and len(given) != examples:
        raise ValueError(
            f"Expected a label for each of {examples} examples. Received: `labels` of shape "
            f"{given.shape}."
        )
    gates = watch.gates()
    if not gates:
        raise ValueError(f"The model {model.name!r} called none of its mixtures of experts.")
    watch.check_finite(examples)
    label = None if labels is None else label
    found = [_inspect_gate(key, vocabulary, len(gates), watch, data) for key in gates]
    return Inspection(model.name, data, examples, label, found)


def _rows_of(labels, start, rows):
    if not labels.ndim or len(labels) < start + rows:
        raise ValueError(
            f"Expected a label for each example, of which there are at least {start + rows}. "
            f"Received: `labels` of shape {labels.shape}."
        )
    return labels[start : start + rows]


def _labels_of(target):
    if target is None or isinstance(target, (dict, list, tuple)):
        raise ValueError(
            "labels='targets' needs a dataset that yields pairs (inputs, targets) with one array "
            f"of targets. Received: targets of type {type(target).__name__}."
        )
    return plain(target)


class _Watch:
    """A hook that adds up routings, for each gate and each of its layer's calls in a batch."""

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
        unit = self._examples_of_tokens(len(routing["is_open"]))
        codes = self._codes_of_tokens(key, len(routing["is_open"]))
        tally.add(routing, mask, codes, unit)
        tally.dropped += _dropped(layer, routing, router.num_experts)

    def _examples_of_tokens(self, tokens):
        """The example that each token is of, or `None` if there are no equal numbers of them."""
        if tokens % self.rows:
            return None
        return self.first + np.repeat(np.arange(self.rows), tokens // self.rows)

    def _codes_of_tokens(self, key, tokens):
        """The label of each token, or `None`."""
        if self.codes is None:
            return None
        labels = self.codes.size
        # Tokens are in the order of the flattened input, whose first axis are the examples.
        if tokens % self.rows or labels not in (self.rows, tokens):
            self.notes[key] = (
                f"The labels do not fit the tokens here: {labels} labels, {tokens} tokens in a "
                "batch."
            )
            return None
        return np.repeat(self.codes.reshape(-1), tokens // labels)

    def check_finite(self, examples):
        """Raises a ValueError if a gate had NaN or infinite scores, of the first such gate."""
        for key, tally in self.tallies.items():
            if not tally.unfit:
                continue
            told = f"The scores of {self.name(key)!r} are NaN or infinite"
            if tally.first_unfit and tally.unfit == examples:
                raise ValueError(
                    f"{told} for each of {examples} examples: the inputs are, or the model's "
                    "weights are, as after a training that diverged."
                )
            which = f"{tally.unfit} tokens"
            if tally.first_unfit:
                first = health.listed(tally.first_unfit, tally.unfit)
                which = f"{tally.unfit} of {examples} examples (counted from 0: {first})"
            raise ValueError(
                f"{told} for {which}: their inputs are, or become so on the way there. Leave such "
                "examples out, or mend them."
            )

    def gates(self):
        return list(self.tallies)

    def name(self, key):
        layer, gate, call = key
        name = self.layers[layer].path + (f"/{gate}" if gate else "")
        calls = sum(other[:2] == key[:2] for other in self.tallies)
        return name if calls == 1 else f"{name} (call {call + 1} of {calls})"


def _dropped(layer, routing, num_experts):
    """Assignments that are dropped for want of capacity, outside training."""
    factor = getattr(layer, "eval_capacity_factor", None)
    if factor is None:
        return 0.0
    is_open = routing["is_open"].astype(bool)
    load = np.bincount(routing["expert_index"][is_open], minlength=num_experts)
    capacity = int(np.asarray(expert_capacity(factor, int(load.sum()), num_experts)))
    return float(np.maximum(load - capacity, 0).sum())


def _inspect_gate(key, vocabulary, num_gates, watch, data):
    layer, gate = watch.layers[key[0]], key[1]
    tally, router = watch.tallies[key], layer.gates[gate]
    num_experts, tokens = tally.num_experts, tally.tokens
    assigned = tally.open.sum()
    used = tally.weight if tally.soft else tally.open
    load = used / used.sum() if assigned else np.full(num_experts, np.nan)
    per_token = assigned / tokens if tokens else np.nan
    dead = np.flatnonzero(tally.open == 0).tolist() if assigned else list(range(num_experts))
    found = {
        "load": tally.open / assigned if assigned else load,
        "assigned": assigned,
        "experts_per_token": per_token,
        "dead": len(dead) if assigned else 0,
        "dropped": tally.dropped / assigned if assigned else np.nan,
    }
    name = watch.name(key)
    problems = health.complaints(
        found,
        router,
        where=name,
        when=f"on these {data}",
        training=False,
        capacity=getattr(layer, "eval_capacity_factor", None),
        capacity_name="eval_capacity_factor",
    )
    together = tally.together.copy()
    np.fill_diagonal(together, 0.0)
    names = layer.expert_names(gate) if hasattr(layer, "expert_names") else range(num_experts)
    per = max(tokens, 1)
    uniform = np.log(max(num_experts, 2))
    return GateInspection(
        name=name,
        router=type(router).__name__,
        num_experts=num_experts,
        expert_names=[one if isinstance(one, str) else f"expert {one}" for one in names],
        tokens=tokens,
        experts_per_token=per_token,
        soft=tally.soft,
        load=load,
        importance=tally.weight / max(tally.weight.sum(), 1e-20),
        load_violation=float(load.max() * num_experts - 1),
        concentration=health.concentration(load, 1 if tally.soft else per_token),
        dead=dead,
        dropped=found["dropped"],
        entropy=tally.entropy / per / uniform,
        confidence=tally.top_sum / per,
        confidence_histogram=tally.top / per,
        margin=tally.margin_sum / per,
        coactivation=(
            np.full(together.shape, np.nan) if tally.soft else association.coactivation(together)
        ),
        coactivation_tokens=together,
        problems=problems,
        **_by_label(tally.labelled, vocabulary, num_gates, watch.notes.get(key)),
    )


def _by_label(tally, vocabulary, num_gates, note):
    if note is not None or not tally.n:
        return {"note": note}
    found = association.associate(tally)
    # In the order of the labels, not of their first appearance; without those of padding alone.
    codes = np.flatnonzero(found["tokens"])
    order = sorted(codes.tolist(), key=lambda code: _order(vocabulary.names[code]))
    findings = [
        Finding(
            label=vocabulary.names[code],
            expert=expert,
            share=float(found["rate"][code, expert]),
            base_share=float(found["base_rate"][expert]),
            lift=float(found["lift"][code, expert]),
            tokens=int(found["tokens"][code]),
            examples=int(found["examples"][code]),
            p_value=p_value,
        )
        for code, expert, p_value in association.named(found, num_gates)
    ]
    return {
        "labels": [vocabulary.names[code] for code in order],
        "label_tokens": found["tokens"][order],
        "rate": found["rate"][order],
        "base_rate": found["base_rate"],
        "share": found["share"][order],
        "lift": found["lift"][order],
        "mutual_information": found["mutual_information"],
        "mutual_information_by_chance": found["mutual_information_by_chance"],
        "findings": findings,
    }


def _order(label):
    """Numbers by size, before strings by letter."""
    if isinstance(label, (int, float)):
        return (0, label, "")
    return (1, 0, str(label))
