"""The feed-forward layers of a model, and those that are chosen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from sparse_keras._internal import keras_private
from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.layers import FeedForward, TransformerBlock
from sparse_keras.models.replacing import is_graph
from sparse_keras.upcycling.chains import chains_of
from sparse_keras.upcycling.feed_forward import DenseFeedForward, of_feed_forward
from sparse_keras.upcycling.keras_hub import feed_forwards_of, is_keras_hub


def chosen_feed_forwards(model: keras.Model, layers: Any) -> list[DenseFeedForward]:
    """Returns the feed-forward layers that become mixtures, in the order of the model.

    Args:
        model: The model.
        layers: See `upcycle`.

    Raises:
        ValueError: If there is none, or one that is named is not among them.
    """
    if is_keras_hub(model):
        every = feed_forwards_of(model)
        if not every:
            raise ValueError(
                f"`upcycle` found no dense feed-forward layer in {model.name!r}, a "
                f"{type(model).__name__}: it knows blocks with the attributes "
                "`_feedforward_intermediate_dense` and `_feedforward_output_dense`, as those of "
                "Llama, Mistral, Qwen and BERT have."
            )
        return every if layers is None else _named(every, layers, model)
    blocks, chains = [], []
    order = keras_private.layers_in_order(model)
    # Of a model inside the model, something reads the output.
    outermost = next((layer for layer in order if is_graph(layer)), None)
    for layer in order:
        if isinstance(layer, TransformerBlock) and type(layer.feed_forward) is FeedForward:
            names = (layer.name, layer.feed_forward.path, layer.feed_forward.name)
            blocks.append(of_feed_forward(layer.feed_forward, names))
        elif is_graph(layer):
            chains += [(chain, ends and layer is outermost) for chain, ends in chains_of(layer)]
            blocks += [
                of_feed_forward(part, (part.name, part.path))
                for part in layer.layers
                if type(part) is FeedForward
            ]
    inner = [feed_forward for feed_forward, ends in chains if not ends]
    every = blocks + [feed_forward for feed_forward, _ in chains]
    if layers is not None:
        return _named(every, layers, model)
    if not (blocks or inner):
        raise ValueError(
            f"`upcycle` found no feed-forward layer in {model.name!r}, a {type(model).__name__}: a "
            "dense sparse_keras.layers.TransformerBlock, or Dense(H, activation) [-> Dropout] -> "
            f"Dense(width) in a Functional or Sequential model.{_last_one(every)}"
        )
    return blocks or inner


def _last_one(every: list[DenseFeedForward]) -> str:
    if not every:
        return ""
    (name, *_) = every[0].names
    return (
        f" There is one whose output is the model's, which is upcycled only if it is named: "
        f"layers=[{name!r}]."
    )


def _named(every: list[DenseFeedForward], layers: Any, model: keras.Model) -> list:
    names = [feed_forward.names[0] for feed_forward in every]
    wanted = [layers] if isinstance(layers, (str, int)) else layers
    if not isinstance(wanted, Iterable):
        raise ValueError(f"`layers` must be names or positions. Received: layers={layers!r}.")
    places = set()
    for one in wanted:
        if isinstance(one, int) and not isinstance(one, bool):
            if not -len(every) <= one < len(every):
                raise ValueError(
                    f"{model.name!r} has {len(every)} feed-forward layers, {listing(names)}. "
                    f"Received: the position {one} in `layers`."
                )
            places.add(one % len(every))
            continue
        found = [n for n, feed_forward in enumerate(every) if one in feed_forward.names]
        if len(found) != 1:
            problem = "no" if not found else f"{len(found)}"
            raise ValueError(
                f"{model.name!r} has {problem} feed-forward layers called {one!r}."
                f"{did_you_mean(one, names)} Those that can be upcycled are {listing(names, 20)}."
            )
        places.add(found[0])
    if not places:
        raise ValueError(f"`layers` names no layer. Received: layers={layers!r}.")
    return [every[place] for place in sorted(places)]
