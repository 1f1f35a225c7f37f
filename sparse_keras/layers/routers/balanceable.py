"""BalanceableRouter: more ways to balance the load of experts, with losses and without."""

from typing import Any

from sparse_keras import losses
from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.routers.base import Router
from sparse_keras.layers.routers.routing import Routing
from sparse_keras.layers.routers.selection_bias import move_selection_bias
from sparse_keras.layers.validation import loss_weight, optional_number, positive_int

UPDATE_RATE = 0.001  # As in the paper, where 1e-4 is slow and 1e-2 oscillates.


class BalanceableRouter(Router):
    """Base class of routers that can be balanced by further losses, or by a selection bias.

    A subclass that selects by score plus bias creates the bias in its `build`, with
    `add_selection_bias()`. Each training step then moves the bias of every expert against its load:

        bias_e <- bias_e + bias_update_rate * sign(mean load - load_e)

    `load_e` counts the open assignments of the step, without padding and before any is dropped
    because its expert is full. No gradient and no loss are involved. The step itself still selects
    by the old bias. Outside training, or with `trainable=False`, the bias does not change.

    If an optimizer accumulates gradients over n batches, `bias_update_every=n` moves the bias once
    every n batches, by their total load, as if they were one batch. Under a distribution strategy
    the load is that of all replicas, and all have the same bias.

    Args:
        sequence_balance_loss: Weight of `losses.sequence_balance_loss`. The mixture that owns the
            router needs inputs `[batch, time, D]`; each example is a sequence.
        mean_entropy_loss: Weight of `losses.mean_entropy_loss`.
        token_entropy_loss: Weight of `losses.token_entropy_loss`, which does not balance.
        bias_update_rate: How far a step moves the bias; 0 leaves it as it is. `None` means 0.001 if
            there is a bias.
        bias_update_every: Number of training calls between two moves of the bias: the batches that
            an optimizer accumulates, times the calls in a step if the layer is shared.
        **kwargs: Arguments of `Router`.

    Reference:
        [Auxiliary-Loss-Free Load Balancing](https://arxiv.org/abs/2408.15664), algorithm 1;
        [DeepSeek-V3](https://arxiv.org/abs/2412.19437), section 2.1.2.
    """

    def __init__(
        self,
        sequence_balance_loss: float = 0.0,
        mean_entropy_loss: float = 0.0,
        token_entropy_loss: float = 0.0,
        bias_update_rate: float | None = None,
        bias_update_every: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sequence_balance_loss = loss_weight("sequence_balance_loss", sequence_balance_loss)
        self.mean_entropy_loss = loss_weight("mean_entropy_loss", mean_entropy_loss)
        self.token_entropy_loss = loss_weight("token_entropy_loss", token_entropy_loss)
        self.bias_update_rate = optional_number("bias_update_rate", bias_update_rate, "[0, inf)")
        self.bias_update_every = positive_int("bias_update_every", bias_update_every)
        self.selection_bias = None

    @property
    def selects_by_bias(self) -> bool:
        """Whether there is a selection bias."""
        return False

    def check_bias_update(self) -> None:
        """Raises a ValueError if an argument of the bias has no effect.

        Subclasses call it at the end of `__init__`.
        """
        rate = self.bias_update_rate
        if rate is not None and not self.selects_by_bias:
            raise ValueError(
                "`bias_update_rate` moves the selection bias, which a TopKRouter has with "
                f"`select_on='score_plus_bias'`, and no other. Received: bias_update_rate={rate!r}."
            )
        if self.bias_update_every > 1 and not self.bias_step:
            raise ValueError(
                "`bias_update_every` has no effect on a selection bias that is not there, or does "
                f"not move. Received: bias_update_every={self.bias_update_every}."
            )

    @property
    def bias_step(self) -> float:
        """How far a training step moves the bias; 0 if there is none."""
        if not self.selects_by_bias:
            return 0.0
        return UPDATE_RATE if self.bias_update_rate is None else self.bias_update_rate

    def add_selection_bias(self) -> None:
        """Creates the selection bias, and the load that moves it."""
        self.selection_bias = self.add_weight(
            name="router_selection_bias",
            shape=(self.num_experts,),
            initializer="zeros",
            trainable=False,
            aggregation="mean",  # Over replicas, which agree.
        )
        if self.bias_step:
            self._load_since_move = self.add_training_state(
                "router_load_since_move", (self.num_experts + 1,)
            )

    def check_input_shape(self, input_shape: tuple) -> None:
        super().check_input_shape(input_shape)
        if self.needs_sequences and len(input_shape) == 2:
            raise ValueError(
                "`sequence_balance_loss` balances within sequences, and needs inputs [batch, time, "
                "D]. For single rows there is `balance_loss`. Received: "
                f"input_shape={tuple(input_shape)}."
            )

    def call(self, inputs: Tensor, mask: Tensor = None, training: bool | None = None) -> Routing:
        routing = super().call(inputs, mask=mask, training=training)
        if training and self.trainable and self.bias_step:
            self._move_bias(routing)
        return routing

    def _move_bias(self, routing: Routing) -> None:
        load = losses.expert_load(routing["expert_index"], routing["is_open"], self.num_experts)
        move_selection_bias(
            self.selection_bias,
            self._load_since_move,
            load,
            self.bias_step,
            self.bias_update_every,
        )

    @property
    def needs_sequences(self) -> bool:
        return self.sequence_balance_loss > 0

    @property
    def loss_names(self) -> tuple[str, ...]:
        more = ("sequence_balance_loss", "mean_entropy_loss", "token_entropy_loss")
        return (*super().loss_names, *(name for name in more if getattr(self, name)))

    def auxiliary_losses(
        self,
        routing: Routing,
        load: Tensor,
        mask: Tensor = None,
        num_sequences: int | Tensor | None = None,
    ) -> dict[str, tuple[Any, Tensor]]:
        pairs = super().auxiliary_losses(routing, load, mask)
        scores = routing["scores"]
        if self.sequence_balance_loss:
            value = losses.sequence_balance_loss(
                scores, routing["expert_index"], routing["is_open"], num_sequences, mask
            )
            pairs["sequence_balance_loss"] = (self.sequence_balance_loss, value)
        if self.mean_entropy_loss:
            value = losses.mean_entropy_loss(scores, mask)
            pairs["mean_entropy_loss"] = (self.mean_entropy_loss, value)
        if self.token_entropy_loss:
            value = losses.token_entropy_loss(scores, mask)
            pairs["token_entropy_loss"] = (self.token_entropy_loss, value)
        return pairs

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "sequence_balance_loss": self.sequence_balance_loss,
            "mean_entropy_loss": self.mean_entropy_loss,
            "token_entropy_loss": self.token_entropy_loss,
            "bias_update_rate": self.bias_update_rate,
            "bias_update_every": self.bias_update_every,
        }
