"""ReLURouter: ReLU gates, open where positive, with an adaptive loss that keeps them sparse."""

from typing import Any

import keras
from keras import ops

from sparse_keras import losses
from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.routers.base import Router
from sparse_keras.layers.routers.routing import Routing, open_slots
from sparse_keras.layers.validation import number, optional_positive_int, positive_int

# Weight of one step in the average of open experts, and by how many steps to extrapolate.
_AVERAGING, _LOOK_AHEAD = 0.1, 50.0


@keras.saving.register_keras_serializable(package="sparse_keras")
class ReLURouter(Router):
    """Opens every expert whose ReLU gate is positive.

        gate_e = relu(x @ kernel_e + bias_e)
        expert e is open    if and only if gate_e > 0

    Unlike a top-k choice, the weights are continuous in x. An L1 loss on the gates, weighted by
    each expert's load, closes them; its coefficient adapts in training until a token opens `k`
    experts on average:

        sparsity_loss = mean over tokens of sum_e f_e * gate_e,    f_e = E / (k N) * (tokens of e)
        coefficient  <- coefficient * l1_multiplier    if more than k experts are open on average
                        coefficient / l1_multiplier    otherwise

    The coefficient starts very small, so that the loss has nearly no effect in the first 300 steps.

    The loss closes gates, and only the task opens them again: no gradient reaches a gate that is
    closed for every input. In the paper, the average is that of the step. There, the coefficient
    grows until the target is met, is a thousand times too large by then, and closes most of the
    remaining gates. Here it is a moving average whose trend is extrapolated by 50 steps, so that
    the coefficient falls before the target is met; without a trend, both are the same. The paper's
    multiplier of 1.2 meets the target sooner, and oscillates more around it.

    Args:
        k: Target of the mean number of open experts per token.
        max_experts: Most experts of one token. `None` means all. Set it on JAX and under XLA: there
            shapes cannot depend on data, so that memory and time grow with `max_experts`, however
            few experts are open.
        l1_initial: Initial coefficient.
        l1_multiplier: Factor, above 1, by which a training step changes the coefficient.
        num_experts: E. `None` to take it from the layer that owns the router.
        balance_loss: Weight of the load-balancing loss on the normalised gates.
        importance_loss: Weight of the importance loss.
        jitter: Half width of multiplicative noise on the router's input in training.
        use_bias: Whether gates have a bias. Without one, and with inputs symmetric around 0, half
            of all inputs open a gate whatever its weights are, and no coefficient meets the target.
        kernel_initializer: Initializer of the `[D, E]` matrix.
        kernel_regularizer: Regularizer of the matrix.
        seed: Seed of the jitter.

    Call arguments:
        inputs: `[N, D]`.
        mask: Optional bool `[N]`, False for padding.
        training: Whether the call is part of training, which adapts the coefficient.

    Returns:
        The routing, a dict; see `Router`. `"scores"` holds the gates.

    Example:

    >>> router = sparse_keras.layers.ReLURouter(k=2)
    >>> layer = sparse_keras.layers.MixtureOfExperts(
    ...     keras.layers.Dense(4), num_experts=8, router=router
    ... )
    >>> layer(np.ones((5, 16), "float32")).shape
    TensorShape([5, 4])

    Reference:
        [ReMoE](https://arxiv.org/abs/2412.14711), sections 3.2 to 3.4, with one coefficient for
        each layer, and with the trend.
    """

    def __init__(
        self,
        k: int = 2,
        max_experts: int | None = None,
        l1_initial: float = 1e-8,
        l1_multiplier: float = 1.05,
        num_experts: int | None = None,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_experts=num_experts, use_bias=use_bias, **kwargs)
        self.k = positive_int("k", k)
        self.max_experts = optional_positive_int("max_experts", max_experts)
        if max_experts is not None and max_experts < k:
            raise ValueError(
                "`max_experts` must leave room for the target k. Received: "
                f"max_experts={max_experts}, k={k}."
            )
        self.l1_initial = number("l1_initial", l1_initial, "(0, inf)")
        self.l1_multiplier = number("l1_multiplier", l1_multiplier, "(1, inf)")

    @property
    def experts_per_token(self) -> int:
        return self.k

    @property
    def slots(self) -> int:
        return self.max_experts or self.num_experts

    @property
    def slots_are_experts(self) -> bool:
        return self.slots == self.num_experts

    def build(self, input_shape: tuple) -> None:
        super().build(input_shape)
        constant = keras.initializers.Constant
        self.l1_coefficient = self.add_training_state(
            "router_l1_coefficient", initializer=constant(self.l1_initial)
        )
        # Experts per token, averaged over the last steps. Negative: none yet.
        self.average_open = self.add_training_state(
            "router_average_open", initializer=constant(-1.0)
        )

    def call(self, inputs: Tensor, mask: Tensor = None, training: bool | None = None) -> Routing:
        routing = super().call(inputs, mask=mask, training=training)
        if training and self.trainable:
            self._adapt(routing["scores"], mask)
        return routing

    def route(self, logits: Tensor) -> dict[str, Tensor]:
        gates = ops.relu(logits)
        expert_index, weight, is_open = open_slots(gates, gates > 0, self.slots)
        return {
            "expert_index": expert_index,
            "weight": weight,
            "is_open": is_open,
            "scores": gates,
        }

    def weigh(self, logits: Tensor, expert_index: Tensor, is_open: Tensor) -> Tensor:
        gates = ops.take_along_axis(ops.relu(logits), expert_index, axis=-1)
        return ops.where(is_open, gates, 0.0)

    def _adapt(self, gates: Tensor, mask: Tensor | None) -> None:
        """Moves the coefficient by all gates `[N, E]`, those beyond `max_experts` included, which
        have to close as well.
        """
        opened = losses.masked_mean(ops.sum(ops.cast(gates > 0, "float32"), axis=-1), mask)
        has_tokens = losses.token_count(gates, mask) > 0.0
        stored = ops.convert_to_tensor(self.average_open)
        before = ops.where(stored < 0.0, opened, stored)
        average = before + _AVERAGING * (opened - before)
        expected = average + _LOOK_AHEAD * (average - before)
        factor = ops.where(expected > self.k, self.l1_multiplier, 1.0 / self.l1_multiplier)
        # A step of padding alone, or of nothing, says nothing about the gates.
        self.average_open.assign(ops.where(has_tokens, average, stored))
        factor = ops.where(has_tokens, factor, 1.0)
        # Bounds far from any useful value. They keep a coefficient that has shrunk or grown for
        # thousands of steps inside float32, and near enough to come back.
        self.l1_coefficient.assign(ops.clip(self.l1_coefficient * factor, 1e-12, 1e6))

    def auxiliary_losses(
        self, routing: Routing, load: Tensor, mask: Tensor = None
    ) -> dict[str, tuple[Any, Tensor]]:
        gates = routing["scores"]
        opened = losses.masked_mean(ops.cast(gates > 0, "float32"), mask)
        load_share = opened * (self.num_experts / self.k)
        sparsity = ops.sum(load_share * losses.masked_mean(gates, mask))
        return {
            **super().auxiliary_losses(routing, load, mask),
            "sparsity_loss": (ops.convert_to_tensor(self.l1_coefficient), sparsity),
        }

    @property
    def loss_names(self) -> tuple[str, ...]:
        return (*super().loss_names, "sparsity_loss")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "k": self.k,
            "max_experts": self.max_experts,
            "l1_initial": self.l1_initial,
            "l1_multiplier": self.l1_multiplier,
        }
