"""Generation on PyTorch, which runs as it is."""

import keras
import torch


def compiled(model, function, jit_compile):
    """Returns a function of arrays, which computes no gradients.

    Args:
        model: Unused: nothing is compiled.
        function: A function from tensors to tensors, nested in tuples, lists and dicts.
        jit_compile: Must be False.

    Raises:
        ValueError: If XLA should compile it.
    """
    del model
    if jit_compile:
        raise ValueError(
            "Generation is not compiled on the Keras backend 'torch'. Received: jit_compile=True."
        )

    def call(*arguments):
        with torch.no_grad():
            return function(*keras.tree.map_structure(keras.ops.convert_to_tensor, arguments))

    return call
