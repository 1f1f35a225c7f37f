"""What every router has in common: logits in float32, padding, and the auxiliary losses."""

import inspect

import keras
from keras import ops

from sparse_keras import losses
from sparse_keras.layers.validation import loss_weight, positive_int

# Arguments that change nothing in a router without weights and losses.
_OF_WEIGHTS_OR_LOSSES = (
    "balance_loss",
    "importance_loss",
    "jitter",
    "use_bias",
    "kernel_initializer",
    "kernel_regularizer",
    "seed",
)


class Router(keras.layers.Layer):
    """Base class of routers: decides which experts a token goes to, and with what weight.

    A router computes in float32 whatever the dtype policy is: in bfloat16, one token in a hundred
    would go to other experts. Padding is routed nowhere.

    Subclasses write `route(logits)`, which returns `expert_index`, `weight`, `is_open` and `scores`
    as described below, `experts_per_token` and `get_config()`.

    Args:
        num_experts: E. `None` to learn it from the layer that owns the router.
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

    `always_open` says that `is_open` is True for every token that is not padding, and
    `slots_are_experts` that slot e is expert e: both spare the owner of the router some work. The
    owner adds `auxiliary_losses(...)` to the model's losses, and records each under its name; a
    subclass with losses of its own names them in `loss_names`. `takes_balance_loss` is False where
    a `balance_loss` is refused, as it would change nothing. `sees_other_tokens` says that the
    routing of a token depends on other tokens of its batch or sequence, later ones included;
    `predicts_alone` that it does so in training only. `needs_sequences` says that the losses take
    `num_sequences`, how many examples the tokens are of.

    With `trainable=False` a router stays as it was drawn: the ablation that shows what learning to
    route is worth.
    """

    always_open = False
    slots_are_experts = False
    sees_other_tokens = False
    needs_sequences = False
    takes_balance_loss = True

    def __init__(
        self,
        num_experts=None,
        balance_loss=0.0,
        importance_loss=0.0,
        jitter=0.0,
        use_bias=False,
        kernel_initializer="glorot_uniform",
        kernel_regularizer=None,
        seed=None,
        **kwargs,
    ):
        kwargs["dtype"] = _float32_policy(kwargs.get("dtype"))
        super().__init__(**kwargs)
        self.num_experts = None
        if num_experts is not None:
            self.set_num_experts(num_experts)
        self.balance_loss = loss_weight("balance_loss", balance_loss)
        self.importance_loss = loss_weight("importance_loss", importance_loss)
        if not 0.0 <= jitter < 1.0:
            raise ValueError(f"`jitter` must be in [0, 1). Received: jitter={jitter!r}.")
        self.jitter = jitter
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    @property
    def experts_per_token(self):
        """K as cost counts it: the experts that a token meets, on average if that is known."""
        raise NotImplementedError

    @property
    def predicts_alone(self):
        return not self.sees_other_tokens

    @property
    def slots(self):
        """The width K of the routing, at least `experts_per_token`."""
        return self.experts_per_token

    @property
    def takes_token_ids(self):
        """Whether a call takes `token_ids`, which the owner's caller then gives."""
        return "token_ids" in inspect.signature(self.call).parameters

    def most_open(self, input_shape, training=None):
        """The most assignments that can be open, if it is known to be less than N * K.

        Args:
            input_shape: Shape of the owner's inputs, `[..., D]`, a tuple of integers, or of scalars
                where only a compiler knows them.
            training: As in a call.

        Returns:
            An integer, or such a scalar; or `None`.
        """
        return None

    def balance_advice(self, training):
        """What to do about an uneven load: a sentence, or `None` for what helps most routers.

        Args:
            training: Whether the load is one of training.
        """
        return None

    def set_num_experts(self, num_experts):
        """Tells the router E, once. The layer that owns it does so before it is built.

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

    def call_arguments(self, inputs):
        """More arguments of a call, which its owner takes from its inputs `[..., D]`: a dict."""
        return {}

    def check_input_shape(self, input_shape):
        """Raises a ValueError unless the owner's inputs `[..., D]` have a shape to route."""

    def check_num_experts(self):
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

    def build(self, input_shape):
        self.check_num_experts()
        self.add_logit_weights(input_shape[-1])
        self.built = True

    def add_logit_weights(self, input_dim):
        """Makes the weights that `compute_logits` needs."""
        self.kernel = self.add_weight(
            name="router_kernel",
            shape=(input_dim, self.num_experts),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        self.add_bias()

    def add_bias(self):
        """Makes the bias of the logits, if there is one."""
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="router_bias", shape=(self.num_experts,), initializer="zeros"
            )

    def call(self, inputs, mask=None, training=None):
        inputs = self.jittered(inputs, mask, training)
        return closed_to_padding(self.decide(inputs, training), mask)

    def jittered(self, inputs, mask=None, training=None):
        """The inputs with zeros for padding, and jitter in training."""
        if mask is not None:
            # As its owner does: a router is a layer of its own, too.
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

    def decide(self, inputs, training=None):
        """The routing of inputs `[N, D]`, as if none were padding."""
        logits = self.compute_logits(inputs)
        return {"logits": logits, **self.route(logits)}

    def noisy_logits(self, inputs, mask=None, training=None):
        """The logits `[N, E]`, from inputs with zeros for padding, and jitter in training."""
        return self.compute_logits(self.jittered(inputs, mask, training))

    def compute_logits(self, inputs):
        """The logits `[N, E]` of inputs `[N, D]`, both float32."""
        logits = ops.matmul(inputs, self.kernel)
        return logits if self.bias is None else logits + self.bias

    def route(self, logits):
        """Chooses experts by their logits, float32 `[N, E]`."""
        raise NotImplementedError

    def weigh(self, logits, expert_index, is_open):
        """The weights of experts that were chosen before: what `routing.replay` asks for.

        Args:
            logits: Float32 `[N, E]`.
            expert_index: Int32 `[N, K]`, the experts whose weights are wanted.
            is_open: Bool `[N, K]`.

        Returns:
            Float32 `[N, K]`, 0 where closed. For what `route(logits)` chooses it is the weight that
            it gives.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no `weigh`, by which it would weigh experts that were "
            "chosen before."
        )

    @property
    def loss_names(self):
        """Names of the losses that `auxiliary_losses` returns, under which they are recorded."""
        return tuple(name for name in ("balance_loss", "importance_loss") if getattr(self, name))

    def auxiliary_losses(self, routing, load, mask=None):
        """The losses this router asks for, in training.

        Args:
            routing: What the router returned.
            load: Float32 `[E]`, open assignments of each expert.
            mask: Optional bool `[N]`, False for padding.

        Returns:
            Dict from a loss's name to the pair (weight, unweighted float32 scalar). Losses of
            weight 0 are left out.
        """
        found = {}
        if self.balance_loss:
            value = losses.load_balance_loss(routing["scores"], load, mask)
            found["balance_loss"] = (self.balance_loss, value)
        if self.importance_loss:
            value = losses.importance_loss(
                routing["weight"], routing["expert_index"], self.num_experts
            )
            found["importance_loss"] = (self.importance_loss, value)
        return found

    def matrix_params(self):
        """The number of weights that make routings of inputs."""
        return self.logit_params()

    def logit_params(self):
        """The number of weights that make logits of inputs."""
        return (self.kernel.shape[0] + self.use_bias) * self.num_experts

    def flops_per_token(self, input_dim):
        """Multiplications and additions of the router's matmul for one token."""
        return 2 * input_dim * self.num_experts

    def compute_output_spec(self, inputs, mask=None, training=None):
        tokens = inputs.shape[0]

        def spec(width, dtype):
            return keras.KerasTensor((tokens, width), dtype=dtype)

        return {
            "expert_index": spec(self.slots, "int32"),
            "weight": spec(self.slots, "float32"),
            "is_open": spec(self.slots, "bool"),
            "scores": spec(self.num_experts, "float32"),
            "logits": spec(self.num_experts, "float32"),
        }

    def compute_mask(self, inputs, previous_mask):
        return None  # A routing is no longer a sequence.

    def get_config(self):
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


def closed_to_padding(routing, mask):
    """A routing with all slots of padding closed."""
    if mask is None:
        return routing
    is_open = ops.logical_and(routing["is_open"], mask[:, None])
    weight = ops.where(is_open, routing["weight"], 0.0)
    return {**routing, "is_open": is_open, "weight": weight}


def open_slots(gates, is_open, max_experts):
    """The routing of a router that opens any number of experts: K slots, some of them closed.

    Args:
        gates: Float32 `[N, E]`, the weight of each expert where it is open.
        is_open: Bool `[N, E]`.
        max_experts: K. Of more open experts, those with the largest gates stay.
    """
    num_experts = gates.shape[-1]
    gates = ops.where(is_open, gates, ops.zeros_like(gates))
    if max_experts < num_experts:
        weight, expert_index = ops.top_k(gates, max_experts)
        return ops.cast(expert_index, "int32"), weight, weight > 0
    return every_slot(gates)["expert_index"], gates, is_open


def divide_by_total(weight, total):
    """The weights `[N, K]` divided by a total `[N, 1]` that may have rounded to 0.

    It has where something else than the scores has chosen. The gradient divides by the square of
    the floor, which must not round to 0 in its turn.
    """
    return weight / ops.maximum(total, 1e-18)


def every_slot(weight):
    """The routing of a router that opens every expert, in slots 0 to E - 1.

    Args:
        weight: Float32 `[N, E]`, the weight of each expert.
    """
    expert_index = ops.arange(weight.shape[-1], dtype="int32")[None]
    return {
        "expert_index": ops.broadcast_to(expert_index, ops.shape(weight)),
        "weight": weight,
        "is_open": ops.ones_like(weight, dtype="bool"),
    }


def refuse_what_has_no_effect(router, when="", kept=()):
    """Raises a ValueError if a router without weights was given arguments of those with weights.

    Args:
        router: The router.
        when: What makes it one without weights, for the error message.
        kept: Names of arguments that have an effect nevertheless.
    """
    given, plain = Router.get_config(router), Router().get_config()
    names = [name for name in _OF_WEIGHTS_OR_LOSSES if name not in kept]
    changed = [f"{name}={given[name]!r}" for name in names if given[name] != plain[name]]
    if changed:
        kind = f"{type(router).__name__} {when}".strip()
        raise ValueError(
            f"A {kind} has no weights and no losses. Leave out what has no effect. Received: "
            f"{', '.join(changed)}."
        )


def refuse(router, conflicts):
    """Raises a ValueError at the first of `(argument, reason)`, as `token_choice` yields them."""
    for name, reason in conflicts:
        names = dict.fromkeys((name, "k"))
        received = ", ".join(f"{one}={getattr(router, one)!r}" for one in names)
        raise ValueError(f"`{name}`: {reason}. Received: {received}.")


def _float32_policy(dtype):
    if dtype is None:
        return "float32"
    policy = keras.dtype_policies.get(dtype)
    if policy.compute_dtype not in ("float32", "float64"):
        raise ValueError(
            "A router computes in float32, also in a model of lower precision. Leave `dtype` out. "
            f"Received: dtype={policy.name!r}."
        )
    return policy
