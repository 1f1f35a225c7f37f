"""LayerExperts: any Keras layer as the template of experts."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from sparse_keras._internal import keras_private
from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.experts.base import Experts
from sparse_keras.layers.experts.grouped_dense import EachGroup
from sparse_keras.layers.experts.template import Template, draw_weights
from sparse_keras.layers.experts.template_checks import check_template, needs_examples
from sparse_keras.layers.experts.template_flops import template_flops
from sparse_keras.ops.backend import map_groups


@keras.saving.register_keras_serializable(package="sparse_keras")
class LayerExperts(Experts):
    """Experts that are copies of a Keras layer, each with its own weights.

        y = layer_e(x)

    A layer that works on the last axis alone gets tokens, as the experts of other banks do.
    Convolutions, recurrent layers and attention need whole examples: then a `MixtureOfExperts`
    routes examples, by the mean of their positions, and each expert computes those it receives.

    Each expert is called once, with all its rows. Under XLA and on JAX, where shapes cannot depend
    on data, it is called on blocks of rows in a loop, with up to half as many rows again as
    padding. XLA is slow at convolutions in a loop on a CPU: leave `jit_compile` off there. If the
    template is small, one product for all experts, as in `DenseExperts` and `MLPExperts`, is
    faster.

    Weights are drawn as by a new layer for each expert, with integer seeds of initializers changed
    for each. Regularizers and constraints apply to each expert's weight by itself. Dropout draws a
    mask for each expert. If the template has weights already, as a Functional model does, they are
    not used.

    Args:
        layer: The template: a Keras layer that is not built, or a Sequential or Functional model,
            with weights, one input and one output. `MultiHeadAttention` and `GroupQueryAttention`
            become self-attention. Layers that keep state from call to call, as
            `BatchNormalization` does, add losses of their outputs, or have metrics are refused.
        num_experts: E.
        route_by: `"token"` or `"example"`. `None`, the default, means examples if the template
            needs inputs of rank 3 or more or begins with a `Flatten`, and tokens otherwise.

    Call arguments:
        inputs: `[M, D]`, rows sorted by expert; or examples `[M, ..., D]`.
        group_sizes: Int `[E]`, rows of each expert.
        mask: Optional bool with the leading axes of examples, for a template that takes one.
        training: Whether the call is part of training.

    Output shape:
        `[M, output_dim]`; for examples, the output shape of the template.

    Raises:
        ValueError: If the layer cannot be a template, or `dtype` differs from the template's.

    Example:

    >>> layer = sparse_keras.layers.MixtureOfExperts(
    ...     keras.layers.Conv2D(16, 3, padding="same"), num_experts=4, k=1
    ... )
    >>> layer(np.ones((2, 8, 8, 3), "float32")).shape
    TensorShape([2, 8, 8, 16])
    >>> experts = sparse_keras.layers.LayerExperts(
    ...     keras.layers.MultiHeadAttention(num_heads=2, key_dim=8), num_experts=4
    ... )
    >>> layer = sparse_keras.layers.MixtureOfExperts(experts)
    >>> layer(np.ones((2, 5, 16), "float32")).shape
    TensorShape([2, 5, 16])
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        num_experts: int,
        route_by: str | None = None,
        **kwargs: Any,
    ) -> None:
        check_template(layer)
        dtype = kwargs.pop("dtype", None)
        if dtype is not None and keras.dtype_policies.get(dtype).name != layer.dtype_policy.name:
            raise ValueError(
                "Experts compute in the dtype policy of their template: give it the `dtype`. "
                f"Received: dtype={keras.dtype_policies.get(dtype).name!r}, and a template with "
                f"{layer.dtype_policy.name!r}."
            )
        kwargs.setdefault("trainable", layer.trainable)
        super().__init__(num_experts, dtype=layer.dtype_policy, **kwargs)
        if route_by not in (None, "token", "example"):
            raise ValueError(
                f"`route_by` must be 'token', 'example' or None. Received: route_by={route_by!r}."
            )
        # Keras must not track them: their weights are not weights of the bank.
        self._template_layer = _Untracked(layer)
        self._template = None
        self.route_by = route_by or ("example" if needs_examples(layer) else "token")
        self.supports_masking = True
        self.seed_generator = keras.random.SeedGenerator(_seed_of(layer))

    @property
    def layer(self) -> keras.layers.Layer:
        """The template, as passed to the constructor."""
        return self._template_layer.value

    def build(self, input_shape: tuple) -> None:
        if self.route_by == "token" and len(input_shape) != 2:
            raise ValueError(f"Tokens are rows [M, D]. Received: input_shape={input_shape}.")
        shape = (None, *input_shape[1:])
        template = Template(self.layer, shape)
        template.check_use(shape, by_token=self.route_by == "token")
        self._template = _Untracked(template)
        draws = _Draws(self.layer, shape)
        self.weights_of_experts = [
            self.add_weight(
                name=name,
                shape=(self.num_experts, *weight.shape),
                initializer=draws.of(position),
                dtype=weight.dtype,
                # The template casts them, as it casts its own.
                autocast=False,
                trainable=weight.trainable,
                regularizer=weight.regularizer and EachGroup(weight.regularizer, reduce=ops.sum),
                constraint=weight.constraint and EachGroup(weight.constraint),
            )
            for position, (name, weight) in enumerate(
                zip(template.names, template.weights, strict=True)
            )
        ]
        self.built = True

    def call(
        self, inputs: Tensor, group_sizes: Tensor, mask: Tensor = None, training: bool | None = None
    ) -> Tensor:
        template = self._template.value
        states = template.random_states

        def draw(count: int) -> Tensor:
            # Separate seeds for each call of each generator of the template.
            return keras.random.randint(
                (count, len(states), 2), 0, 2**31 - 1, dtype="int32", seed=self.seed_generator
            )

        def call(
            rows: Tensor, weights: list[Tensor], masks: list[Tensor], seeds: Tensor = None
        ) -> Tensor:
            random_states = states if seeds is None else ops.unstack(seeds, axis=0)
            return template.call(rows, weights, random_states, *masks, training=training)

        return map_groups(
            call,
            inputs,
            [ops.convert_to_tensor(weight) for weight in self.weights_of_experts],
            group_sizes,
            [mask] if mask is not None and template.takes_mask else [],
            draw if training and states else None,
            template.dtype,
        )

    def output_shape(self, input_shape: tuple) -> tuple:
        """Returns the shape of an expert's output for rows of this shape."""
        template = self._template or _Untracked(Template(self.layer, (None, *input_shape[1:])))
        return (input_shape[0], *template.value.output_shape((None, *input_shape[1:]))[1:])

    def output_width(self, input_dim: int) -> int:
        return self.output_shape((None, input_dim))[-1]

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return self.output_shape(tuple(input_shape))

    @property
    def passes_mask(self) -> bool:
        """Whether the mask of an example is also that of the expert's output."""
        return self.layer.supports_masking

    def flops_per_row(self, input_dim: int) -> int | None:
        """Returns the operations for one row; `None` if those of a layer are not known."""
        return self.flops_per_example((None, input_dim))

    def flops_per_example(self, input_shape: tuple) -> int | None:
        """Returns the operations for one example; `None` if those of a layer are not known.

        Args:
            input_shape: Shape of the examples. The first axis does not matter.
        """
        template = self._template or _Untracked(Template(self.layer, (None, *input_shape[1:])))
        return template_flops(template.value.layer, (None, *input_shape[1:]))

    def enable_lora(self, rank: int, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            "LayerExperts does not support LoRA: its template computes the products, and does not "
            f"know updates of all experts. Received: rank={rank!r}. Use DenseExperts, MLPExperts "
            "or GLUExperts."
        )

    def quantize(self, mode: Any = None, **kwargs: Any) -> None:
        raise NotImplementedError(
            "LayerExperts cannot be quantized: its template computes the products, and does not "
            f"know quantized weights of all experts. Received: mode={mode!r}."
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "layer": keras.saving.serialize_keras_object(self.layer),
            "route_by": self.route_by,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        layer = keras.saving.deserialize_keras_object(config["layer"])
        return cls(**{**config, "layer": layer})


class _Untracked:
    """Hides a value from Keras, which would otherwise track it as a part of the layer."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _Draws:
    """The initial weights of all experts, drawn together: one new layer for each expert."""

    def __init__(self, layer: keras.layers.Layer, input_shape: tuple) -> None:
        self.layer, self.input_shape = layer, input_shape
        self.drawn = {}  # By position. Each is handed out once.

    def of(self, position: int) -> Callable:
        """Returns the initializer, `[E, ...]`, of the weight at a position."""

        def draw(shape: tuple, dtype: Any = None) -> Tensor:
            if position not in self.drawn:
                experts = [draw_weights(self.layer, self.input_shape, e) for e in range(shape[0])]
                self.drawn = dict(enumerate(zip(*experts, strict=True)))
            return ops.convert_to_tensor(np.stack(self.drawn.pop(position)), dtype)

        return draw


def _seed_of(layer: keras.layers.Layer) -> int | None:
    """Returns a seed made from those of the template's random layers; None if they have none."""
    seeds = [
        generator.get_config()["seed"]
        for part in keras_private.all_layers(layer)
        for generator in keras_private.own_seed_generators(part)
    ]
    given = [seed for seed in seeds if seed is not None]
    return sum((n + 1) * seed for n, seed in enumerate(given)) % 2**31 if given else None
