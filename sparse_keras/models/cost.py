"""What a model costs: floating-point operations and active parameters of one example."""

import math

import keras

from sparse_keras.layers.mixture_of_experts import MixtureOfExperts, mixtures


def flops_per_example(model):
    """Multiplications and additions of all matmuls in one forward pass of one example.

    Counts `Dense` and `MixtureOfExperts` (router, the experts a token uses, shared expert), once
    for each position of a sequence. Everything else is small beside them and left out.

    Args:
        model: A built Functional or Sequential model whose axes other than the batch are static.

    Returns:
        An integer. Of each mixture, the router's `experts_per_token` counts: k, or for a
        ThresholdRouter the most experts that it may open.

    Raises:
        ValueError: If a layer with weights of rank 2 or more is of a kind not counted here.
    """
    return sum(_flops(layer, layer.input.shape) for layer in model.layers if layer.weights)


def _flops(layer, input_shape):
    """The cost of one example for a layer that gets inputs of `input_shape`."""
    if isinstance(layer, keras.Model):
        return flops_per_example(layer)
    if isinstance(layer, keras.layers.Dense):
        return 2 * math.prod(layer.kernel.shape) * _positions(layer, input_shape)
    if isinstance(layer, MixtureOfExperts):
        flops = layer.flops_per_token(input_shape[-1]) * _positions(layer, input_shape)
        shared = layer.shared_expert
        return flops + (0 if shared is None else _flops(shared, input_shape))
    matrices = [weight.path for weight in layer.weights if len(weight.shape) > 1]
    if matrices and not isinstance(layer, keras.layers.Embedding):
        raise ValueError(
            f"flops_per_example does not know how often {type(layer).__name__} uses its weights "
            f"{matrices}."
        )
    return 0


def _positions(layer, input_shape):
    if None in input_shape[1:-1]:
        raise ValueError(
            f"flops_per_example needs static axes. Received: {layer.name!r} with input shape "
            f"{tuple(input_shape)}."
        )
    return math.prod(input_shape[1:-1])


def active_params(model):
    """The number of weights that one example meets.

    Of each mixture, the router, the shared expert and `experts_per_token` experts count; what it
    remembers of its routing does not. An embedding counts whole.

    Args:
        model: A built model.
    """
    total = model.count_params()
    return total + sum(layer.active_params() - layer.count_params() for layer in mixtures(model))
