"""replay: sends the tokens of a model to the experts of a recording."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from sparse_keras.layers.mixtures.routing_hooks import eagerly, hooked, values_of
from sparse_keras.layers.routers import Router
from sparse_keras.routing.gates import gates_of
from sparse_keras.routing.recording import RecordedGate, Recording


@contextlib.contextmanager
def replay(
    model: keras.layers.Layer,
    recording: Recording,
    weights: str = "current",
    repeat: bool = False,
) -> Iterator[None]:
    """Sends the tokens of a model to the experts of a recording.

    Each gate takes the recorded calls one after the other, so the same batches must come in the
    same order: use `shuffle=False` in `fit`, or the same seed. Each call must have as many tokens
    as the recorded one. That they are the same tokens is not checked.

    Scores, statistics and auxiliary losses are those of the current router, with the recorded
    choice. Inside the `with` block, `fit`, `evaluate` and `predict` of the model run eagerly.

    Args:
        model: A Keras model, or a layer: the recorded one, or another with the same gates in
            the same order. Names of layers may differ.
        recording: A `Recording`.
        weights: `"current"`: the weights that the current router gives to the recorded experts, so
            that it learns. `"recorded"`: the recorded weights, constants.
        repeat: Whether the recording starts again when it is over, for several epochs over the
            batches of one. If False, one call more than was recorded raises an error.

    Raises:
        ValueError: If the gates of the model are not those of the recording, if a call has another
            number of tokens or another mask than was recorded, if there are more or fewer calls
            than were recorded, if the model is called in a compiled function, or if a router cannot
            weigh experts that it did not choose.
    """
    if weights not in ("current", "recorded"):
        raise ValueError(f"`weights` must be 'current' or 'recorded'. Received: {weights!r}.")
    gates = gates_of(model)
    _check_gates(list(gates.values()), recording)
    players = {
        key: _Player(path, recorded, weights == "current", repeat)
        for (key, (path, _)), recorded in zip(gates.items(), recording.gates, strict=True)
    }

    def play(layer, gate, routing, mask, training):
        player = players.get((id(layer), gate))
        return None if player is None else player(layer.gates[gate], routing, mask)

    with hooked(play), eagerly(model):
        yield
    for player in players.values():
        player.check_end()


def _check_gates(gates: list[tuple[str, int]], recording: Recording) -> None:
    if not isinstance(recording, Recording):
        raise ValueError(
            "`recording` must be a Recording, as routing.record yields it and routing.load reads "
            f"it from a file. Received: {recording!r}."
        )
    if len(gates) != len(recording.gates):
        raise ValueError(
            f"The model has {len(gates)} gates, {[path for path, _ in gates]}; the recording has "
            f"{len(recording.gates)}, {[gate.path for gate in recording.gates]}."
        )
    for (path, num_experts), gate in zip(gates, recording.gates, strict=True):
        if num_experts != gate.num_experts:
            raise ValueError(
                f"{path!r} routes to {num_experts} experts. In the recording, the gate at its "
                f"place, {gate.path!r}, routes to {gate.num_experts}."
            )


class _Player:
    """Replaces the routings of one gate by the recorded ones, call after call."""

    def __init__(self, path: str, gate: RecordedGate, current: bool, repeat: bool) -> None:
        self.path = path
        self.recorded = gate.calls
        self.current = current
        self.repeat = repeat
        self.done = 0  # Calls so far.

    def __call__(self, router: Router, routing: dict[str, Any], mask: Any) -> dict[str, Any]:
        # Raises an error in a compiled function, which would replay one call for ever.
        values_of(routing["weight"], "routing.replay")
        call = self._next(tuple(routing["expert_index"].shape))
        is_open = call["is_open"]
        if mask is not None:
            mask = values_of(mask, "routing.replay")[:, None]
            is_open = is_open & mask
        expected = np.ones_like(is_open) if mask is None else np.broadcast_to(mask, is_open.shape)
        if router.always_open and not np.array_equal(call["is_open"], expected):
            raise ValueError(
                f"{self._call} has another mask than was recorded: a {type(router).__name__} "
                "routes every token but padding. Replay the batches that were recorded, padding "
                "included."
            )
        slots = np.arange(is_open.shape[1])
        if router.slots_are_experts and not (call["expert_index"] == slots).all():
            raise ValueError(
                f"{self._call}: slot e of a {type(router).__name__} is expert e, which it is not "
                "in the recording. Replay it with the kind of router that was recorded."
            )
        expert_index = ops.convert_to_tensor(call["expert_index"])
        is_open = ops.convert_to_tensor(is_open)
        if self.current:
            weight = self._current(router, routing, expert_index, is_open)
        else:
            weight = ops.where(is_open, ops.convert_to_tensor(call["weight"]), 0.0)
        return {**routing, "expert_index": expert_index, "is_open": is_open, "weight": weight}

    @property
    def _call(self) -> str:
        return f"Call {self.done} of {self.path!r}"

    def _next(self, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        count = len(self.recorded)
        self.done += 1
        if not count or (self.done > count and not self.repeat):
            raise ValueError(
                f"{self._call} is one more than the {count} recorded. Replay as many calls, or use "
                "`repeat=True` to start again."
            )
        call = self.recorded[(self.done - 1) % count]
        expected = call["expert_index"].shape
        if shape != expected:
            raise ValueError(
                f"{self._call} routes {shape[0]} tokens to {shape[1]} experts each. Recorded were "
                f"{expected[0]} tokens and {expected[1]} experts. Replay the same batches in the "
                "same order; in `generate`, the same prompts with the same `max_length`."
            )
        return call

    def _current(
        self, router: Router, routing: dict[str, Any], expert_index: Any, is_open: Any
    ) -> Any:
        try:
            return router.weigh(routing["logits"], expert_index, is_open)
        except NotImplementedError as error:
            raise ValueError(
                f"{error} Use weights='recorded', or write it, in the router of {self.path!r}."
            ) from error

    def check_end(self) -> None:
        """Raises a ValueError unless all recorded calls were replayed."""
        count = len(self.recorded)
        left = -self.done % count if self.repeat and self.done and count else count - self.done
        if left:
            raise ValueError(
                f"{self.path!r} was called {self.done} times, and {left} of the {count} recorded "
                "calls were not replayed. Replay all of them, inside the `with` block. Functions "
                "that were compiled before do not run Python any more, and so replay nothing."
            )
