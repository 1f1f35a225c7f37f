"""The blocks of KerasHub's families, computed by the selected experts only.

Each class is mixed into a block of KerasHub, whose attributes and variables it uses; it has none of
its own, so that files and weights stay interchangeable. It returns and adds as losses what that
block does. Axis letters are those of `sparse_keras.ops`; KerasHub calls N "T", D "H" and H "M".
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from sparse_keras.layers.mixtures.dispatcher import Dispatcher
from sparse_keras.ops import group_rows


class SparseBlock:
    """Base class: sends tokens to their experts and back."""

    dispatcher = Dispatcher()

    def mix(self, tokens: Any, index: Any, weight: Any, experts: Callable[..., Any]) -> Any:
        """Returns the weighted sum of the experts' outputs.

        Args:
            tokens: `[N, D]`.
            index: Int `[N, K]`, the experts of each token.
            weight: Float `[N, K]`, their weights.
            experts: Function from grouped rows of tokens to grouped rows of outputs.

        Returns:
            `[N, D]`, of the tokens' dtype.
        """

        def bank(rows, group_sizes, training=None):
            return experts(group_rows(rows, group_sizes)).join()

        plan = self.dispatcher.plan(ops.cast(index, "int32"), None, self.num_experts)
        rows = self.dispatcher.compute(bank, tokens, plan)
        return self.dispatcher.combine(rows, plan, weight)


class SoftmaxTopK(SparseBlock):
    """Blocks whose router is a Dense layer, a softmax and the `top_k` largest.

    Subclasses name what their block of KerasHub names differently.
    """

    router_layer = "_sparse_feedforward_gate_dense"
    loss_weight = "router_aux_loss_coefficient"

    def call(self, hidden_states, attention_mask=None, training=None):
        shape = ops.shape(hidden_states)
        tokens = ops.reshape(hidden_states, (-1, self.hidden_dim))
        logits = getattr(self, self.router_layer)(tokens)
        weight, index = ops.top_k(ops.softmax(logits, axis=-1), k=self.top_k)
        if self.renormalizes:
            weight = weight / ops.sum(weight, axis=-1, keepdims=True)
        outputs = self.mix(tokens, index, weight, self.experts_of)
        outputs = ops.reshape(self.add_shared(tokens, outputs), shape)
        if training:
            loss = _module_of(self).compute_load_balancing_loss(
                router_logits=logits,
                num_experts=self.num_experts,
                top_k=self.top_k,
                attention_mask=attention_mask,
            )
            self.add_loss(getattr(self, self.loss_weight) * loss)
        return outputs, logits

    @property
    def renormalizes(self) -> bool:
        return True

    def experts_of(self, rows):
        """The bank whose gate and up are the halves of one matrix."""
        bank = self.expert_bank

        def gated(halves):
            gate, up = ops.split(halves, 2, axis=-1)
            return up * self.activate(gate)

        hidden = rows.matmul(bank._expert_feedforward_gate_dense).map(gated)
        return hidden.matmul(bank._expert_feedforward_output_dense)

    def activate(self, gate):
        return self.expert_bank.activation(gate)

    def add_shared(self, tokens, outputs):
        return outputs


class SparseQwen3Moe(SoftmaxTopK):
    @property
    def renormalizes(self):
        return self.norm_top_k_prob


class SparseQwenMoe(SparseQwen3Moe):
    def add_shared(self, tokens, outputs):
        gate = ops.sigmoid(self.shared_expert_gate_dense(tokens))
        return outputs + self.shared_expert_dense(tokens) * gate


class SparseQwen35Moe(SoftmaxTopK):
    router_layer = "_router_gate"

    def activate(self, gate):
        return ops.cast(ops.silu(ops.cast(gate, "float32")), gate.dtype)

    def add_shared(self, tokens, outputs):
        return outputs + ops.sigmoid(self._shared_expert_gate(tokens)) * self.shared_expert(tokens)


class SparseMixtral(SoftmaxTopK):
    loss_weight = "router_aux_loss_coef"

    def call(self, hidden_states, attention_mask=None, training=False):
        if training and self.router_jitter_noise > 0:
            raise ValueError(
                f"KerasHub's router_jitter_noise does not work: it calls `keras.ops.random`, which "
                f"does not exist. Received: router_jitter_noise={self.router_jitter_noise}. Train "
                "with router_jitter_noise=0."
            )
        return super().call(hidden_states, attention_mask, training)

    def experts_of(self, rows):
        bank = self.expert_bank

        def gated(gate, up):
            activated = bank.activation(ops.cast(gate, "float32"))
            return up * ops.cast(activated, up.dtype)

        up = rows.matmul(bank._expert_feedforward_intermediate_dense)
        hidden = rows.matmul(bank._expert_feedforward_gate_dense).map(gated, up)
        return hidden.matmul(bank._expert_feedforward_output_dense)


class SparseGptOss(SparseBlock):
    def call(self, hidden_states):
        shape = ops.shape(hidden_states)
        tokens = ops.reshape(hidden_states, (-1, self.hidden_dim))
        chosen, index = ops.top_k(self.router.router_dense(tokens), k=self.top_k)
        weight = ops.softmax(chosen, axis=-1)
        outputs = self.mix(tokens, index, weight, self.experts_of)
        one_hot = ops.cast(ops.one_hot(index, self.num_experts), weight.dtype)
        scores = ops.sum(one_hot * ops.expand_dims(weight, axis=-1), axis=1)
        return ops.reshape(outputs, shape), scores

    def experts_of(self, rows):
        bank = self.experts

        def gated(interleaved):
            gate = ops.clip(interleaved[..., ::2], -1e9, bank.limit)
            up = ops.clip(interleaved[..., 1::2], -bank.limit, bank.limit)
            return (up + 1) * (gate * ops.sigmoid(gate * bank.alpha))

        hidden = rows.matmul(bank.gate_up_proj).add(bank.gate_up_proj_bias).map(gated)
        return hidden.matmul(bank.down_proj).add(bank.down_proj_bias)


class SparseGemma4(SparseBlock):
    """The bank alone: its decoder calls the router, and hands over a dense matrix of weights."""

    # The experts of a token, which only the router knows; `sparsify` sets it.
    sparse_top_k: int

    def call(self, x, dispatch_weights):
        weight, index = ops.top_k(dispatch_weights, k=self.sparse_top_k)
        weight = ops.cast(weight, x.dtype)
        # The scale of an expert's output is a factor of its weight.
        weight = weight * ops.take(ops.cast(self.per_expert_scale, x.dtype), index, axis=0)
        return self.mix(x, index, weight, self.experts_of)

    def experts_of(self, rows):
        def gated(gate, up):
            gate = keras.activations.gelu(ops.cast(gate, "float32"), approximate=True)
            return ops.cast(gate, up.dtype) * up

        hidden = rows.matmul(self.gate_proj).map(gated, rows.matmul(self.up_proj))
        return hidden.matmul(self.down_proj)


def _module_of(block):
    """The module of KerasHub that the block's class is from."""
    return sys.modules[type(block).dense_class.__module__]
