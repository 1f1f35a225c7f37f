"""Layers that turn banks and routers into one tensor in, one tensor out, for the layer contract."""

import math

import keras
from keras import ops

from sparse_keras.layers import HashRouter, Router
from sparse_keras.ops import combine, dispatch, sort_by_expert


class _Wrapper(keras.layers.Layer):
    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner
        self.supports_masking = True

    def build(self, input_shape):
        if not self.inner.built:
            self.inner.build((None, input_shape[-1]))
        self.built = True

    def get_config(self):
        inner = keras.saving.serialize_keras_object(self.inner)
        return {**super().get_config(), "inner": inner}

    @classmethod
    def from_config(cls, config):
        inner = keras.saving.deserialize_keras_object(config["inner"])
        return cls(**{**config, "inner": inner})


@keras.saving.register_keras_serializable(package="tests")
class ByLargestFeature(_Wrapper):
    """Sends each row to the group of the largest of its first E features."""

    def call(self, inputs, training=None):
        groups = getattr(self.inner, "num_experts", None) or self.inner.num_groups
        rows = ops.reshape(inputs, (-1, inputs.shape[-1]))
        index = ops.cast(ops.argmax(rows[:, :groups], axis=-1), "int32")[:, None]
        plan = sort_by_expert(index, ops.ones_like(index, dtype="bool"), groups)
        arguments = (
            {}
            if training is None or not self.inner._call_has_training_arg
            else {"training": training}
        )
        outputs = self.inner(dispatch(rows, plan), plan.group_sizes, **arguments)
        ones = ops.ones_like(index, dtype="float32")
        outputs = combine(outputs, plan, ones)
        return ops.reshape(outputs, (*ops.shape(inputs)[:-1], outputs.shape[-1]))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.inner.compute_output_shape((None, input_shape[-1]))[-1])


@keras.saving.register_keras_serializable(package="tests")
class EveryDepth(_Wrapper):
    """All depths of a mixture one after the other, each added to what it gets."""

    def call(self, inputs, mask=None, training=None):
        for depth in range(self.inner.num_depths):
            outputs = self.inner(inputs, depth=depth, mask=mask, training=training)
            inputs = inputs + ops.cast(outputs, inputs.dtype)
        return ops.cast(inputs, self.inner.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="tests")
class OfShortSequences(_Wrapper):
    """Takes a vector of 6 for a sequence of 3 pairs, and returns a vector again."""

    def build(self, input_shape):
        if not self.inner.built:
            self.inner.build((None, 3, 2))
        self.built = True

    def call(self, inputs, training=None):
        sequences = ops.reshape(inputs, (-1, 3, 2))
        outputs = self.inner(sequences, training=training)
        width = math.prod(outputs.shape[1:])
        return ops.reshape(outputs, (*ops.shape(inputs)[:-1], width))

    def compute_output_shape(self, input_shape):
        shape = self.inner.compute_output_shape((None, 3, 2))
        return (*input_shape[:-1], math.prod(shape[1:]))


@keras.saving.register_keras_serializable(package="tests")
class MembersSideBySide(_Wrapper):
    """What the experts of an ensemble return for a token, as one vector."""

    def call(self, inputs, training=None):
        outputs = self.inner(inputs, training=training)
        return ops.reshape(outputs, (*ops.shape(inputs)[:-1], math.prod(outputs.shape[-2:])))

    def compute_output_shape(self, input_shape):
        shape = self.inner.compute_output_shape(input_shape)
        return (*input_shape[:-1], math.prod(shape[-2:]))


@keras.saving.register_keras_serializable(package="tests")
class OfTwoMembers(_Wrapper):
    """Gives a head the two halves of a vector as two members."""

    def build(self, input_shape):
        if not self.inner.built:
            self.inner.build((None, 2, input_shape[-1] // 2))
        self.built = True

    def call(self, inputs, training=None):
        halves = (*ops.shape(inputs)[:-1], 2, inputs.shape[-1] // 2)
        return self.inner(ops.reshape(inputs, halves), training=training)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.inner.units)


@keras.saving.register_keras_serializable(package="tests")
class WeightOfEachExpert(_Wrapper):
    """The routing as a `[N, E]` matrix: the weight of each expert, 0 where it is not open."""

    def call(self, inputs, training=None):
        arguments = {"token_ids": _ids(inputs)} if isinstance(self.inner, HashRouter) else {}
        routing = self.inner(inputs, training=training, **arguments)
        chosen = ops.one_hot(routing["expert_index"], self.inner.num_experts, dtype="float32")
        return ops.sum(chosen * routing["weight"][..., None], axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.inner.num_experts)


def _ids(inputs):
    return ops.cast(ops.floor(inputs[..., 0] * 100), "int32")


@keras.saving.register_keras_serializable(package="tests")
class IdsOfFirstFeature(_Wrapper):
    """A mixture whose token ids are made of the first feature."""

    def build(self, input_shape):
        if not self.inner.built:
            self.inner.build(input_shape)
        self.built = True

    def call(self, inputs, mask=None, training=None):
        return self.inner(inputs, mask=mask, training=training, token_ids=_ids(inputs))

    def compute_output_shape(self, input_shape):
        return self.inner.compute_output_shape(input_shape)


@keras.saving.register_keras_serializable(package="tests")
class ThreeTokens(_Wrapper):
    """Takes each vector as a sequence of three tokens, a third of it each."""

    def build(self, input_shape):
        if not self.inner.built:
            self.inner.build((None, 3, input_shape[-1] // 3))
        self.built = True

    def call(self, inputs, training=None):
        leading = ops.shape(inputs)[:-1]
        tokens = ops.reshape(inputs, (-1, 3, inputs.shape[-1] // 3))
        outputs = self.inner(tokens, training=training)
        return ops.reshape(outputs, (*leading, 3 * outputs.shape[-1]))

    def compute_output_shape(self, input_shape):
        shape = self.inner.compute_output_shape((None, 3, input_shape[-1] // 3))
        return (*input_shape[:-1], 3 * shape[-1])


@keras.saving.register_keras_serializable(package="tests")
class AllGates(_Wrapper):
    """The outputs of all gates side by side."""

    def call(self, inputs, mask=None, training=None):
        outputs = self.inner(inputs, mask=mask, training=training)
        return ops.concatenate([outputs[gate] for gate in self.inner.routers], axis=-1)

    def compute_output_shape(self, input_shape):
        shapes = self.inner.compute_output_shape(tuple(input_shape)).values()
        return (*input_shape[:-1], sum(shape[-1] for shape in shapes))


@keras.saving.register_keras_serializable(package="tests")
class FixedRouter(Router):
    """A routing given by hand; its weights are trainable, so that their gradient can be read."""

    def __init__(self, expert_index, weight, is_open, num_experts, **kwargs):
        super().__init__(num_experts=num_experts, **kwargs)
        self.expert_index, self.fixed_weight, self.is_open = expert_index, weight, is_open

    @property
    def experts_per_token(self):
        return self.expert_index.shape[1]

    def build(self, input_shape):
        super().build(input_shape)
        self.weight = self.add_weight(
            name="router_weight",
            shape=self.fixed_weight.shape,
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(self.fixed_weight, dtype),
        )

    def route(self, logits):
        is_open = ops.convert_to_tensor(self.is_open)
        return {
            "expert_index": ops.convert_to_tensor(self.expert_index.astype("int32")),
            "weight": ops.where(is_open, ops.convert_to_tensor(self.weight), 0.0),
            "is_open": is_open,
            "scores": ops.softmax(logits),
        }
