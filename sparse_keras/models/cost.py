"""What a model costs: floating-point operations and active parameters of one example."""

import math

import keras

from sparse_keras.layers import MixtureOfExperts


def flops_per_example(model):
    """Multiplications and additions of all matmuls in one forward pass of one example.

    Counts `Dense` and `MixtureOfExperts` (router, the experts a token uses, shared expert), once
    for each position of a sequence. Everything else is small beside them and left out.

    Args:
        model: A built Functional or Sequential model whose axes other than the batch are static.

    Returns:
        An integer. For routers that open a varying number of experts, `experts_per_token` is
        counted.

    Raises:
        ValueError: If a layer with weights of rank 2 or more is of a kind not counted here.
    """
    return sum(_flops(layer) for layer in model.layers)


def _flops(layer):
    if isinstance(layer, keras.Model):
        return flops_per_example(layer)
    if isinstance(layer, keras.layers.Dense):
        return 2 * math.prod(layer.kernel.shape) * _positions(layer)
    if isinstance(layer, MixtureOfExperts):
        flops = layer.flops_per_token(layer.input.shape[-1]) * _positions(layer)
        return flops + (_flops(layer.shared_expert) if layer.shared_expert is not None else 0)
    matrices = [weight.path for weight in layer.weights if len(weight.shape) > 1]
    if matrices and not isinstance(layer, keras.layers.Embedding):
        raise ValueError(
            f"flops_per_example does not know how often {type(layer).__name__} uses its weights "
            f"{matrices}."
        )
    return 0


def _positions(layer):
    shape = layer.input.shape[1:-1]
    if None in shape:
        raise ValueError(
            f"flops_per_example needs static axes. Received: {layer.name!r} with input shape "
            f"{tuple(layer.input.shape)}."
        )
    return math.prod(shape)


def active_params(model):
    """The number of trainable weights that one example meets.

    Of each mixture, the router, the shared expert and `experts_per_token` experts count. An
    embedding counts whole.

    Args:
        model: A built model.
    """
    total = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    for layer in model._flatten_layers():
        if isinstance(layer, MixtureOfExperts):
            owned = sum(math.prod(weight.shape) for weight in layer.trainable_weights)
            total -= owned - layer.active_params()
    return total
