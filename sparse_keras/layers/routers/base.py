"""Router: logits in float32, padding, and the losses that most routers have."""

import math
from typing import Any

import keras
from keras import ops

from sparse_keras import losses
from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.lora import LoraKernel
from sparse_keras.layers.routers.contract import RouterContract
from sparse_keras.layers.routers.routing import Routing, closed_to_padding
from sparse_keras.layers.tuned_parts import RemembersTuning
from sparse_keras.layers.validation import (
    boolean,
    loss_weight,
    number,
    optional_int,
    positive_int,
)


class Router(RouterContract, LoraKernel, RemembersTuning, keras.layers.Layer):
    """Base class of routers: decides which experts a token goes to, and with what weight.

    A router computes in float32 whatever the dtype policy is, since the rounding of bfloat16 would
    send some tokens to other experts. Padding is routed nowhere.

    A router of your own needs:

    * `route(logits)`, which returns all entries of a routing (see below) but `"logits"`.
    * `experts_per_token`, an attribute or property: the mean number of experts computed per token.
    * `__init__` and `get_config`, if it has arguments, as every Keras layer.

    It may override further methods:

    * `weigh`, which `routing.replay` needs.
    * `compute_logits` and `add_logit_weights`, if logits are not a matmul.
    * `decide`, if the choice depends on more than the logits.
    * `loss_names` and `auxiliary_losses`, if it has losses of its own.

    It declares flags, such as `sees_other_tokens`, if their defaults are not true of it. Its base
    class `RouterContract` documents them, and all that a mixture asks of a router.

    Args:
        num_experts: E. `None` to take it from the layer that owns the router.
        balance_loss: Weight of `losses.load_balance_loss`.
        importance_loss: Weight of `losses.importance_loss`.
        jitter: Half width of multiplicative noise on the router's input in training: each value is
            multiplied by a draw from `[1 - jitter, 1 + jitter]`. The experts never see it.
        use_bias: Whether logits have a bias.
        kernel_initializer: Initializer of the `[D, E]` matrix.
        kernel_regularizer: Regularizer of the matrix.
        seed: Seed of the jitter.

    Call arguments:
        inputs: `[N, D]`.
        mask: Optional bool `[N]`, False for padding.
        training: Whether the call is part of training.

    Returns:
        The routing, a dict:

        * `"expert_index"`: int32 `[N, K]`, the chosen experts.
        * `"weight"`: float32 `[N, K]`, the weight of each; 0 where closed.
        * `"is_open"`: bool `[N, K]`. A closed slot reaches no expert.
        * `"scores"`: float32 `[N, E]`, what the choice was made by.
        * `"logits"`: float32 `[N, E]`.

    With `trainable=False` a router keeps its initial weights: the ablation that shows what learning
    to route is worth.

    Example:

    A router that sends every token to experts 0 and 1:

    >>> class FirstTwoRouter(sparse_keras.layers.Router):
    ...     experts_per_token = 2
    ...
    ...     def route(self, logits):
    ...         scores = keras.ops.softmax(logits, axis=-1)
    ...         index = keras.ops.zeros_like(logits[:, :2], dtype="int32")
    ...         index = index + np.array([0, 1], "int32")
    ...         return {
    ...             "expert_index": index,
    ...             "weight": scores[:, :2],
    ...             "is_open": keras.ops.ones_like(index, dtype="bool"),
    ...             "scores": scores,
    ...         }
    >>> layer = sparse_keras.layers.MixtureOfExperts(
    ...     keras.layers.Dense(4), num_experts=8, router=FirstTwoRouter()
    ... )
    >>> layer(np.ones((5, 16), "float32")).shape
    TensorShape([5, 4])
    """

    def __init__(
        self,
        num_experts: int | None = None,
        balance_loss: float = 0.0,
        importance_loss: float = 0.0,
        jitter: float = 0.0,
        use_bias: bool = False,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs["dtype"] = _float32_policy(kwargs.get("dtype"))
        super().__init__(**kwargs)
        self.num_experts = None
        if num_experts is not None:
            self.set_num_experts(num_experts)
        self.balance_loss = loss_weight("balance_loss", balance_loss)
        self.importance_loss = loss_weight("importance_loss", importance_loss)
        self.jitter = number("jitter", jitter, "[0, 1)")
        self.use_bias = boolean("use_bias", use_bias)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.seed = optional_int("seed", seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        self.supports_masking = True

    def set_num_experts(self, num_experts: int) -> None:
        """Sets E, once. The layer that owns the router does so before the router is built.

        Raises:
            ValueError: If the router was made for another number.
        """
        positive_int("num_experts", num_experts)
        if self.num_experts not in (None, num_experts):
            raise ValueError(
                f"This {type(self).__name__} routes to {self.num_experts} experts. It cannot serve "
                f"a bank of {num_experts}. Received: num_experts={num_experts}."
            )
        self.num_experts = num_experts

    def check_num_experts(self) -> None:
        """Raises a ValueError unless E is known and leaves room for the router's choices."""
        if self.num_experts is None:
            raise ValueError(
                f"{type(self).__name__} does not know the number of experts. Pass `num_experts`, "
                "or use it as the `router` of a MixtureOfExperts."
            )
        for name in ("k", "max_experts"):
            limit = getattr(self, name, None)
            if limit is not None and limit > self.num_experts:
                raise ValueError(
                    f"`{name}` must be at most the number of experts. Received: {name}={limit}, "
                    f"num_experts={self.num_experts}."
                )

    # Weights.

    def build(self, input_shape: tuple) -> None:
        self.check_num_experts()
        self.add_logit_weights(input_shape[-1])
        self.built = True

    def add_logit_weights(self, input_dim: int) -> None:
        """Makes the weights that `compute_logits` needs."""
        self.kernel = self.add_weight(
            name="router_kernel",
            shape=(input_dim, self.num_experts),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        self.bias = self.add_expert_bias() if self.use_bias else None

    def add_expert_bias(self) -> keras.Variable:
        """Makes the bias of the logits."""
        return self.add_weight(name="router_bias", shape=(self.num_experts,), initializer="zeros")

    def add_training_state(
        self, name: str, shape: tuple = (), initializer: Any = "zeros", **kwargs: Any
    ) -> keras.Variable:
        """Makes a weight that only training reads and writes, such as a count of steps.

        It is saved with the model, but is no part of `matrix_params`.
        """
        self._training_state = (*self._training_state, name)
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            trainable=False,
            aggregation="mean",  # Over the replicas of a distribution strategy.
            **kwargs,
        )

    _training_state: tuple[str, ...] = ()

    # The routing.

    def call(self, inputs: Tensor, mask: Tensor = None, training: bool | None = None) -> Routing:
        inputs = self.prepared(inputs, mask, training)
        return closed_to_padding(self.decide(inputs, mask, training), mask)

    def prepared(self, inputs: Tensor, mask: Tensor = None, training: bool | None = None) -> Tensor:
        """Returns the inputs `[N, D]` with zeros for padding, and with jitter in training."""
        if mask is not None:
            # A mixture has done so. A router that is called by itself has not.
            inputs = ops.where(mask[:, None], inputs, ops.zeros_like(inputs))
        if training and self.jitter > 0:
            inputs = inputs * keras.random.uniform(
                ops.shape(inputs),
                1.0 - self.jitter,
                1.0 + self.jitter,
                dtype=inputs.dtype,
                seed=self.seed_generator,
            )
        return inputs

    def decide(self, inputs: Tensor, mask: Tensor = None, training: bool | None = None) -> Routing:
        """Makes the routing of prepared inputs `[N, D]`.

        The slots of padding are closed afterwards. `mask` is for routers that look at several
        tokens together.
        """
        logits = self.compute_logits(inputs)
        return {"logits": logits, **self.route(logits)}

    def compute_logits(self, inputs: Tensor) -> Tensor:
        """Returns the logits `[N, E]` of inputs `[N, D]`, both float32."""
        logits = self.add_lora_update(ops.matmul(inputs, self.kernel), inputs)
        return logits if self.bias is None else logits + self.bias

    def why_no_lora(self) -> str | None:
        if self.built and getattr(self, "kernel", None) is None:
            return "it has no matrix."
        if type(self).compute_logits is not Router.compute_logits:
            return "its logits are not a product of the inputs and one matrix."
        return None

    def route(self, logits: Tensor) -> dict[str, Tensor]:
        """Chooses experts by their logits.

        Args:
            logits: Float32 `[N, E]`.

        Returns:
            The entries `"expert_index"`, `"weight"`, `"is_open"` and `"scores"` of the routing.
        """
        raise NotImplementedError

    def weigh(self, logits: Tensor, expert_index: Tensor, is_open: Tensor) -> Tensor:
        """Weighs experts that were chosen before: `routing.replay` calls it.

        Args:
            logits: Float32 `[N, E]`.
            expert_index: Int32 `[N, K]`, the experts to weigh.
            is_open: Bool `[N, K]`.

        Returns:
            Float32 `[N, K]`, 0 where closed. For the experts that `route(logits)` chooses, these
            are the weights that it returns.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no `weigh`, by which it would weigh experts that were "
            "chosen before."
        )

    # Losses and costs.

    @property
    def loss_names(self) -> tuple[str, ...]:
        return tuple(name for name in ("balance_loss", "importance_loss") if getattr(self, name))

    def auxiliary_losses(
        self, routing: Routing, load: Tensor, mask: Tensor = None
    ) -> dict[str, tuple[Any, Tensor]]:
        pairs = {}
        if self.balance_loss:
            value = losses.load_balance_loss(routing["scores"], load, mask)
            pairs["balance_loss"] = (self.balance_loss, value)
        if self.importance_loss:
            value = losses.importance_loss(
                routing["weight"], routing["expert_index"], self.num_experts
            )
            pairs["importance_loss"] = (self.importance_loss, value)
        return pairs

    def matrix_params(self) -> int:
        return sum(
            math.prod(weight.shape)
            for weight in self.weights
            if weight.name not in self._training_state
        )

    def flops_per_token(self, input_dim: int) -> int:
        return 2 * input_dim * self.num_experts

    # What Keras asks of a layer.

    def compute_output_spec(
        self, inputs: Any, mask: Any = None, training: bool | None = None, **call_arguments: Any
    ) -> Routing:
        tokens = inputs.shape[0]

        def spec(width: int, dtype: str) -> keras.KerasTensor:
            return keras.KerasTensor((tokens, width), dtype=dtype)

        return {
            "expert_index": spec(self.slots, "int32"),
            "weight": spec(self.slots, "float32"),
            "is_open": spec(self.slots, "bool"),
            "scores": spec(self.num_experts, "float32"),
            "logits": spec(self.num_experts, "float32"),
        }

    def compute_mask(self, inputs: Any, previous_mask: Any) -> None:
        return None  # A routing is no longer a sequence.

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_experts": self.num_experts,
            "balance_loss": self.balance_loss,
            "importance_loss": self.importance_loss,
            "jitter": self.jitter,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "seed": self.seed,
        }


def _float32_policy(dtype: Any) -> Any:
    if dtype is None:
        return "float32"
    policy = keras.dtype_policies.get(dtype)
    if policy.compute_dtype not in ("float32", "float64"):
        raise ValueError(
            "A router computes in float32, also in a model of lower precision. Leave `dtype` out. "
            f"Received: dtype={policy.name!r}."
        )
    return policy
