"""What a sparse block may have beside KerasHub's variables: counts, and a selection bias.

Their variables are the block's own to Keras. The layers that hold them are not its sublayers:
KerasHub's `save_lora_weights` names layers by their place in the list of all layers. Keras finds
the layers all the same when it saves a model, as attributes of the block.
"""

from __future__ import annotations

import contextlib
from typing import Any

import keras
from keras import ops

from sparse_keras._internal import keras_private
from sparse_keras.layers.mixtures.statistics import RoutingStatistics
from sparse_keras.layers.routers.selection_bias import move_selection_bias

STATISTICS, BIAS = "sparse_statistics", "sparse_selection_bias"


def add(block: keras.layers.Layer, name: str, layer: keras.layers.Layer) -> None:
    """Builds a layer and gives its variables to a block.

    Args:
        block: The block, which is built.
        name: `STATISTICS` or `BIAS`.
        layer: The layer.
    """
    with contextlib.ExitStack() as scopes:
        # Paths of variables differ from block to block, as those of any layer do.
        for part in [*(block.path or block.name).split("/"), layer.name]:
            scopes.enter_context(keras.name_scope(part))
        layer.build()
    vars(block)[name] = layer
    for variable in layer.weights:
        keras_private.track_variable(block, variable)


def remove_all(block: keras.layers.Layer) -> None:
    """Takes everything away that `add` gave to a block."""
    for variable in added_variables(block):
        keras_private.untrack_variable(block, variable)
    for name in (STATISTICS, BIAS):
        vars(block).pop(name, None)


def added_variables(block: keras.layers.Layer) -> list[keras.Variable]:
    """Returns the variables of a block that are not KerasHub's."""
    layers = (vars(block).get(name) for name in (STATISTICS, BIAS))
    return [variable for layer in layers if layer is not None for variable in layer.weights]


class SelectionBias(keras.layers.Layer):
    """A bias by which experts are selected, and not weighted, and which training moves.

    It is saved in a place of its own, which KerasHub's models do not look at.

    Args:
        num_experts: E.
    """

    def __init__(self, num_experts: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_experts = num_experts

    def build(self, input_shape: Any = None) -> None:
        def variable(name, size):
            return keras.Variable(
                initializer="zeros",
                shape=(size,),
                dtype="float32",
                trainable=False,
                autocast=False,
                aggregation="mean",
                name=name,
            )

        self.bias = variable("bias", self.num_experts)
        self.load_since_move = variable("load_since_move", self.num_experts + 1)
        self.built = True

    def update(self, load: Any, rate: float) -> None:
        """Moves the bias against the load of a training step, float32 `[E]`."""
        move_selection_bias(self.bias, self.load_since_move, load, rate)

    def save_own_variables(self, store: Any) -> None:
        store["bias"] = self.bias

    def load_own_variables(self, store: Any) -> None:
        if "bias" in store.keys():
            self.bias.assign(store["bias"])
        else:  # A file of KerasHub's own model, which has no bias.
            self.bias.assign(ops.zeros((self.num_experts,), "float32"))


class UnsavedStatistics(RoutingStatistics):
    """Statistics that files leave out."""

    def save_own_variables(self, store: Any) -> None:
        pass

    def load_own_variables(self, store: Any) -> None:
        pass
