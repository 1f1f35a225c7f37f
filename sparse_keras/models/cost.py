"""What a model costs: parameters, and floating-point operations of one example.

A mixture of experts has two numbers of parameters: all that it owns (total), and those that one
example uses (active). Statistics of the routing are not parameters.
"""

import math
from dataclasses import dataclass
from typing import Any

import keras

from sparse_keras._internal import keras_private
from sparse_keras.layers.flops import layer_flops
from sparse_keras.layers.mixtures.depth_shared_mixture import DepthSharedMixtureOfExperts
from sparse_keras.layers.mixtures.mixture import Mixture, mixtures


@dataclass(frozen=True)
class LayerCost:
    """What one layer costs.

    Args:
        name: The layer's name.
        type: Its class.
        output_shapes: Tuple with the shape of each output, the batch axis included.
        params: All weights that it owns.
        active: Those of them that one example meets.
        flops: Operations of one example; None where it is not known how often a weight is used.
    """

    name: str
    type: str
    output_shapes: tuple
    params: int
    active: int
    flops: int | None


def layer_costs(model: keras.Model, length: int | None = None) -> list[LayerCost]:
    """What each layer of a model costs, in the model's order. Inputs are left out.

    Parameters are weights, trainable or not, without what a mixture remembers of its routing.
    FLOPs are the multiplications and additions of matmuls in one forward pass of one example:
    `Dense`, mixtures of experts (routers, the experts a token uses, shared expert) and embeddings
    of numeric columns, once for each position of a sequence. Everything else is small beside them
    and left out: the lookups of embeddings, and those of layers with sparse inputs, whose number
    depends on the example.

    Args:
        model: A built Functional or Sequential model, a `CausalLM` or a `TextEncoder`.
        length: What the size of axes is taken for that are not static, beside that of the batch:
            for texts, the number of tokens.

    Returns:
        A list of `LayerCost`. A model inside the model is one layer.
    """
    if hasattr(model, "layer_calls"):
        calls = model.layer_calls(length or model.context_length)
        return [_layer_cost(*call) for call in calls]
    return [
        _layer_cost(
            layer,
            tuple(tuple(tensor.shape) for tensor in _outputs(_calls(layer, model))),
            _flops_of_calls(layer, _calls(layer, model), length),
        )
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    ]


def _layer_cost(layer, output_shapes, flops):
    params, active = total_params(layer), active_params(layer)
    return LayerCost(layer.name, type(layer).__name__, output_shapes, params, active, flops)


def _calls(layer, model):
    """The calls of a layer in a model: one, unless the model uses it several times."""
    calls = keras_private.calls_of(layer)
    if len(calls) < 2:
        return calls
    in_model = {id(call) for call in keras_private.calls_in(model)}
    return [call for call in calls if id(call) in in_model]


def _outputs(calls):
    return [tensor for call in calls for tensor in call.output_tensors]


def _flops_of_calls(layer, calls, length):
    """The cost of one example, all calls together; None if it is not known."""
    total = 0
    for call in calls:
        inputs = call.input_tensors[0] if len(call.input_tensors) == 1 else call.input_tensors
        part = layer
        if isinstance(layer, DepthSharedMixtureOfExperts):
            inputs, (_, *rest) = call.input_tensors[0], (*call.arguments.args,)
            part = layer.at(rest[0] if rest else call.arguments.kwargs["depth"])
        flops = _flops(part, inputs, length)
        if flops is None:
            return None
        total += flops
    return total


def flops_per_example(model: keras.Model, length: int | None = None) -> int:
    """Multiplications and additions of all matmuls in one forward pass of one example.

    Args:
        model: A built Functional or Sequential model; or a `CausalLM` or a `TextEncoder`, of whose
            context length the example is by default.
        length: What the size of axes is taken for that are not static, beside that of the batch:
            for texts, the number of tokens.

    Returns:
        An integer, the sum over `layer_costs`. Of each mixture, the router's `experts_per_token`
        counts: k, or for a ThresholdRouter the most experts that it may open.

    Raises:
        ValueError: If a layer with weights of rank 2 or more is of a kind not counted, or has axes
            that are not static, without `length`.
    """
    if hasattr(model, "flops_per_example"):
        length = length or getattr(model, "context_length", None)
        flops = model.flops_per_example((None, length))
        if flops is None:
            raise ValueError(
                f"The cost of a {type(model).__name__} depends on the length of the text. Call "
                "`flops_per_example(model, length)`."
            )
        return flops
    costs = layer_costs(model, length)
    unknown = [f"{cost.name!r}, a {cost.type}" for cost in costs if cost.flops is None]
    if unknown:
        raise ValueError(
            "flops_per_example counts Dense, Embedding and layers with a `flops_per_token`, as "
            "MixtureOfExperts has, with axes other than the batch that are static, or of `length`. "
            f"It cannot count {'; '.join(unknown)}."
        )
    return sum(cost.flops for cost in costs)


def length_of(inputs: Any) -> int | None:
    """Returns the `length` for which `flops_per_example` counts: that of the longest text.

    Args:
        inputs: `data.Dataset.inputs`, such as `TextInputs`. `None` for those without a `length`.
    """
    return getattr(inputs, "length", None)


def total_params(model: keras.layers.Layer) -> int:
    """The number of weights that a model owns, trainable or not.

    Statistics of the routing, and a coefficient that a router adapts, are not parameters.

    Args:
        model: A built model or layer.
    """
    statistics = (layer.count_params() - layer.total_params() for layer in mixtures(model))
    return model.count_params() - sum(statistics)


def active_params(model: keras.layers.Layer) -> int:
    """The number of weights that one example meets.

    Of each mixture, the router, the shared expert and `experts_per_token` experts count. An
    embedding counts whole.

    Args:
        model: A built model or layer.
    """
    owners = [
        layer
        for layer in keras_private.all_layers(model)
        if isinstance(layer, DepthSharedMixtureOfExperts)
    ]
    # The experts of several depths are counted once, by their owner.
    inner = {id(mixture) for owner in owners for mixture in owner.mixtures}
    owners += [layer for layer in mixtures(model) if id(layer) not in inner]
    return total_params(model) - sum(o.total_params() - o.active_params() for o in owners)


def _flops(layer, inputs, length):
    """The cost of one example for a layer that gets `inputs`; None if it is not known."""
    if isinstance(layer, keras.Model) and not hasattr(layer, "flops_per_example"):
        costs = [cost.flops for cost in layer_costs(layer, length)]
        return None if None in costs else sum(costs)
    if getattr(inputs, "sparse", False):
        return 0  # The layer looks rows of its kernel up; how many depends on the example.

    def sizes(tensor):
        batch, *others = tensor.shape
        return (batch, *(length if size is None else size for size in others))

    tensors = keras.tree.flatten(inputs)
    if isinstance(layer, Mixture):
        inputs = layer.pack_inputs(tensors)
        if isinstance(inputs, dict):  # They differ in their last axis at most.
            positions = sizes(tensors[0])[1:-1]
            widths = {name: tensor.shape[-1] for name, tensor in inputs.items()}
            if None in positions:
                return None
            return layer.flops_per_token(widths) * math.prod(positions)
        return layer_flops(layer, sizes(inputs))
    # Of several inputs, the first is what the layer works on.
    return layer_flops(layer, sizes(tensors[0]))
