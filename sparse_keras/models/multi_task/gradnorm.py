"""What GradNorm needs to know of a model: the last layer that tasks share."""

import keras

from sparse_keras._internal import keras_private
from sparse_keras.models.multi_task.task_weights import TaskWeights


def last_shared_layer(network):
    """The layer with trainable weights, nearest to the outputs, on which all outputs depend.

    Args:
        network: A functional model whose outputs are a dict.

    Raises:
        ValueError: If the tasks share no such layer.
    """
    layer = next((one for one in network.layers if isinstance(one, TaskWeights)), network)
    # What comes out of the weights depends on all tasks, what goes in does not.
    outputs = keras.tree.flatten(network.output if layer is network else layer.input)
    shared = set.intersection(*map(_behind, outputs))
    found = [one for one in network.layers if id(one) in shared and one.trainable_weights]
    if not found:
        raise ValueError(
            f"GradNorm compares the tasks' gradients on the last layer that they share. The tasks "
            f"of {network.name!r} share no layer with trainable weights."
        )
    return found[-1]


def _behind(tensor):
    """The ids of the layers that a symbolic tensor was made by, directly or not."""
    found, waiting, seen = set(), [tensor], set()
    while waiting:
        call = keras_private.call_that_made(waiting.pop())
        if id(call) in seen:
            continue
        seen.add(id(call))
        found.add(id(call.operation))
        waiting += call.input_tensors
    return found
