"""RouterContract: what a mixture asks of its router, with defaults that hold for most routers."""

from typing import Any

# The methods that make a routing, and the flags that promise something about it.
_CHOOSING = ("call", "decide", "route")
_PROMISES = ("always_open", "slots_are_experts")


class RouterContract:
    """What a mixture asks of its router, besides a routing.

    The defaults suit a router that looks at each token by itself and has no losses. A router writes
    `experts_per_token`, and declares or overrides what differs.

    Two flags are promises that spare work. They stand in the class that makes the choice (the one
    that defines `route`, `decide` or `call`), and hold for that choice alone: in a subclass that
    overrides one of these methods they are False unless it declares them itself.

    Attributes:
        always_open: True if every slot is open, except those of padding. May be a property.
        slots_are_experts: True if slot e always holds expert e, so that K = E. May be a property.
        sees_other_tokens: True if the routing of a token depends on what other tokens of its batch
            or sequence hold, later ones included. Such a router lets causal models see the future.
        takes_balance_loss: False if a `balance_loss` is refused because it would change nothing.
        takes_token_ids: True if a call takes `token_ids`, int `[N]`.
        needs_sequences: True if `auxiliary_losses` takes `num_sequences`, the number of examples
            that the N tokens come from. May be a property.
    """

    always_open = False
    slots_are_experts = False
    sees_other_tokens = False
    takes_balance_loss = True
    takes_token_ids = False
    needs_sequences = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        chooses = min(_definer(cls, method) for method in _CHOOSING)
        for promise in _PROMISES:
            if _definer(cls, promise) > chooses:
                setattr(cls, promise, False)

    @property
    def kind(self) -> str:
        """The name of this kind of router in reports."""
        return type(self).__name__

    @property
    def predicts_alone(self) -> bool:
        """Whether, outside training, a token gets the same routing alone as beside other tokens."""
        return not self.sees_other_tokens

    @property
    def experts_per_token(self) -> float:
        """Mean number of experts computed per token; used for FLOPs."""
        raise NotImplementedError

    @property
    def slots(self) -> int:
        """K, the number of slots of a token; at least `experts_per_token`."""
        return self.experts_per_token

    def most_open(self, input_shape: tuple, training: bool | None = None) -> Any:
        """Returns a bound on the number of open slots, if one below N * K is known.

        Args:
            input_shape: Shape of the mixture's inputs, `[..., D]`: integers, or scalar tensors
                where a dimension is not known until the call.
            training: Whether the call is part of training.

        Returns:
            An integer, a scalar tensor, or `None`.
        """
        return None

    def call_arguments(self, inputs: Any) -> dict[str, Any]:
        """Returns further arguments of a call of the router.

        Args:
            inputs: The mixture's inputs, `[..., D]`.

        Returns:
            A dict. A router with `takes_token_ids` gets `token_ids` as a second argument, with the
            leading axes of the inputs, and returns them flattened.
        """
        return {}

    def check_input_shape(self, input_shape: tuple) -> None:
        """Raises a ValueError if the router cannot route the mixture's inputs `[..., D]`."""

    def balance_advice(self, training: bool) -> str | None:
        """Returns a sentence on how to make the load more even.

        Args:
            training: Whether the uneven load was seen in training.

        Returns:
            A sentence, or `None` for what helps most routers: a larger `balance_loss`.
        """
        return None

    @property
    def loss_names(self) -> tuple[str, ...]:
        """Names of the losses that `auxiliary_losses` returns, under which they are recorded."""
        return ()

    def auxiliary_losses(
        self, routing: dict, load: Any, mask: Any = None
    ) -> dict[str, tuple[Any, Any]]:
        """Returns the losses of a training step.

        Args:
            routing: What the router returned.
            load: Float32 `[E]`, open assignments of each expert.
            mask: Optional bool `[N]`, False for padding.

        Returns:
            Dict from a loss's name to the pair (weight, unweighted float32 scalar). Losses of
            weight 0 are left out.
        """
        return {}

    def matrix_params(self) -> int:
        """Returns the number of weights that routings are computed with."""
        return 0

    def flops_per_token(self, input_dim: int) -> int:
        """Returns the multiplications and additions of the router's matmuls for one token."""
        return 0


def _definer(cls: type, name: str) -> float:
    """Position, in the method resolution order, of the class that defines an attribute."""
    positions = (n for n, part in enumerate(cls.__mro__) if name in vars(part))
    return next(positions, float("inf"))
