"""Template: a Keras layer that defines an expert, called with the weights of one expert."""

import inspect
import re
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from sparse_keras._internal import keras_private
from sparse_keras._internal.seeds import derived_seed
from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.experts.template_checks import (
    SELF_ATTENTION,
    check_state,
    describe,
    needs_examples,
    reason_of,
)

_SOME = 7  # rows, to see whether a template returns as many


class Template:
    """A built copy of a layer whose own weights are never used.

    It is not a Keras layer, so that these weights do not become weights of the bank that holds it.

    Args:
        layer: A layer as its user made it.
        input_shape: Shape of the input of one expert, with None as first axis.

    Raises:
        ValueError: If the layer cannot be an expert: it cannot be copied or called on such inputs;
            it has state besides its weights, metrics, or losses of its outputs; or it has several
            inputs or outputs.
    """

    def __init__(self, layer: keras.layers.Layer, input_shape: tuple) -> None:
        self.layer = copy_of(layer)
        self.dtype = self._spec(input_shape).dtype
        check_state(self.layer)
        self.weights = self.layer.weights
        self.names = _names(self.layer, self.weights)
        self.random_states = [
            generator.state
            for part in keras_private.all_layers(self.layer)
            for generator in keras_private.own_seed_generators(part)
        ]

    def check_use(self, input_shape: tuple, by_token: bool) -> None:
        """Raises a ValueError if experts made from the template would be useless.

        Args:
            input_shape: Shape of the input of one expert, with None as first axis.
            by_token: Whether the rows are tokens.
        """
        name = describe(self.layer)
        if not self.weights:
            raise ValueError(
                f"The template {name} has no weights: all experts would be the same. Use it before "
                "or after the mixture, or in a Sequential with layers that have some."
            )
        shape = tuple(self._spec(input_shape).shape)
        if by_token and len(shape) != 2:
            hint = (
                "An Embedding reads ids, and a router needs vectors: use it before the mixture."
                if isinstance(self.layer, keras.layers.Embedding)
                else "Let a Sequential with a Flatten at its end be the template, or pass "
                "LayerExperts(..., route_by='example')."
            )
            raise ValueError(
                f"An expert turns tokens [M, D] into rows [M, width]. The template {name} turns "
                f"{input_shape} into {shape}. {hint}"
            )
        # With a known number of rows, the shape shows whether it returns as many.
        rows = self._spec((_SOME, *input_shape[1:])).shape[0]
        if rows != _SOME:
            raise ValueError(
                f"An expert returns one row for each row that it gets. The template {name} turns "
                f"{_SOME} rows into {rows}."
            )

    def _spec(self, input_shape: tuple) -> keras.KerasTensor:
        """Returns its output for such inputs, a KerasTensor. Builds the layer if necessary."""
        name = describe(self.layer)
        attends = isinstance(self.layer, SELF_ATTENTION)
        try:
            if attends and len(input_shape) < 3:
                raise ValueError(f"expected ndim=3, found ndim={len(input_shape)}")
            # Built as Keras builds a layer in a model: custom ones need not have a `build`.
            outputs = self._apply(keras.KerasTensor(input_shape))
        except Exception as error:  # Whatever a layer raises.
            shape = tuple(input_shape)
            if len(shape) == 2 and needs_examples(self.layer):
                raise ValueError(
                    f"The template {name} needs whole examples, such as [B, T, D]. Received inputs "
                    f"of shape {shape}: {reason_of(error)}"
                ) from error
            raise ValueError(
                f"The template {name} cannot be called on one input of shape {shape}: "
                f"{reason_of(error)}"
            ) from error
        specs = keras.tree.flatten(outputs)
        if len(specs) != 1 or not hasattr(specs[0], "shape"):
            count = "nothing" if specs == [None] else len(specs)
            raise ValueError(f"An expert has one output. The template {name} returns {count}.")
        batch, *rest = specs[0].shape
        if not rest or (input_shape[0] is None and batch is not None):
            raise ValueError(
                f"An expert returns one row for each row that it gets. The template {name} turns "
                f"{tuple(input_shape)} into {tuple(specs[0].shape)}."
            )
        return specs[0]

    def call(
        self,
        inputs: Tensor,
        weights: Sequence[Tensor],
        random_states: Sequence[Tensor],
        mask: Tensor = None,
        training: bool | None = None,
    ) -> Tensor:
        """Returns the output, for `inputs` `[m, ...]`, of the expert with these weights."""
        mapping = [
            *zip(self.weights, weights, strict=True),
            *zip(self.random_states, random_states, strict=True),
        ]
        with keras.StatelessScope(mapping, collect_losses=True) as scope:
            outputs = self._apply(inputs, mask, training)
        if scope.losses:
            raise ValueError(
                f"The template {self.layer.name!r} adds a loss when it is called, which would "
                "count padding rows. Let the layer around the experts add it."
            )
        return outputs

    def _apply(self, inputs: Any, mask: Tensor = None, training: bool | None = None) -> Any:
        arguments = {} if training is None else {"training": training}
        if isinstance(self.layer, SELF_ATTENTION):
            if mask is not None:
                arguments |= {"query_mask": mask, "value_mask": mask}
            return self.layer(inputs, inputs, **arguments)
        if mask is not None and self.takes_mask:
            arguments["mask"] = mask
        return self.layer(inputs, **arguments)

    @property
    def takes_mask(self) -> bool:
        """Whether the layer uses a mask of its input."""
        takes = "mask" in inspect.signature(self.layer.call).parameters
        return takes or isinstance(self.layer, SELF_ATTENTION)

    def output_shape(self, input_shape: tuple) -> tuple:
        inputs = keras.KerasTensor(input_shape)
        both = (inputs, inputs) if isinstance(self.layer, SELF_ATTENTION) else (inputs,)
        return tuple(self.layer.compute_output_spec(*both).shape)


def copy_of(layer: keras.layers.Layer, config: dict[str, Any] | None = None) -> keras.layers.Layer:
    """Returns a new layer, not built, with the config of `layer` or another one."""
    try:
        # Not `deserialize_keras_object`: a class that is defined in a function has no path.
        return type(layer).from_config(layer.get_config() if config is None else config)
    except Exception as error:  # Whatever a layer raises.
        for part in keras_private.all_layers(layer):
            if isinstance(part, keras.layers.Lambda):
                raise ValueError(
                    f"The template's layer {describe(part)} cannot be copied for each expert: it "
                    "holds Python code, which Keras does not load from a config. Write a layer "
                    "with a `call` in its place, or use keras.layers.Activation."
                ) from error
        raise ValueError(
            f"The template {describe(layer)} cannot be made from its config again, which each "
            f"expert needs: {reason_of(error)} Write its `get_config`, and let its `__init__` pass "
            "**kwargs to that of its base class."
        ) from error


def draw_weights(layer: keras.layers.Layer, input_shape: tuple, expert: int) -> list[np.ndarray]:
    """Returns the initial weights of one expert: those of a new layer with the expert's seeds."""
    config = _with_own_seeds(layer.get_config(), expert)
    template = Template(copy_of(layer, config), input_shape)
    return [keras.ops.convert_to_numpy(weight) for weight in template.weights]


def _with_own_seeds(config: Any, expert: int, path: str = "") -> Any:
    """Returns a config whose integer seeds differ for each expert and each place.

    A seed that is None stays so: Keras draws one for each layer.
    """
    if isinstance(config, dict):
        return {
            key: derived_seed(value, path, expert) % 2**31  # int32 on PyTorch
            if key == "seed" and isinstance(value, int)
            else _with_own_seeds(value, expert, f"{path}/{key}")
            for key, value in config.items()
        }
    if isinstance(config, (list, tuple)):
        items = (_with_own_seeds(v, expert, f"{path}/{n}") for n, v in enumerate(config))
        return type(config)(items)
    return config


def _names(layer: keras.layers.Layer, weights: Sequence[keras.Variable]) -> list[str]:
    """Returns names of weights that do not depend on how many layers were made before."""
    owners = {
        id(weight): part
        for part in keras_private.all_layers(layer)
        for weight in keras_private.own_weights(part)
    }
    numbers, names = {}, []
    for weight in weights:
        owner = owners.get(id(weight), layer)
        # Keras numbers unnamed layers over the whole process. Here they are numbered by template.
        plain = "" if owner is layer else re.sub(r"_\d+$", "", owner.name) + "_"
        same = numbers.setdefault(plain, [])
        if owner not in same:
            same.append(owner)
        number = same.index(owner) + 1
        names.append(f"expert_{plain}" + (f"{number}_" if number > 1 else "") + weight.name)
    return names
