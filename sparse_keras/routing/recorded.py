"""Routings recorded, and replayed: which experts each token went to, kept and used again.

    with sparse_keras.routing.record(model) as recording:
        model.predict(x, batch_size=32)
    recording.save("routing.npz")

    recording = sparse_keras.routing.load("routing.npz")
    with sparse_keras.routing.replay(model, recording):
        model.fit(x, y, batch_size=32, shuffle=False)

What a policy chose when it acted is what it is trained on; and two trainings that differ in one
thing can send each token to the same experts. Both run the model eagerly meanwhile, step by step.
"""

import contextlib
import dataclasses

import numpy as np
from keras import ops

from sparse_keras._internal.atomic import replacing
from sparse_keras.layers.mixtures.mixture import mixtures
from sparse_keras.layers.mixtures.routing_hooks import eagerly, hooked, values_of

_FORMAT = "sparse_keras routing 1"
_ARRAYS = {"expert_index": "int32", "is_open": "bool", "weight": "float32"}


@dataclasses.dataclass(eq=False)
class RecordedGate:
    """What one gate of a model chose, call by call.

    Args:
        path: The path of its layer, and the gate's name where it has one, for people to read.
        num_experts: E.
        calls: A list with a dict for each call, of NumPy arrays as in the routing: `expert_index`
            int32, `is_open` bool and `weight` float32, all `[N, K]`.
    """

    path: str
    num_experts: int
    calls: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(eq=False)
class Recording:
    """What each gate of a model chose; see `record`.

    Args:
        gates: A list of `RecordedGate`, one for each router of the model, in the order of
            `layers.mixture.mixtures(model)` and of their `gates`.
    """

    gates: list

    def save(self, path):
        """Writes a NumPy archive, which holds nothing but arrays.

        Args:
            path: The file, as a rule `*.npz`.
        """
        arrays = {
            "format": np.array(_FORMAT),
            "paths": np.array([gate.path for gate in self.gates], dtype=np.str_),
            "num_experts": np.array([gate.num_experts for gate in self.gates], "int64"),
        }
        for n, gate in enumerate(self.gates):
            arrays[f"{n}/tokens"] = np.array([len(call["weight"]) for call in gate.calls], "int64")
            for key, dtype in _ARRAYS.items():
                parts = [call[key] for call in gate.calls] or [np.zeros((0, 0), dtype)]
                arrays[f"{n}/{key}"] = np.concatenate(parts)
        with replacing(path) as partial, open(partial, "wb") as file:
            np.savez_compressed(file, **arrays)

    def __repr__(self):
        gates = ", ".join(f"{gate.path!r}: {len(gate.calls)} calls" for gate in self.gates)
        return f"<Recording {gates}>"


def load(path):
    """Reads a `Recording` that was saved.

    Args:
        path: The file.

    Returns:
        A `Recording`.

    Raises:
        ValueError: If the file is none.
        OSError: If it cannot be read.
    """
    wrong = f"{str(path)!r} is no recording of routings, which `Recording.save` writes"
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
        found = str(arrays["format"])
        if found != _FORMAT:
            raise ValueError(f"{wrong}: expected the format {_FORMAT!r}. Received: {found!r}.")
        return Recording(
            [
                RecordedGate(str(name), int(experts), _calls(arrays, n, int(experts)))
                for n, (name, experts) in enumerate(
                    zip(arrays["paths"], arrays["num_experts"], strict=True)
                )
            ]
        )
    except OSError:
        raise
    except Exception as error:  # Not a zip file, an object array, arrays that are missing, ...
        text = str(error) if str(error).startswith(wrong) else f"{wrong}: {error!r}."
        raise ValueError(text) from error


def _calls(arrays, n, num_experts):
    """The calls of gate n, from what `Recording.save` wrote."""
    tokens = arrays[f"{n}/tokens"]
    whole = {}
    for key, dtype in _ARRAYS.items():
        whole[key] = arrays[f"{n}/{key}"]
        shape = (tokens.sum(), arrays[f"{n}/weight"].shape[1])
        if whole[key].shape != shape or whole[key].dtype != dtype:
            raise ValueError(
                f"expected {n}/{key} to be {dtype} of shape {shape}, got {whole[key].dtype} of "
                f"shape {whole[key].shape}"
            )
    index = whole["expert_index"]
    if index.size and not 0 <= index.min() <= index.max() < num_experts:
        raise ValueError(f"{n}/expert_index has experts beyond {num_experts}")
    ends = np.cumsum(tokens)
    parts = {key: np.split(values, ends[:-1]) for key, values in whole.items()}
    return [{key: parts[key][c] for key in _ARRAYS} for c in range(len(tokens))]


@contextlib.contextmanager
def record(model):
    """Records which experts every gate of a model chooses.

    Meanwhile `fit`, `evaluate` and `predict` of the model run eagerly; calls of the model itself
    are recorded too.

    Args:
        model: A Keras model, or a layer, with mixtures of experts in it.

    Yields:
        A `Recording`, which grows with each call.

    Raises:
        ValueError: If the model has no mixture of experts; if it is called in a compiled function,
            where there is nothing to record; if nothing was recorded at the end.

    Example:

    >>> layer = sparse_keras.layers.MixtureOfExperts(keras.layers.Dense(1), num_experts=4, k=2)
    >>> model = keras.Sequential([keras.Input((3,)), layer])
    >>> x = np.random.normal(size=(6, 3)).astype("float32")
    >>> with sparse_keras.routing.record(model) as recording:
    ...     y = model.predict(x, verbose=0)
    >>> recording.gates[0].calls[0]["expert_index"].shape
    (6, 2)
    >>> with sparse_keras.routing.replay(model, recording):
    ...     again = model.predict(x, verbose=0)
    >>> np.allclose(y, again)
    True
    """
    places = _places(model)
    recording = Recording([RecordedGate(path, e) for path, e in places.values()])
    numbers = {place: n for n, place in enumerate(places)}

    def keep(layer, gate, routing, mask, training):
        n = numbers.get((id(layer), gate))
        if n is not None:
            recording.gates[n].path = layer.gate_path(gate)  # Unbuilt layers had none before.
            values = {key: values_of(routing[key], "routing.record") for key in _ARRAYS}
            recording.gates[n].calls.append(
                {key: np.array(value, _ARRAYS[key]) for key, value in values.items()}
            )

    with hooked(keep), eagerly(model):
        yield recording
    if not any(gate.calls for gate in recording.gates):
        raise ValueError(
            f"routing.record has seen no routing of {model.name!r}. Call the model, or its `fit`, "
            "`evaluate` or `predict`, inside the `with` block. Functions that had been compiled "
            "before, such as `predict` of a model around this one, do not run Python any more: "
            "pass that model to `record` instead."
        )


@contextlib.contextmanager
def replay(model, recording, weights="current", repeat=False):
    """Sends the tokens of a model to the experts of a recording.

    Each gate takes the recorded calls one after the other, so that the same batches must come in
    the same order: `shuffle=False` in `fit`, or the same seed. That each call has as many tokens
    as the recorded one is checked; that they are the same tokens cannot be.

    Scores, statistics and auxiliary losses are those of the current router, with the recorded
    choice. Meanwhile `fit`, `evaluate` and `predict` of the model run eagerly.

    Args:
        model: A Keras model, or a layer: the recorded one, or another with the same gates in
            the same order. Names of layers may differ.
        recording: A `Recording`.
        weights: `"current"`: the weights that the current router gives to the recorded experts, so
            that it learns. `"recorded"`: the recorded weights, constants.
        repeat: Whether the recording starts again when it is over: for several epochs over the
            batches of one. Else one call more than was recorded is an error.

    Raises:
        ValueError: If the gates of the model are not those of the recording; if a call has another
            number of tokens, or another mask; if there are more calls than were recorded, or fewer
            at the end; if the model is called in a compiled function; if a router cannot weigh
            experts that it has not chosen itself.
    """
    if weights not in ("current", "recorded"):
        raise ValueError(f"`weights` must be 'current' or 'recorded'. Received: {weights!r}.")
    places = _places(model)
    _check_gates(list(places.values()), recording)
    players = {
        place: _Player(path, gate, weights == "current", repeat)
        for (place, (path, _)), gate in zip(places.items(), recording.gates, strict=True)
    }

    def play(layer, gate, routing, mask, training):
        player = players.get((id(layer), gate))
        return None if player is None else player(layer.gates[gate], routing, mask)

    with hooked(play), eagerly(model):
        yield
    for player in players.values():
        player.check_end()


def _places(model):
    """Dict from the place of each gate, (id of its layer, name), to its path and number of experts,
    in order."""
    places = {
        (id(layer), gate): (layer.gate_path(gate), router.num_experts)
        for layer in mixtures(model)
        for gate, router in layer.gates.items()
    }
    if not places:
        raise ValueError(
            f"There is no mixture of experts in {model.name!r}. A model that makes its layers in "
            "`build` must be built before."
        )
    strategy = getattr(model, "distribute_strategy", None)
    if getattr(strategy, "num_replicas_in_sync", 1) > 1:
        raise ValueError(
            f"{model.name!r} runs on {strategy.num_replicas_in_sync} replicas, whose calls have no "
            "order. Record and replay it on one."
        )
    return places


def _check_gates(places, recording):
    if not isinstance(recording, Recording):
        raise ValueError(
            "`recording` must be what routing.record yields or routing.load reads. Received: "
            f"{recording!r}."
        )
    if len(places) != len(recording.gates):
        raise ValueError(
            f"The model has {len(places)} gates, {[path for path, _ in places]}; the recording has "
            f"{len(recording.gates)}, {[gate.path for gate in recording.gates]}."
        )
    for (path, num_experts), gate in zip(places, recording.gates, strict=True):
        if num_experts != gate.num_experts:
            raise ValueError(
                f"{path!r} routes to {num_experts} experts. In the recording, the gate at its "
                f"place, {gate.path!r}, routes to {gate.num_experts}."
            )


class _Player:
    """Gives a gate the recorded calls, one after the other."""

    def __init__(self, path, gate, current, repeat):
        self.path = path
        self.recorded = gate.calls
        self.current = current
        self.repeat = repeat
        self.done = 0  # Calls so far.

    def __call__(self, router, routing, mask):
        # Only to be refused in a compiled function, which would play one call for ever.
        values_of(routing["weight"], "routing.replay")
        call = self._next(tuple(routing["expert_index"].shape))
        is_open = call["is_open"]
        if mask is not None:
            mask = values_of(mask, "routing.replay")[:, None]
            is_open = is_open & mask
        always = np.ones_like(is_open) if mask is None else np.broadcast_to(mask, is_open.shape)
        if router.always_open and not np.array_equal(call["is_open"], always):
            raise ValueError(
                f"{self._of()} has another mask than was recorded: a {type(router).__name__} "
                "routes every token but padding. Replay the batches that were recorded, padding "
                "included."
            )
        slots = np.arange(is_open.shape[1])
        if router.slots_are_experts and not (call["expert_index"] == slots).all():
            raise ValueError(
                f"{self._of()}: slot e of a {type(router).__name__} is expert e, which it is not "
                "in the recording. Replay it with the kind of router that was recorded."
            )
        expert_index = ops.convert_to_tensor(call["expert_index"])
        is_open = ops.convert_to_tensor(is_open)
        if self.current:
            weight = self._current(router, routing, expert_index, is_open)
        else:
            weight = ops.where(is_open, ops.convert_to_tensor(call["weight"]), 0.0)
        return {**routing, "expert_index": expert_index, "is_open": is_open, "weight": weight}

    def _of(self):
        return f"Call {self.done} of {self.path!r}"

    def _next(self, shape):
        count = len(self.recorded)
        self.done += 1
        if not count or (self.done > count and not self.repeat):
            raise ValueError(
                f"{self._of()} is one more than the {count} recorded. Replay as many calls, or use "
                "`repeat=True` to start again."
            )
        call = self.recorded[(self.done - 1) % count]
        expected = call["expert_index"].shape
        if shape != expected:
            raise ValueError(
                f"{self._of()} routes {shape[0]} tokens to {shape[1]} slots. Recorded were "
                f"{expected[0]} tokens and {expected[1]} slots. Replay the same batches in the "
                "same order."
            )
        return call

    def _current(self, router, routing, expert_index, is_open):
        try:
            return router.weigh(routing["logits"], expert_index, is_open)
        except NotImplementedError as error:
            raise ValueError(
                f"{error} Use weights='recorded', or write it, in the router of {self.path!r}."
            ) from error

    def check_end(self):
        count = len(self.recorded)
        left = -self.done % count if self.repeat and self.done and count else count - self.done
        if left:
            raise ValueError(
                f"{self.path!r} was called {self.done} times, and {left} of the {count} recorded "
                "calls were not replayed. Replay all of them, inside the `with` block. Functions "
                "that had been compiled before do not run Python any more, and so replay nothing."
            )
