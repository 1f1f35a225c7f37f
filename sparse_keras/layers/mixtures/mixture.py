"""Mixture: what all layers of routers and expert banks have in common."""

from typing import Any

import keras
from keras import ops

from sparse_keras import losses
from sparse_keras._internal import keras_private
from sparse_keras.layers.mixtures.causality import layers_before, warn_of_leak
from sparse_keras.layers.mixtures.dispatcher import Dispatcher
from sparse_keras.layers.mixtures.replica_losses import ReplicaLosses
from sparse_keras.layers.mixtures.statistics import RoutingStatistics
from sparse_keras.layers.routers import Router


class Mixture(keras.layers.Layer):
    """Base class of layers in which routers send tokens to the experts of banks.

    A router with the statistics of its routing is a gate: a MixtureOfExperts has one, a
    MultiGateMixtureOfExperts one for each task. Callbacks and costs know mixtures by this class.

    Subclasses write `call`, and:

    * `gates`: dict from a gate's name to its router.
    * `flops_per_token(input_dim)`, `total_params()` and `active_params()`.

    `dispatcher` is how tokens get to their experts and back; see `dispatcher.Dispatcher`.
    """

    dispatcher = Dispatcher()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._losses = ReplicaLosses()

    @property
    def gates(self) -> dict[str, Router]:
        """Dict from each gate's name to its router."""
        raise NotImplementedError

    def gate_path(self, gate: str) -> str:
        """The path by which logs and reports call a gate."""
        return f"{self.path or self.name}/{gate}"

    @property
    def sees_other_tokens(self) -> bool:
        """Whether what a token gets depends on other tokens, later ones included."""
        return any(router.sees_other_tokens for router in self.gates.values())

    @property
    def predicts_alone(self) -> bool:
        """Whether what a token gets depends on other tokens in training at most."""
        return all(router.predicts_alone for router in self.gates.values())

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        first = keras.tree.flatten(inputs)[0]
        if (
            self.sees_other_tokens  # Before the walk through the graph, which few mixtures need.
            and isinstance(first, keras.KerasTensor)
            and len(first.shape) > 2
        ):
            warn_of_leak(self, layers_before(first))
        return super().__call__(inputs, *args, **kwargs)

    def add_statistics(self) -> None:
        """Makes the statistics of each gate: a step of `build`.

        Raises:
            ValueError: If a router has a loss with a name that cannot be recorded.
        """
        self.statistics = {
            gate: RoutingStatistics(
                router.num_experts, router.loss_names, name=self._statistics_name(gate)
            )
            for gate, router in self.gates.items()
        }
        for statistics in self.statistics.values():
            statistics.build()

    def _statistics_name(self, gate: str) -> str:
        return f"{variable_name(gate)}_statistics"

    def record(
        self, gate: str, routing: dict[str, Any], load: Any, kept: Any, mask: Any, examples: Any
    ) -> Any:
        """Adds this step to the statistics of a gate.

        Args:
            gate: The gate's name.
            routing: What its router returned.
            load: Int `[E]`, open assignments of each expert.
            kept: Scalar, those of them that were not dropped.
            mask: Optional bool `[N]`, False for padding.
            examples: Scalar, the size of the batch. Each example is a sequence of tokens.

        Returns:
            The gate's weighted auxiliary loss, a scalar; `None` if it has no losses.

        Raises:
            ValueError: If the router returns a loss that is not among its `loss_names`.
        """
        load = ops.cast(load, "float32")
        router = self.gates[gate]
        more = {"num_sequences": examples} if router.needs_sequences else {}
        auxiliary = router.auxiliary_losses(routing, load, mask, **more)
        unnamed = [name for name in auxiliary if name not in router.loss_names]
        if unnamed:
            raise ValueError(
                f"The `loss_names` of a {type(router).__name__} must name each of its losses. "
                f"Received: loss_names={router.loss_names}, and {', '.join(map(repr, unnamed))} "
                "from `auxiliary_losses`."
            )
        total = sum(weight * value for weight, value in auxiliary.values())
        examples = ops.cast(examples, "float32")
        tokens = losses.token_count(routing["scores"], mask)
        entropy = losses.masked_mean(losses.token_entropy(routing["scores"]), mask) * tokens
        sums = {
            "tokens": tokens,
            "kept": kept,
            "entropy": entropy,
            "calls": 1.0,
            "examples": examples,
            "aux_loss": total * examples,
            **{name: value * examples for name, (_, value) in auxiliary.items()},
        }
        self.statistics[gate].add(load, sums)
        return total if auxiliary else None

    def pack_inputs(self, tensors: list[Any]) -> Any:
        """The inputs of a call from a flat list of them, as `layer.input` of a model's layer is."""
        tensor, *_ = tensors  # Token ids may follow.
        return tensor

    def reset_statistics(self) -> None:
        """Forgets the routing recorded so far."""
        if not self.built:
            return  # Nothing was recorded yet.
        for statistics in self.statistics.values():
            statistics.reset()

    def recorded(self) -> list[tuple[str, Router, dict[str, Any]]]:
        """What each gate recorded: a list of `(path, router, summary)`.

        A summary is what `statistics.summarize` returns.
        """
        return [
            (self.gate_path(gate), router, self.statistics[gate].summarize())
            for gate, router in self.gates.items()
        ]


class OneGateMixture(Mixture):
    """Base class of mixtures with one router, the attribute `router`.

    Logs and reports call their gate by the path of the layer alone.
    """

    @property
    def gates(self) -> dict[str, Router]:
        return {"router": self.router}

    def gate_path(self, gate: str) -> str:
        return self.path or self.name

    def _statistics_name(self, gate: str) -> str:
        return "statistics"

    def routing_statistics(self) -> dict[str, Any]:
        """What was recorded in training since the last reset, as `statistics.summarize` says.

        `callbacks.ExpertLoad` resets it at the start of each epoch.
        """
        return self.statistics["router"].summarize()


def variable_name(name):
    """A name for a part of a layer: Keras keeps the slash for itself."""
    return name.replace("/", "_")


def mixtures(model):
    """All mixtures of experts of a model, however deep, in the order of its layers."""
    # `keras_private.all_layers` turns the order of nested layers around.
    found, waiting = {}, [model]
    while waiting:
        layer = waiting.pop()
        if id(layer) not in found:
            found[id(layer)] = layer
            waiting.extend(reversed(keras_private.sublayers(layer)))
    return [layer for layer in found.values() if isinstance(layer, Mixture)]


def check_input_shape(layer, input_shape, ranks=(2, 3, 4)):
    """Raises a ValueError unless a mixture takes inputs of this shape."""
    name = type(layer).__name__
    if len(input_shape) not in ranks:
        ranks = f"{', '.join(map(str, ranks[:-1]))} or {ranks[-1]}"
        raise ValueError(
            f"{name} expects inputs of rank {ranks}, [..., D]. Received: "
            f"input_shape={tuple(input_shape)}."
        )
    if input_shape[-1] is None:
        raise ValueError(
            f"{name} needs a static last axis. Received: input_shape={tuple(input_shape)}."
        )
    for router in layer.gates.values():
        router.check_input_shape(input_shape)


def as_tokens(layer, inputs, token_mask):
    """Inputs `[..., D]` as tokens `[N, D]`, with zeros for padding."""
    if not keras.backend.is_float_dtype(inputs.dtype):  # Keras casts only floats by itself.
        inputs = ops.cast(inputs, layer.compute_dtype)
    tokens = ops.reshape(inputs, (-1, inputs.shape[-1]))
    if token_mask is None:
        return tokens
    # Padding may hold anything, NaN included. Zeros keep it out of every gradient.
    return ops.where(token_mask[:, None], tokens, ops.zeros_like(tokens))


def as_examples(tokens, token_mask, shape):
    """What a router sees of whole examples: the mean of their positions, `[B, D]`.

    Args:
        tokens: `[N, D]`, zeros for padding.
        token_mask: Optional bool `[N]`.
        shape: Shape of the inputs, `[B, ..., D]`.

    Returns:
        `[B, D]`, and bool `[B]`, whether there is a position that is no padding; or `None`.
    """
    axes = tuple(range(1, len(shape) - 1))
    tokens = ops.cast(ops.reshape(tokens, shape), "float32")  # As the router, which sums long rows.
    if not axes:
        return tokens, token_mask
    if token_mask is None:
        return ops.mean(tokens, axis=axes), None
    counts = ops.sum(ops.cast(ops.reshape(token_mask, shape[:-1]), "float32"), axis=axes)
    return ops.sum(tokens, axis=axes) / ops.maximum(counts, 1.0)[:, None], counts > 0


def token_mask_of(mask, inputs):
    """The mask as bool `[N]`, repeated over leading axes that it lacks."""
    leading = ops.shape(inputs)[:-1]
    mask = ops.cast(mask, "bool")
    pairs = zip(mask.shape, inputs.shape[:-1], strict=False)
    fits = all(a == b or None in (a, b) for a, b in pairs)
    if not fits or not 1 <= len(mask.shape) <= len(leading):
        raise ValueError(
            "`mask` must have the leading axes of `inputs`, or the first of them. Received: mask "
            f"{tuple(mask.shape)}, inputs {tuple(inputs.shape)}."
        )
    mask = ops.reshape(mask, (*ops.shape(mask), *(1 for _ in leading[len(mask.shape) :])))
    return ops.reshape(ops.broadcast_to(mask, leading), (-1,))


def by_expert(routing, router):
    """A routing by expert instead of by slot: weights float32 `[N, E]`, and whether it is open."""
    weight = ops.where(routing["is_open"], routing["weight"], 0.0)
    if router.slots_are_experts:
        return weight, routing["is_open"]
    chosen = ops.one_hot(routing["expert_index"], router.num_experts, dtype="float32")
    chosen = ops.where(routing["is_open"][..., None], chosen, 0.0)
    return ops.sum(chosen * weight[..., None], axis=1), ops.any(chosen > 0, axis=1)
