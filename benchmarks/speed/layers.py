"""The Keras layers that are compared. All map [N, D] to [N, D], and route with the same matrix."""

import random

import keras
from keras import ops

from benchmarks.speed import data
from sparse_keras import losses
from sparse_keras.layers import GLUExperts, MixtureOfExperts, MLPExperts, TopKRouter


def build(kind, case):
    """The built layer of a kind for a case."""
    random.seed(0)  # `set_random_seed` would import other frameworks, and they take memory.
    keras.config.set_dtype_policy(case.policy)
    layers = [_KINDS[kind](case) for _ in range(case.layers)]
    for number, layer in enumerate(layers):
        layer.build((case.tokens, case.width))
        if kind != "dense":
            _router_kernel(layer).assign(data.router_matrix(case, number))
    return layers[0] if case.layers == 1 else Residual(layers)


def _ours(case):
    bank = GLUExperts if case.glu else MLPExperts
    return MixtureOfExperts(bank(case.experts, case.hidden), router=TopKRouter(k=case.k))


class FeedForward(keras.layers.Layer):
    """The dense layer: two matrices with biases and a ReLU, or three without and a SwiGLU."""

    def __init__(self, case):
        super().__init__()
        activation = "silu" if case.glu else "relu"
        self.case = case
        self.up = keras.layers.Dense(case.dense_hidden, use_bias=not case.glu)
        self.gate = keras.layers.Dense(case.dense_hidden, use_bias=False) if case.glu else None
        self.down = keras.layers.Dense(case.width, use_bias=not case.glu)
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        for layer in (self.up, self.gate):
            if layer is not None:
                layer.build(input_shape)
        self.down.build((input_shape[0], self.case.dense_hidden))
        self.built = True

    def call(self, inputs, training=None):
        hidden = self.up(inputs)
        if self.gate is not None:
            return self.down(self.activation(self.gate(inputs)) * hidden)
        return self.down(self.activation(hidden))

    def compute_output_shape(self, input_shape):
        return input_shape


class AllExperts(keras.layers.Layer):
    """Every expert on every token, in two large matmuls, weighted by the gates.

    The hidden units are weighted, so that one matmul over (E, H) also adds the experts up.
    """

    def __init__(self, case):
        super().__init__()
        self.case = case
        self.router = TopKRouter(k=case.k, num_experts=case.experts)
        self.activation = keras.activations.get("silu" if case.glu else "relu")

    def build(self, input_shape):
        case = self.case
        self.router.build(input_shape)
        into, back = (
            (case.width, case.experts, case.hidden),
            (case.experts, case.hidden, case.width),
        )
        self.up = self.add_weight(shape=into, name="up")
        self.down = self.add_weight(shape=back, name="down")
        if case.glu:
            self.gate = self.add_weight(shape=into, name="gate")
        else:
            self.up_bias = self.add_weight(shape=into[1:], initializer="zeros", name="up_bias")
            self.down_bias = self.add_weight(
                shape=(case.experts, case.width), initializer="zeros", name="down_bias"
            )
        self.built = True

    def call(self, inputs, training=None):
        routing = self.router(inputs, training=training)
        chosen = ops.one_hot(routing["expert_index"], self.case.experts, dtype="float32")
        gates = ops.sum(chosen * routing["weight"][..., None], axis=1)
        gates = ops.cast(gates, self.compute_dtype)
        hidden = ops.einsum("nd,deh->neh", inputs, self.up)
        if self.case.glu:
            hidden = self.activation(ops.einsum("nd,deh->neh", inputs, self.gate)) * hidden
        else:
            hidden = self.activation(hidden + self.up_bias)
        outputs = ops.einsum("neh,ehd->nd", hidden * gates[..., None], self.down)
        if not self.case.glu:
            outputs = outputs + ops.matmul(gates, self.down_bias)
        if training:
            load = losses.expert_load(
                routing["expert_index"], routing["is_open"], self.case.experts
            )
            found = self.router.auxiliary_losses(routing, load)
            self.add_loss(sum(weight * value for weight, value in found.values()))
        return outputs

    def compute_output_shape(self, input_shape):
        return input_shape


class KerasHubBlock(keras.layers.Layer):
    """A block of KerasHub, which wants [batch, length, D] and returns its logits as well."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def build(self, input_shape):
        self.block.build((1, *input_shape))
        self.built = True

    def call(self, inputs, training=None):
        outputs, _ = self.block(inputs[None], training=training)
        return outputs[0]

    def compute_output_shape(self, input_shape):
        return input_shape


def _keras_hub_qwen3_moe(case):
    from keras_hub.src.models.qwen3_moe.qwen3_moe_decoder import Qwen3SparseMoeBlock

    return KerasHubBlock(
        Qwen3SparseMoeBlock(case.width, case.hidden, case.experts, case.k, norm_top_k_prob=True)
    )


def _keras_hub_mixtral(case):
    from keras_hub.src.models.mixtral.mixtral_decoder import MixtralSparseMoeBlock

    return KerasHubBlock(MixtralSparseMoeBlock(case.width, case.hidden, case.experts, case.k))


class Residual(keras.layers.Layer):
    """A stack of layers: x + layer(x), again and again."""

    def __init__(self, layers):
        super().__init__()
        self.stack = layers
        self.built = True

    def call(self, inputs, training=None):
        for layer in self.stack:
            inputs = inputs + layer(inputs, training=training)
        return inputs

    def compute_output_shape(self, input_shape):
        return input_shape


def _router_kernel(layer):
    if isinstance(layer, KerasHubBlock):
        return layer.block._sparse_feedforward_gate_dense.kernel
    return layer.router.kernel


_KINDS = {
    "ours": _ours,
    "dense": FeedForward,
    "all_experts": AllExperts,
    "keras_hub_qwen3_moe": _keras_hub_qwen3_moe,
    "keras_hub_mixtral": _keras_hub_mixtral,
}
