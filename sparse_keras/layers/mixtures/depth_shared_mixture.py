"""DepthSharedMixtureOfExperts: one bank of experts for several depths of a model."""

from typing import Any

import keras

from sparse_keras.layers.mixtures.mixture_of_experts import MixtureOfExperts
from sparse_keras.layers.mixtures.resolve import resolve_bank, resolve_router, with_own_seeds
from sparse_keras.layers.ownership import ExclusiveOwner
from sparse_keras.layers.validation import positive_int


@keras.saving.register_keras_serializable(package="sparse_keras")
class DepthSharedMixtureOfExperts(ExclusiveOwner):
    """Uses the same experts at several depths, with one router for each depth.

        y_l = sum over the experts e chosen by router l for x of weight_l,e * expert_e(x)

    A model calls the layer once for each depth, with other layers between the calls. The experts'
    weights exist once, are saved once and get the gradients of all depths. Each depth has its own
    router, losses and statistics. (Keras would save one bank in two `MixtureOfExperts` as one, and
    load it as two.)

    Args:
        experts: An expert bank, the name of one, or a Keras layer as template; see
            `MixtureOfExperts`. The inputs of all depths have the same width.
        num_depths: L, the number of depths.
        num_experts: E. Required with a template.
        router: The name of a router, or a dict with that name under `"type"`, from which each depth
            gets a router of its own; or a list of L routers.
        shared_expert: Optional Keras layer that computes every token at each depth.
        capacity_factor: Limit on each expert's load in training, at each depth separately; see
            `MixtureOfExperts`.
        eval_capacity_factor: The same outside training.
        drop_order: Which assignments are dropped above the limit; see `MixtureOfExperts`.

    Call arguments:
        inputs: Tensor `[..., D]` of rank 2, 3 or 4.
        depth: The depth of this call, an integer from 0 to L - 1.
        mask: Optional bool tensor with the leading axes of `inputs`; see `MixtureOfExperts`.
        training: Whether the call is part of training.
        return_routing: Whether to return the routing as well.

    Output shape:
        That of a `MixtureOfExperts`.

    Raises:
        ValueError: If `depth` is out of range, or if the number of routers is not L.

    Example:

    >>> experts = sparse_keras.layers.MLPExperts(num_experts=8, hidden_dim=32)
    >>> layer = sparse_keras.layers.DepthSharedMixtureOfExperts(experts, num_depths=2)
    >>> inputs = keras.Input((16,))
    >>> x = layer(inputs, depth=0)
    >>> x = layer(x + inputs, depth=1)
    >>> model = keras.Model(inputs, x)
    >>> [mixture.name for mixture in layer.mixtures]
    ['depth0', 'depth1']

    Reference:
        [Go Wider Instead of Deeper](https://arxiv.org/abs/2107.11817) shares experts, and the
        router, across depth; [MoEUT](https://arxiv.org/abs/2405.16039).
    """

    def __init__(
        self,
        experts: Any,
        num_depths: int,
        num_experts: int | None = None,
        router: Any = None,
        shared_expert: keras.layers.Layer | None = None,
        capacity_factor: float | None = None,
        eval_capacity_factor: float | None = None,
        drop_order: str = "position",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_depths = positive_int("num_depths", num_depths)
        self.experts = resolve_bank(experts, num_experts, kwargs.get("dtype"))
        self.num_experts = self.experts.num_experts
        if isinstance(router, (list, tuple)):
            if len(router) != self.num_depths:
                raise ValueError(
                    f"`router` must have one router for each of {self.num_depths} depths. "
                    f"Received: a list of {len(router)}."
                )
            self.router = [resolve_router(part, None) for part in router]
        elif isinstance(router, keras.layers.Layer):
            raise ValueError(
                "Each depth has a router of its own. Pass a name, a dict with a name under 'type', "
                f"or a list of {self.num_depths} routers. Received: {router!r}."
            )
        else:
            self.router = [
                resolve_router(with_own_seeds(router, f"depth_{n}"), None)
                for n in range(self.num_depths)
            ]
        self.shared_expert = shared_expert
        self.capacity_factor = capacity_factor
        self.eval_capacity_factor = eval_capacity_factor
        self.drop_order = drop_order
        self.mixtures = [
            _AtDepth(
                self.experts,
                router=router,
                shared_expert=shared_expert,
                capacity_factor=capacity_factor,
                eval_capacity_factor=eval_capacity_factor,
                drop_order=drop_order,
                name=f"depth{n}",
                dtype=self.dtype_policy,
            )
            for n, router in enumerate(self.router)
        ]
        self.supports_masking = True
        self.own(self.experts, shared_expert)

    def build(self, input_shape: Any) -> None:
        # Built here, so that their weights are named after this layer, not after the first depth.
        self.mixtures[0].build_experts(input_shape)
        for mixture in self.mixtures:
            mixture.build(input_shape)
        self.built = True

    def call(
        self,
        inputs: Any,
        depth: int,
        mask: Any = None,
        training: bool | None = None,
        return_routing: bool = False,
        token_ids: Any = None,
    ) -> Any:
        return self.at(depth)(
            inputs,
            mask=mask,
            training=training,
            return_routing=return_routing,
            **({} if token_ids is None else {"token_ids": token_ids}),
        )

    def at(self, depth: int) -> MixtureOfExperts:
        """Returns the mixture of one depth.

        Raises:
            ValueError: If there is no such depth.
        """
        if (
            isinstance(depth, bool)
            or not isinstance(depth, int)
            or not 0 <= depth < self.num_depths
        ):
            raise ValueError(
                f"`depth` must be an integer from 0 to {self.num_depths - 1}. Received: "
                f"depth={depth!r}."
            )
        return self.mixtures[depth]

    def total_params(self) -> int:
        """Counts the weights, without the statistics of the routing."""
        return self._params_beside_experts() + self.experts.count_params()

    def active_params(self) -> int:
        """Counts the weights that one token uses at most, at all depths together."""
        most = sum(router.experts_per_token for router in self.router)
        return self._params_beside_experts() + self.experts.active_params(
            min(self.num_experts, most)
        )

    def _params_beside_experts(self) -> int:
        shared = self.shared_expert.count_params() if self.shared_expert is not None else 0
        return shared + sum(router.matrix_params() for router in self.router)

    def compute_output_shape(self, input_shape: Any, depth: int = 0) -> Any:
        return self.mixtures[0].compute_output_shape(input_shape)

    def compute_output_spec(
        self,
        inputs: Any,
        depth: int,
        mask: Any = None,
        training: bool | None = None,
        return_routing: bool = False,
        token_ids: Any = None,
    ) -> Any:
        return self.at(depth).compute_output_spec(inputs, mask, training, return_routing)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        return self.mixtures[0].compute_mask(inputs, previous_mask)

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "experts": serialize(self.experts),
            "num_depths": self.num_depths,
            "num_experts": self.num_experts,
            "router": [serialize(router) for router in self.router],
            "shared_expert": None if self.shared_expert is None else serialize(self.shared_expert),
            "capacity_factor": self.capacity_factor,
            "eval_capacity_factor": self.eval_capacity_factor,
            "drop_order": self.drop_order,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "DepthSharedMixtureOfExperts":
        deserialize = keras.saving.deserialize_keras_object
        return cls(
            **{
                **config,
                "experts": deserialize(config["experts"]),
                "router": [deserialize(router) for router in config["router"]],
                "shared_expert": deserialize(config["shared_expert"]),
            }
        )


class _AtDepth(MixtureOfExperts):
    """The mixture at one depth. Its experts and its shared expert belong to its owner."""

    def exclusive_sublayers(self) -> tuple[keras.layers.Layer | None, ...]:
        return (self.router,)
