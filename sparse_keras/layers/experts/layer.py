"""LayerExperts: any Keras layer as the template of experts."""

import keras
import numpy as np
from keras import ops

from sparse_keras._internal import keras_private
from sparse_keras.layers.experts.base import Experts
from sparse_keras.layers.experts.grouped_dense import EachGroup
from sparse_keras.layers.experts.template import (
    Template,
    check_template,
    draw_weights,
    needs_examples,
)
from sparse_keras.layers.experts.template_flops import template_flops
from sparse_keras.ops.backend import map_groups


@keras.saving.register_keras_serializable(package="sparse_keras")
class LayerExperts(Experts):
    """Experts that are copies of a Keras layer, each with weights of its own.

        y = layer_e(x)

    A layer that works on the last axis alone gets tokens, as the experts of other banks do. A
    convolution, a recurrent layer or an attention needs whole examples: then a `MixtureOfExperts`
    routes examples, by the mean of their positions, and each expert computes those that it gets.

    Each expert is called once, with as many rows as it gets. Under XLA and on JAX, where shapes
    cannot depend on data, it is called as often as it takes with blocks of rows: up to half as many
    again, in a loop. XLA is slow at convolutions in a loop on a CPU: leave `jit_compile` off there.
    One product for all experts, as in `DenseExperts` and `MLPExperts`, is faster where the template
    is small.

    Weights are drawn as by a new layer for each expert; integer seeds of initializers are made
    other ones for each. Regularizers and constraints are those of each expert's own weight. Dropout
    draws another mask for each expert. The weights of a template that has some, as a Functional
    model, are not used.

    Args:
        layer: The template: a Keras layer that is not built, or a Sequential or Functional model,
            with weights, one input and one output. `MultiHeadAttention` and `GroupQueryAttention`
            are self-attention. Refused is what keeps state from call to call, as
            `BatchNormalization` does, adds losses of its outputs, or has metrics.
        num_experts: E.
        route_by: `"token"` or `"example"`. `None`, the default, takes examples where the template
            asks for inputs of rank 3 or more or begins with a `Flatten`, and tokens elsewhere.

    Call arguments:
        inputs: `[M, D]`, rows sorted by expert; or examples `[M, ..., D]`.
        group_sizes: Int `[E]`, rows of each expert.
        mask: Optional bool, the leading axes of examples, for a template that takes one.
        training: Whether the call is part of training.

    Output shape:
        `[M, output_dim]`; of examples, what the template makes of them.

    Raises:
        ValueError: If the template cannot be one, or `dtype` differs from the template's.

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

    def __init__(self, layer, num_experts, route_by=None, **kwargs):
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
        # Where Keras does not see them: their weights are not those of the bank.
        self._template_layer = _Untracked(layer)
        self._template = None
        self.route_by = route_by or ("example" if needs_examples(layer) else "token")
        self.supports_masking = True
        self.seed_generator = keras.random.SeedGenerator(_seed_of(layer))

    @property
    def layer(self):
        """The template, as it was given."""
        return self._template_layer.value

    def build(self, input_shape):
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
                # Cast by the template, as it casts its own.
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

    def call(self, inputs, group_sizes, mask=None, training=None):
        template = self._template.value
        states = template.random_states

        def draw(count):
            # Seeds of their own for each call of each generator of the template.
            return keras.random.randint(
                (count, len(states), 2), 0, 2**31 - 1, dtype="int32", seed=self.seed_generator
            )

        def call(rows, weights, masks, seeds=None):
            drawn = states if seeds is None else ops.unstack(seeds, axis=0)
            return template.call(rows, weights, drawn, *masks, training=training)

        return map_groups(
            call,
            inputs,
            [ops.convert_to_tensor(weight) for weight in self.weights_of_experts],
            group_sizes,
            [mask] if mask is not None and template.takes_mask else [],
            draw if training and states else None,
            template.dtype,
        )

    def output_shape(self, input_shape):
        """Shape of what an expert makes of rows of this shape."""
        template = self._template or _Untracked(Template(self.layer, (None, *input_shape[1:])))
        return (input_shape[0], *template.value.output_shape((None, *input_shape[1:]))[1:])

    def output_width(self, input_dim):
        return self.output_shape((None, input_dim))[-1]

    def compute_output_shape(self, input_shape):
        return self.output_shape(tuple(input_shape))

    @property
    def passes_mask(self):
        """Whether the mask of an example is that of the expert's output too."""
        return self.layer.supports_masking

    def flops_per_row(self, input_dim):
        """`None` if the template has layers whose operations are not known."""
        return self.flops_per_example((None, input_dim))

    def flops_per_example(self, input_shape):
        """The same for an example; the first axis of `input_shape` does not matter."""
        template = self._template or _Untracked(Template(self.layer, (None, *input_shape[1:])))
        return template_flops(template.value.layer, (None, *input_shape[1:]))

    def quantize(self, mode=None, **kwargs):
        raise NotImplementedError(
            "LayerExperts cannot be quantized: the products are its template's, and the weights "
            f"those of all experts. Received: mode={mode!r}."
        )

    def get_config(self):
        return {
            **super().get_config(),
            "layer": keras.saving.serialize_keras_object(self.layer),
            "route_by": self.route_by,
        }

    @classmethod
    def from_config(cls, config):
        layer = keras.saving.deserialize_keras_object(config["layer"])
        return cls(**{**config, "layer": layer})


class _Untracked:
    """Holds what Keras would otherwise take for a part of the layer."""

    def __init__(self, value):
        self.value = value


class _Draws:
    """Initial weights of all experts, one layer for each expert, kept until each was asked for."""

    def __init__(self, layer, input_shape):
        self.layer, self.input_shape = layer, input_shape
        self.left = {}

    def of(self, position):
        """The initializer of `[E, ...]` of the weight at a position."""

        def draw(shape, dtype=None):
            if position not in self.left:
                experts = [draw_weights(self.layer, self.input_shape, e) for e in range(shape[0])]
                self.left = dict(enumerate(zip(*experts, strict=True)))
            return ops.convert_to_tensor(np.stack(self.left.pop(position)), dtype)

        return draw


def _seed_of(layer):
    """A seed made of those that the template's random layers were given; None if none was."""
    seeds = [
        generator.get_config()["seed"]
        for part in keras_private.all_layers(layer)
        for generator in keras_private.own_seed_generators(part)
    ]
    given = [seed for seed in seeds if seed is not None]
    return sum((n + 1) * seed for n, seed in enumerate(given)) % 2**31 if given else None
