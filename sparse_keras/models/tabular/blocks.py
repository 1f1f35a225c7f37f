"""A stack of blocks between the features of a table and the head of a model.

    features -> [stem] -> depth x block

A block is a function from the width of its input to a layer. Models differ in their blocks only, so
that a sparse model and its dense twin are built alike.
"""

import keras

from sparse_keras.layers import EnsembleHead, ExpertEnsemble, TiedExperts


def stack_of_blocks(x, make_block, *, stem, depth, dropout, residual, ensemble=None):
    """Adds a stem and blocks.

    Args:
        x: Features, `[B, width]`.
        make_block: Function of (input width, block number) that returns a layer, or a function that
            calls one.
        stem: Width of a ReLU layer before the first block; `None` for no such layer.
        depth: Number of blocks.
        dropout: Rate of dropout on each block's output.
        residual: Whether a block normalises its input and adds its output to it; otherwise its
            output replaces the input.
        ensemble: Optional number of members of an ensemble, which differ from the stem on.

    Returns:
        `[B, width]`, or for an ensemble `[B, members, width]`.

    Raises:
        ValueError: If an ensemble has no stem, or widths do not fit.
    """
    if ensemble is not None:
        if stem is None:
            raise ValueError(
                "The members of an ensemble part in the stem. Received: "
                f"ensemble={ensemble}, stem=None."
            )
        # [B, width] -> [B, members, stem]: what follows works on the last axis.
        x = ExpertEnsemble(TiedExperts(ensemble, stem), name="stem")(x)
    elif stem is not None:
        x = keras.layers.Dense(stem, activation="relu", name="stem")(x)
    for number in range(depth):
        x = _block(x, make_block, number, dropout, residual)
    return x


def head_layer(ensemble):
    """The class of the head's layer: for an ensemble the one that averages its members."""
    return keras.layers.Dense if ensemble is None else EnsembleHead


def _block(x, make_block, number, dropout, residual):
    name = f"block_{number}"
    width = x.shape[-1]
    y = keras.layers.LayerNormalization(name=f"{name}_norm")(x) if residual else x
    y = make_block(width, number)(y)
    if dropout:
        y = keras.layers.Dropout(dropout, name=f"{name}_dropout")(y)
    if not residual:
        return y
    if y.shape[-1] != width:
        raise ValueError(
            "With `residual=True`, a block's output is added to its input, so both need the same "
            f"width. Received: input width {width}, output width {y.shape[-1]}. Choose experts of "
            f"{width} units, a stem of {y.shape[-1]}, or `residual=False`."
        )
    return keras.layers.Add(name=f"{name}_add")([x, y])
