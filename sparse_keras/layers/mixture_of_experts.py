"""MixtureOfExperts: router, dispatch, experts, combine. Nothing else."""

import inspect
import math
import weakref

import keras
from keras import ops

from sparse_keras import losses
from sparse_keras.layers import identifiers, statistics
from sparse_keras.layers.experts import EXPERTS, DenseExperts, Experts
from sparse_keras.layers.routers import ROUTERS, Router
from sparse_keras.ops import combine, dispatch, expert_capacity, sort_by_expert
from sparse_keras.ops.sparse import is_any_sparse


@keras.saving.register_keras_serializable(package="sparse_keras")
class MixtureOfExperts(keras.layers.Layer):
    """Sends each token to a few of many experts, and adds up what they return.

        y = sum over the experts e chosen for x of weight_e * expert_e(x)    [+ shared_expert(x)]

    Only the chosen experts are computed: the cost grows with K, not with E. By default no
    assignment is ever dropped, and one token's output does not depend on the others.

    Args:
        experts: What is computed. An expert bank such as `MLPExperts(num_experts=8,
            hidden_dim=256)`, which computes in its own dtype policy, or a `keras.layers.Dense` as
            the template of every expert.
        num_experts: E. Needed with a template; a bank knows its own.
        k: K, experts per token, for a router that has a `k`. Default 2.
        router: Who goes where. A router, or the name of one: `"top_k"` (the default),
            `"threshold"`, `"relu"`.
        shared_expert: Optional Keras layer that every token passes through; its output is added.
            It gets zeros for padding, and the mask if it takes one.
        capacity_factor: `None` for no limit, or the limit in training: an expert takes at most
            `ceil(capacity_factor * N * K / E)` assignments, N * K being the open assignments of
            all tokens that are not padding. Later choices are dropped before first choices, then
            later tokens before earlier ones. A dropped assignment contributes nothing.
        eval_capacity_factor: The same outside training. `None`, the default, drops nothing there.

    Call arguments:
        inputs: Tensor `[..., D]` of rank 2, 3 or 4. All axes but the last are tokens.
        mask: Optional bool tensor with the leading axes of `inputs` (or the first of them). Tokens
            where it is False are padding: they are routed nowhere, count in no loss, statistic or
            capacity, and get zeros from the routed experts.
        training: Whether the call is part of training. Auxiliary losses are added and statistics
            updated only then.
        return_routing: Whether to return the routing as well.

    Output shape:
        The shape of `inputs` with the experts' width as last axis. With `return_routing=True` the
        pair of it and a dict, its first axis the N tokens in the order of the flattened input:
        `"expert_index"` int32 `[N, K]`, `"weight"` float32 `[N, K]` (0 where closed or padding),
        `"is_open"` bool `[N, K]` (False where closed, padding or dropped), `"scores"` and
        `"logits"` float32 `[N, E]`.

    Raises:
        ValueError: If `experts` is neither a bank nor a `Dense`, if numbers of experts disagree, if
            k exceeds E, if the input is sparse, or if the rank of the input is not 2, 3 or 4.

    Example:

    >>> layer = sparse_keras.layers.MixtureOfExperts(
    ...     keras.layers.Dense(64, activation="relu"), num_experts=16, k=2
    ... )
    >>> layer(np.ones((32, 100), "float32")).shape
    TensorShape([32, 64])

    With a bank, a router of its own and a shared expert:

    >>> layer = sparse_keras.layers.MixtureOfExperts(
    ...     sparse_keras.layers.MLPExperts(num_experts=8, hidden_dim=256),
    ...     router=sparse_keras.layers.TopKRouter(k=2, balance_loss=0.01),
    ...     shared_expert=keras.layers.Dense(64),
    ... )
    >>> layer(np.ones((4, 10, 64), "float32")).shape
    TensorShape([4, 10, 64])

    Reference:
        [Outrageously Large Neural Networks](https://arxiv.org/abs/1701.06538).
    """

    def __init__(
        self,
        experts,
        num_experts=None,
        k=None,
        router=None,
        shared_expert=None,
        capacity_factor=None,
        eval_capacity_factor=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.router = _router(router, k)
        self.experts = _bank(experts, num_experts, kwargs.get("dtype"))
        self.num_experts = self.experts.num_experts
        self.router.set_num_experts(self.num_experts)
        self.k = getattr(self.router, "k", None)
        if shared_expert is not None and not isinstance(shared_expert, keras.layers.Layer):
            raise ValueError(f"`shared_expert` must be a Keras layer. Received: {shared_expert!r}.")
        self.shared_expert = shared_expert
        self.capacity_factor = _capacity_factor("capacity_factor", capacity_factor)
        self.eval_capacity_factor = _capacity_factor("eval_capacity_factor", eval_capacity_factor)
        self.supports_masking = True
        _claim(self.router, self.experts, self.shared_expert)

    def build(self, input_shape):
        if len(input_shape) not in (2, 3, 4):
            raise ValueError(
                "MixtureOfExperts expects inputs of rank 2, 3 or 4, [..., D]. Received: "
                f"input_shape={tuple(input_shape)}."
            )
        if input_shape[-1] is None:
            raise ValueError(
                "MixtureOfExperts needs a static last axis. Received: "
                f"input_shape={tuple(input_shape)}."
            )
        tokens_shape = (None, input_shape[-1])
        if not self.router.built:
            self.router.build(tokens_shape)
        if not self.experts.built:
            self.experts.build(tokens_shape)
        if self.shared_expert is not None:
            if not self.shared_expert.built:
                self.shared_expert.build(input_shape)
            shared_shape = tuple(self.shared_expert.compute_output_shape(input_shape))
            if shared_shape[-1] != self._output_width(input_shape):
                raise ValueError(
                    "`shared_expert` must have the experts' output width, "
                    f"{self._output_width(input_shape)}. Received: output shape {shared_shape}."
                )
        self.input_spec = keras.layers.InputSpec(min_ndim=2, max_ndim=4, axes={-1: input_shape[-1]})
        self.statistics = self.add_weight(
            name="statistics",
            shape=(statistics.width(self.num_experts),),
            initializer="zeros",
            dtype="float32",
            trainable=False,
            autocast=False,
            # Over replicas, under a distribution strategy. (A sum would also count the old value
            # once for each replica; what is read from the statistics are ratios.)
            aggregation="mean",
        )
        self.built = True

    def __call__(self, inputs, *args, **kwargs):
        if is_any_sparse(inputs):
            raise ValueError(
                "MixtureOfExperts takes dense inputs: its experts multiply whole rows. Received: "
                f"a sparse {type(inputs).__name__} of shape {tuple(inputs.shape)}. Put "
                "layers.SparseProjection(units) before it, which takes sparse ones."
            )
        return super().__call__(inputs, *args, **kwargs)

    def call(self, inputs, mask=None, training=None, return_routing=False):
        if not keras.backend.is_float_dtype(inputs.dtype):  # Keras casts only floats by itself.
            inputs = ops.cast(inputs, self.compute_dtype)
        tokens = ops.reshape(inputs, (-1, inputs.shape[-1]))
        token_mask = None
        if mask is not None:
            token_mask = _token_mask(mask, inputs)
            # Padding may hold anything, NaN included. Zeros keep it out of every gradient.
            tokens = ops.where(token_mask[:, None], tokens, ops.zeros_like(tokens))

        routing = self.router(tokens, mask=token_mask, training=training)
        plan = sort_by_expert(
            routing["expert_index"],
            None if self.router.always_open and mask is None else routing["is_open"],
            self.num_experts,
            capacity=self._capacity(routing["is_open"], training),
        )
        rows = dispatch(tokens, plan)
        rows = self.experts(rows, plan["group_sizes"], training=training)
        outputs = combine(rows, plan, routing["weight"])
        outputs = ops.reshape(outputs, (*ops.shape(inputs)[:-1], outputs.shape[-1]))
        outputs = ops.cast(outputs, self.compute_dtype)

        if self.shared_expert is not None:
            shared = self._shared(ops.reshape(tokens, ops.shape(inputs)), mask)
            outputs = outputs + ops.cast(shared, self.compute_dtype)
        if training:
            self._record(inputs, routing, plan, token_mask)
        if return_routing:
            is_open = routing["is_open"] if plan["kept"] is None else ops.transpose(plan["kept"])
            return outputs, {**routing, "is_open": is_open}
        return outputs

    def _shared(self, inputs, mask):
        takes_mask = "mask" in inspect.signature(self.shared_expert.call).parameters
        return self.shared_expert(inputs, **({"mask": mask} if takes_mask else {}))

    def _capacity(self, is_open, training):
        factor = self.capacity_factor if training else self.eval_capacity_factor
        if factor is None:
            return None
        assignments = ops.sum(ops.cast(is_open, "int32"))
        return expert_capacity(factor, assignments, self.num_experts)

    def _record(self, inputs, routing, plan, mask):
        """Adds the auxiliary losses and this step's statistics."""
        load = ops.cast(plan["load"], "float32")
        found = self.router.auxiliary_losses(routing, load, mask)
        total = sum(weight * value for weight, value in found.values())
        if found:
            self.add_loss(total)

        examples = ops.cast(ops.shape(inputs)[0], "float32")
        tokens = losses.token_count(routing["scores"], mask)
        entropy = losses.masked_mean(statistics.token_entropy(routing["scores"]), mask) * tokens
        sums = {
            "tokens": tokens,
            "kept": ops.sum(plan["group_sizes"]),
            "entropy": entropy,
            "calls": 1.0,
            "examples": examples,
            "aux_loss": total * examples,
            **{name: value * examples for name, (_, value) in found.items()},
        }
        self.statistics.assign_add(ops.stop_gradient(statistics.vector(load, sums)))

    def reset_statistics(self):
        """Forgets the routing recorded so far."""
        if not self.built:
            return  # Nothing was recorded yet.
        self.statistics.assign(ops.zeros(self.statistics.shape, "float32"))

    def routing_statistics(self):
        """What was recorded in training since the last reset, as `statistics.summarize` says.

        `callbacks.ExpertLoad` resets it at the start of each epoch.
        """
        return statistics.summarize(ops.convert_to_numpy(self.statistics))

    def _output_width(self, input_shape):
        return self.experts.output_width(input_shape[-1])

    def flops_per_token(self, input_dim):
        """Multiplications and additions of the matmuls that one token meets, without the shared
        expert."""
        return self.router.flops_per_token(
            input_dim
        ) + self.router.experts_per_token * self.experts.flops_per_row(input_dim)

    def total_params(self):
        """The number of weights, without what is remembered of the routing."""
        return self._params_beside_experts() + self.experts.count_params()

    def active_params(self):
        """The number of weights that one token meets."""
        active = self.experts.active_params(self.router.experts_per_token)
        return self._params_beside_experts() + active

    def _params_beside_experts(self):
        shared = self.shared_expert.count_params() if self.shared_expert is not None else 0
        return self.router.matrix_params() + shared

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self._output_width(input_shape))

    def compute_output_spec(self, inputs, mask=None, training=None, return_routing=False):
        outputs = keras.KerasTensor(
            self.compute_output_shape(inputs.shape), dtype=self.compute_dtype
        )
        if not return_routing:
            return outputs
        leading = inputs.shape[:-1]
        tokens = None if None in leading else math.prod(leading)
        flat = keras.KerasTensor((tokens, inputs.shape[-1]), dtype=self.compute_dtype)
        return outputs, self.router.compute_output_spec(flat)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "experts": serialize(self.experts),
            "num_experts": self.num_experts,
            "k": self.k,
            "router": serialize(self.router),
            "shared_expert": None if self.shared_expert is None else serialize(self.shared_expert),
            "capacity_factor": self.capacity_factor,
            "eval_capacity_factor": self.eval_capacity_factor,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in ("experts", "router", "shared_expert"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return super().from_config(config)


def mixtures(model):
    """All MixtureOfExperts layers of a model, however deep."""
    return [
        layer
        for layer in model._flatten_layers(include_self=True, recursive=True)
        if isinstance(layer, MixtureOfExperts)
    ]


# The parts of all layers there are.
_OWNED = weakref.WeakSet()


def _claim(*parts):
    """Refuses parts that another layer owns: Keras saves such a model, but cannot load it."""
    parts = [part for part in parts if part is not None]
    for part in parts:
        if part in _OWNED:
            raise ValueError(
                f"{part.name!r} is already part of another MixtureOfExperts. Give each its own."
            )
    _OWNED.update(parts)


def _bank(experts, num_experts, dtype):
    """The bank that `experts` is, names, or is the template of."""
    if isinstance(experts, (str, dict)):
        experts = identifiers.get(experts, EXPERTS, Experts, "an expert bank", dtype=dtype)
    if isinstance(experts, Experts):
        if num_experts not in (None, experts.num_experts):
            raise ValueError(
                f"The bank {experts.name!r} has {experts.num_experts} experts. Received: "
                f"num_experts={num_experts}."
            )
        return experts
    if type(experts) is keras.layers.Dense:
        if num_experts is None:
            raise ValueError(
                "A template needs `num_experts`, such as MixtureOfExperts(keras.layers.Dense(64), "
                "num_experts=16)."
            )
        return _bank_of_dense(experts, num_experts, dtype)
    raise ValueError(
        "`experts` must be an expert bank ("
        + ", ".join(bank.__name__ for bank in EXPERTS.values())
        + f") or a keras.layers.Dense as template. Received: {experts!r}."
    )


def _bank_of_dense(template, num_experts, dtype):
    unsupported = [
        name
        for name in ("activity_regularizer", "lora_rank", "quantization_config")
        if getattr(template, name, None) is not None
    ]
    if unsupported:
        raise ValueError(
            f"A Dense with {' and '.join(unsupported)} cannot be the template of experts."
        )
    if template.built:
        raise ValueError(
            f"The template {template.name!r} is built already; every expert starts from weights of "
            "its own. Pass a new Dense."
        )
    names = ("units", "activation", "use_bias", "trainable")
    parts = ("kernel", "bias")
    kinds = ("initializer", "regularizer", "constraint")
    names += tuple(f"{part}_{kind}" for part in parts for kind in kinds)
    return DenseExperts(
        num_experts,
        dtype=dtype or template.dtype_policy,
        **{name: getattr(template, name) for name in names},
    )


def _router(router, k):
    router = "top_k" if router is None else router
    if isinstance(router, str) and k is not None:
        router = {"type": router, "k": k}
    router = identifiers.get(router, ROUTERS, Router, "a router")
    if k not in (None, getattr(router, "k", None)):
        raise ValueError(
            f"`k` and the router disagree. Received: k={k}, and a {type(router).__name__} with "
            f"k={getattr(router, 'k', None)}."
        )
    return router


def _token_mask(mask, inputs):
    """The mask as bool `[N]`, repeated over leading axes that it lacks."""
    leading = ops.shape(inputs)[:-1]
    mask = ops.cast(mask, "bool")
    pairs = zip(mask.shape, inputs.shape[:-1], strict=False)
    fits = all(a == b or None in (a, b) for a, b in pairs)
    if not fits or not 1 <= len(mask.shape) <= len(leading):
        raise ValueError(
            "`mask` must have the leading axes of `inputs`, or the first of them. Received: mask "
            f"{tuple(mask.shape)}, inputs {tuple(inputs.shape)}."
        )
    mask = ops.reshape(mask, (*ops.shape(mask), *(1 for _ in leading[len(mask.shape) :])))
    return ops.reshape(ops.broadcast_to(mask, leading), (-1,))


def _capacity_factor(name, value):
    if value is not None and not 0.0 < value < float("inf"):
        raise ValueError(f"`{name}` must be None or a positive number. Received: {value!r}.")
    return value
