"""Adapter files: the matrices of LoRA, and nothing else of a model.

An adapter is an HDF5 file with one group for each layer:

    /layers/<path of the layer>/a, b        float32 matrices; attribute `alpha`

The path names layers from the model down. Names that Keras made, such as `dense_12`, count all
layers of a process, so that they differ between two processes; in a path, they are numbered among
their neighbours. (KerasHub's files name layers by their place in a list of all layers, which
changes when a layer is added anywhere before.)
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from sparse_keras._internal import keras_private
from sparse_keras._internal.atomic import replacing
from sparse_keras._internal.suggest import listing
from sparse_keras.layers.lora import LoraKernel
from sparse_keras.tuning.compiled import weights_have_changed
from sparse_keras.tuning.lora import KERAS_LAYERS, constrained, lora_layers

_FORMAT = "sparse_keras.lora"
_VERSION = 1


def save_lora(model: keras.layers.Layer, path: Any) -> None:
    """Saves the matrices of LoRA of a model in an adapter file (HDF5).

    Args:
        model: A model with LoRA in some of its layers.
        path: The file. One that is there is replaced.

    Raises:
        ValueError: If no layer has LoRA.

    Example:

    >>> import pathlib, tempfile
    >>> model = keras.Sequential([
    ...     keras.Input((8,)),
    ...     sparse_keras.layers.MixtureOfExperts(keras.layers.Dense(4), num_experts=4),
    ... ])
    >>> sparse_keras.enable_lora(model, rank=2)
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "support.lora.h5"
    >>> sparse_keras.save_lora(model, path)
    """
    layers = {id(layer) for layer in lora_layers(model)}
    if not layers:
        raise ValueError(
            f"No layer of {model.name!r} has LoRA: there is nothing to save. Call "
            "`sparse_keras.enable_lora(model, rank)` before, and save before `merge_lora`."
        )
    # `replacing` holds a lock on the file, which HDF5 would wait for.
    with replacing(Path(path)) as temporary, h5py.File(temporary, "w", locking=False) as file:
        file.attrs["format"], file.attrs["version"] = _FORMAT, _VERSION
        for name, layer in layer_paths(model):
            if id(layer) in layers:
                group = file.create_group(f"layers/{name}")
                for half, variable in zip("ab", _matrices(layer), strict=True):
                    group[half] = keras.ops.convert_to_numpy(variable)
                group.attrs["alpha"] = float(layer.lora_alpha)


def load_lora(model: keras.layers.Layer, path: Any) -> None:
    """Loads an adapter file into a model.

    A layer without LoRA gets it, with the rank of the file; as after `layer.enable_lora`, its
    kernel is frozen. To train on, call `sparse_keras.enable_lora(model, rank)` before, which
    freezes the rest of the model, too.

    Args:
        model: A built model with the layers of the model that was saved.
        path: A file of `save_lora`.

    Raises:
        ValueError: If the file is no adapter, or does not fit the model: it has layers that the
            model lacks, or matrices of other shapes or ranks, or the model has LoRA in a layer that
            is not in the file. The model is left as it was.
    """
    saved = _read(path)
    layers = dict(layer_paths(model))
    problems = list(_problems(saved, layers))
    if problems:
        more = f" And {len(problems) - 5} more like these." if len(problems) > 5 else ""
        raise ValueError(
            f"The adapter {str(path)!r} does not fit {model.name!r}: "
            f"{'; '.join(problems[:5])}.{more}"
        )
    for name, (a, b, alpha) in saved.items():
        layer = layers[name]
        if not layer.lora_enabled:
            layer.enable_lora(a.shape[-1], alpha)
        for variable, value in zip(_matrices(layer), (a, b), strict=True):
            variable.assign(value)
        layer.lora_alpha = alpha
    weights_have_changed(model)


def _problems(saved: dict[str, Any], layers: dict[str, Any]) -> Iterator[str]:
    """What does not fit, in sentences without their ends."""
    lacking = [name for name in saved if name not in layers]
    if lacking:
        yield f"the model has no layers {listing(lacking)}"
    enabled = [
        name
        for name, layer in layers.items()
        if isinstance(layer, (LoraKernel, *KERAS_LAYERS)) and layer.lora_enabled
    ]
    if extra := [name for name in enabled if name not in saved]:
        yield f"the model has LoRA in layers that the file lacks, {listing(extra)}; merge it before"
    for name, (a, b, _) in saved.items():
        layer = layers.get(name)
        if layer is None:
            continue
        if not isinstance(layer, (LoraKernel, *KERAS_LAYERS)):
            yield f"{name!r} is a {type(layer).__name__}, which does not support LoRA"
            continue
        if not layer.built:
            yield f"{name!r} is not built"
            continue
        rank = a.shape[-1]
        if not layer.lora_enabled and constrained([layer]):
            yield f"{name!r} has a constraint, which would not hold for the sum"
            continue
        if layer.lora_enabled and layer.lora_rank != rank:
            yield f"{name!r} has rank {layer.lora_rank}, the file rank {rank}"
            continue
        expected = _shapes(layer, rank)
        if (a.shape, b.shape) != expected:
            yield f"{name!r} takes matrices of shapes {expected}, the file has {(a.shape, b.shape)}"


def _shapes(layer: Any, rank: int) -> tuple[tuple, tuple]:
    if isinstance(layer, LoraKernel):
        *groups, height, width = layer.kernel_shape
        return (*groups, height, rank), (*groups, rank, width)
    if isinstance(layer, keras.layers.Embedding):
        return (layer.input_dim, rank), (rank, layer.output_dim)
    if layer.quantization_mode == "int4" and isinstance(layer, keras.layers.EinsumDense):
        *leading, width = layer.original_kernel_shape
    else:
        *leading, width = layer.kernel.shape
    return (*leading, rank), (rank, width)


def _matrices(layer: Any) -> list[keras.Variable]:
    kind = "embeddings" if isinstance(layer, keras.layers.Embedding) else "kernel"
    return [getattr(layer, f"lora_{kind}_{half}") for half in "ab"]


def _read(path: Any) -> dict[str, tuple[np.ndarray, np.ndarray, float]]:
    """Returns the A, B and alpha of each layer in a file."""
    if not Path(path).is_file():
        raise ValueError(f"There is no adapter file {str(path)!r}. `save_lora` writes one.")
    try:
        with h5py.File(path, "r", locking=False) as file:
            if file.attrs.get("format") != _FORMAT or "layers" not in file:
                raise ValueError("it was not written by `save_lora`")
            if file.attrs["version"] > _VERSION:
                raise ValueError("it was written by a newer version of sparse_keras")
            found: dict[str, Any] = {}

            def visit(name: str, item: Any) -> None:
                if isinstance(item, h5py.Group) and "alpha" in item.attrs:
                    found[name] = (item["a"][()], item["b"][()], float(item.attrs["alpha"]))

            file["layers"].visititems(visit)
            return found
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(
            f"{str(path)!r} is no adapter file of `sparse_keras.save_lora`: {error}."
        ) from error


def layer_paths(model: keras.layers.Layer) -> list[tuple[str, keras.layers.Layer]]:
    """Returns each layer of a model, without the model, and a path that is the same in any process.

    A layer that several layers hold has the path of the first.
    """
    found: dict[int, tuple[str, keras.layers.Layer]] = {}

    def visit(layer: keras.layers.Layer, path: str) -> None:
        counts: dict[str, int] = {}
        for part in keras_private.sublayers(layer):
            name = re.sub(r"[^\w.-]", "_", _plain_name(part))
            number = counts[name] = counts.get(name, 0) + 1
            name = name if number == 1 else f"{name}_{number}"
            if id(part) not in found:
                found[id(part)] = (f"{path}{name}", part)
                visit(part, f"{path}{name}/")

    visit(model, "")
    return list(found.values())


def _plain_name(layer: keras.layers.Layer) -> str:
    """A layer's name, without the number that Keras gives to a name that it makes itself."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(layer).__name__)
    made = words.lower()
    return made if re.fullmatch(rf"{re.escape(made)}(_\d+)?", layer.name) else layer.name
