"""The blocks of KerasHub's families, computed by the selected experts only.

Each class is mixed into a block of KerasHub, whose attributes and variables it uses, so that files
and weights stay interchangeable; `additions.py` has what a block may have beside them. It returns
and adds as losses what that block does. Axis letters are those of `sparse_keras.ops`; KerasHub
calls N "T", D "H" and H "M".
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from sparse_keras import losses
from sparse_keras._internal import keras_private
from sparse_keras.hub import additions
from sparse_keras.hub.additions import SelectionBias, UnsavedStatistics
from sparse_keras.hub.router import BlockRouter
from sparse_keras.hub.sequences import current_sequences, running
from sparse_keras.layers.mixtures.dispatcher import Dispatcher
from sparse_keras.layers.mixtures.gated_layer import OneGateLayer
from sparse_keras.layers.mixtures.routing_hooks import apply_hooks, is_hooked
from sparse_keras.layers.replica_losses import ReplicaLosses
from sparse_keras.layers.routers.routing import closed_to_padding, divide_by_total
from sparse_keras.ops import group_rows


class SparseBlock(OneGateLayer):
    """Base class: routes tokens, and sends them to their experts and back.

    Subclasses write `call`, which ends in `mix`, and:

    * `compute_experts(rows)`: from grouped rows of tokens to grouped rows of outputs.
    * `router_weights()`, and `weigh(logits, index)` if weights are no softmax over all experts.
    * `keras_hub_loss_weight`, if KerasHub adds a balance loss.

    Attributes:
        balance_loss: Weight of this library's balance loss; `None` for KerasHub's own loss.
        bias_update_rate: How far a training step moves the selection bias; `None` without one.
    """

    counts_on_demand = True
    dispatcher = Dispatcher()
    balance_loss: float | None = None
    bias_update_rate: float | None = None
    keras_hub_loss_weight = 0.0

    @property
    def gates(self) -> dict[str, BlockRouter]:
        return {"router": BlockRouter(self)}

    @property
    def experts_per_token(self) -> int:
        return self.top_k

    @property
    def statistics(self) -> dict[str, UnsavedStatistics]:
        statistics = vars(self).get(additions.STATISTICS)
        return {} if statistics is None else {"router": statistics}

    @property
    def selection_bias(self) -> SelectionBias | None:
        return vars(self).get(additions.BIAS)

    def begin_statistics(self) -> bool:
        if self.statistics:
            return False
        statistics = UnsavedStatistics(self.num_experts, ("balance_loss",), name="statistics")
        additions.add(self, additions.STATISTICS, statistics)
        return True

    def become_sparse(self) -> None:
        """Prepares a block of KerasHub that is of this class now."""
        keras_private.set_loss_list(self, ReplicaLosses())

    def become_dense(self) -> None:
        """Removes what KerasHub's block does not have."""
        keras_private.set_loss_list(self, [])
        additions.remove_all(self)
        for name in ("balance_loss", "bias_update_rate"):
            vars(self).pop(name, None)

    def save_own_variables(self, store: Any) -> None:
        with keras_private.hidden_variables(self, additions.added_variables(self)):
            super().save_own_variables(store)

    def load_own_variables(self, store: Any) -> None:
        with keras_private.hidden_variables(self, additions.added_variables(self)):
            super().load_own_variables(store)

    def set_balance(self, balance_loss: float | None, bias_update_rate: float | None) -> None:
        """Sets what balances the block; `None` leaves it as it is. See `sparsify`."""
        if bias_update_rate is not None:
            self.bias_update_rate = bias_update_rate
            if self.selection_bias is None:
                bias = SelectionBias(self.num_experts, name="selection_bias")
                additions.add(self, additions.BIAS, bias)
            if self.balance_loss is None:
                self.balance_loss = 0.0
        if balance_loss is not None:
            self.balance_loss = balance_loss

    def rematerialized_call(self, layer_call: Callable, *args: Any, **kwargs: Any) -> Callable:
        """See Keras. What is computed again is so for the same sequences, outside the decoder."""
        sequences = current_sequences()

        @functools.wraps(layer_call)
        def call(*args, **kwargs):
            with running(sequences):
                return layer_call(*args, **kwargs)

        return super().rematerialized_call(call, *args, **kwargs)

    def training_of_call(self) -> bool | None:
        """Returns `training`, for blocks whose `call` does not take it."""
        sequences = current_sequences()
        return keras_private.training_of_call(self) if sequences is None else sequences.training

    def router_weights(self) -> list[keras.Variable]:
        """Returns the weights by which the block routes."""
        raise NotImplementedError

    def weigh(self, logits: Any, index: Any) -> Any:
        """Returns the weights `[N, K]` of selected experts, int `[N, K]`, from logits `[N, E]`."""
        scores = ops.softmax(logits, axis=-1)
        return self.normalized(ops.take_along_axis(scores, index, axis=-1))

    def normalized(self, weight: Any) -> Any:
        """Returns the weights `[N, K]` of a token's experts, as their scores are weighted."""
        raise NotImplementedError

    def scaled(self, weight: Any, index: Any) -> Any:
        """Returns the weights `[N, K]` times the scales that the experts' outputs have."""
        return weight

    def select(self, preference: Any) -> tuple[Any, Any]:
        """Selects experts by their values `[N, E]` and the selection bias.

        Returns:
            The values without the bias, and the experts, both `[N, K]`.
        """
        if self.selection_bias is None:
            return ops.top_k(preference, k=self.experts_per_token)
        bias = ops.convert_to_tensor(self.selection_bias.bias)
        _, index = ops.top_k(ops.cast(preference, "float32") + bias, k=self.experts_per_token)
        return ops.take_along_axis(preference, index, axis=-1), index

    def mix(
        self,
        tokens: Any,
        index: Any,
        weight: Any,
        logits: Any,
        training: bool | None,
        keras_hub_loss: Callable[[], Any] | None = None,
    ) -> Any:
        """Returns the weighted sum of the experts' outputs.

        Args:
            tokens: `[N, D]`.
            index: Int `[N, K]`, the experts of each token.
            weight: Float `[N, K]`, their weights.
            logits: Float `[N, E]`.
            training: Whether the call is part of training.
            keras_hub_loss: Function that returns KerasHub's balance loss, if it has one.

        Returns:
            `[N, D]`, of the tokens' dtype.
        """

        def bank(rows, group_sizes, training=None):
            return self.compute_experts(group_rows(rows, group_sizes)).join()

        index = ops.cast(index, "int32")
        if training or is_hooked():
            index, weight = self._routed(index, weight, logits, training, keras_hub_loss)
        plan = self.dispatcher.plan(index, None, self.num_experts)
        rows = self.dispatcher.compute(bank, tokens, plan)
        return self.dispatcher.combine(rows, plan, self.scaled(weight, index))

    def _routed(self, index, weight, logits, training, keras_hub_loss):
        """Passes the routing to hooks, adds it to losses and statistics, and returns its choice."""
        sequences = current_sequences()
        mask = None if sequences is None else sequences.mask
        routing = {
            "expert_index": index,
            "weight": ops.cast(weight, "float32"),
            "is_open": ops.ones_like(index, dtype="bool"),
            "scores": ops.softmax(ops.cast(logits, "float32"), axis=-1),
            "logits": ops.cast(logits, "float32"),
        }
        if training and keras_hub_loss is not None and self.balance_loss is None:
            routing["keras_hub_loss"] = keras_hub_loss()
        # KerasHub computes padding like any token, and so does the block. No statistic counts it.
        masked = closed_to_padding(routing, mask)
        routing = apply_hooks(self, "router", masked, mask, training)
        if routing is not masked:
            index, weight = routing["expert_index"], ops.cast(routing["weight"], weight.dtype)
        if training:
            load = losses.expert_load(routing["expert_index"], routing["is_open"], self.num_experts)
            examples = 1 if sequences is None else sequences.count
            loss = self.record("router", routing, load, ops.sum(load), mask, examples)
            if loss is not None:
                self.add_loss(loss)
            if self.selection_bias is not None and self.bias_update_rate and self.trainable:
                self.selection_bias.update(load, self.bias_update_rate)
        return index, weight


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
        weight, index = self.select(ops.softmax(logits, axis=-1))

        def keras_hub_loss():
            return _module_of(self).compute_load_balancing_loss(
                router_logits=logits,
                num_experts=self.num_experts,
                top_k=self.top_k,
                attention_mask=attention_mask,
            )

        weight = self.normalized(weight)
        outputs = self.mix(tokens, index, weight, logits, training, keras_hub_loss)
        return ops.reshape(self.add_shared(tokens, outputs), shape), logits

    @property
    def keras_hub_loss_weight(self) -> float:
        return getattr(self, self.loss_weight)

    def router_weights(self):
        return getattr(self, self.router_layer).weights

    def normalized(self, weight):
        if not self.renormalizes:
            return weight
        total = ops.sum(weight, axis=-1, keepdims=True)
        if self.selection_bias is None:
            return weight / total
        # The bias may select experts whose scores have all rounded to 0.
        weight, total = ops.cast(weight, "float32"), ops.cast(total, "float32")
        return ops.cast(divide_by_total(weight, total), self.compute_dtype)

    @property
    def renormalizes(self) -> bool:
        return True

    def compute_experts(self, rows):
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

    def compute_experts(self, rows):
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
        logits = self.router.router_dense(tokens)
        chosen, index = self.select(logits)
        weight = ops.softmax(chosen, axis=-1)
        outputs = self.mix(tokens, index, weight, logits, self.training_of_call())
        one_hot = ops.cast(ops.one_hot(index, self.num_experts), weight.dtype)
        scores = ops.sum(one_hot * ops.expand_dims(weight, axis=-1), axis=1)
        return ops.reshape(outputs, shape), scores

    def router_weights(self):
        return self.router.weights

    def weigh(self, logits, index):
        return ops.softmax(ops.take_along_axis(logits, index, axis=-1), axis=-1)

    def compute_experts(self, rows):
        bank = self.experts

        def gated(interleaved):
            gate = ops.clip(interleaved[..., ::2], -1e9, bank.limit)
            up = ops.clip(interleaved[..., 1::2], -bank.limit, bank.limit)
            return (up + 1) * (gate * ops.sigmoid(gate * bank.alpha))

        hidden = rows.matmul(bank.gate_up_proj).add(bank.gate_up_proj_bias).map(gated)
        return hidden.matmul(bank.down_proj).add(bank.down_proj_bias)


class SparseGemma4Router:
    """Returns logits, where KerasHub's router returns a dense matrix of weights."""

    def call(self, x):
        tokens = ops.reshape(x, (-1, ops.shape(x)[-1]))
        normed = self.rms_norm(tokens)
        normed = normed * ops.cast(self._scalar_root_size, normed.dtype)
        return self.proj(normed * ops.cast(self.per_dim_scale, normed.dtype))


class SparseGemma4(SparseBlock):
    """The bank. The decoder calls the router, whose logits it hands over."""

    def set_router(self, router: keras.layers.Layer) -> None:
        """Takes note of the router, which stays a layer of the decoder, and is saved there."""
        vars(self)["decoder_router"] = weakref.ref(router)

    def become_dense(self):
        super().become_dense()
        vars(self).pop("decoder_router", None)

    @property
    def experts_per_token(self) -> int:
        return self.decoder_router().num_experts_per_token

    def router_weights(self):
        return self.decoder_router().weights

    def call(self, x, dispatch_weights):
        logits = dispatch_weights  # Of `SparseGemma4Router`.
        scores = ops.softmax(ops.cast(logits, "float32"), axis=-1)
        weight, index = self.select(ops.cast(scores, x.dtype))
        weight = self.normalized(weight)
        return self.mix(x, index, weight, logits, self.training_of_call())

    def normalized(self, weight):
        total = ops.sum(weight, axis=-1, keepdims=True)
        return weight / ops.maximum(total, ops.cast(1e-9, weight.dtype))

    def scaled(self, weight, index):
        scale = ops.take(ops.cast(self.per_expert_scale, weight.dtype), index, axis=0)
        return weight * scale

    def compute_experts(self, rows):
        def gated(gate, up):
            gate = keras.activations.gelu(ops.cast(gate, "float32"), approximate=True)
            return ops.cast(gate, up.dtype) * up

        hidden = rows.matmul(self.gate_proj).map(gated, rows.matmul(self.up_proj))
        return hidden.matmul(self.down_proj)


def _module_of(block):
    """The module of KerasHub that the block's class is from."""
    return sys.modules[type(block).dense_class.__module__]
