"""SlotRouter: the router of a SoftMixtureOfExperts."""

from typing import Any

import keras
from keras import ops

from sparse_keras.layers.routers.base import Router
from sparse_keras.layers.routers.routing import closed_to_padding, every_slot


class SlotRouter(Router):
    """Computes how much of each token is in each slot, and how much of each slot a token gets back.

    Args:
        slots_per_expert: Slots of each expert.
        normalize: Whether tokens and the columns of the kernel have length 1; see
            `SoftMixtureOfExperts`.
        **kwargs: Of `Router`.
    """

    slots_are_experts = True
    sees_other_tokens = True
    takes_balance_loss = False

    def __init__(self, slots_per_expert: int, normalize: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.slots_per_expert = slots_per_expert
        self.normalize = normalize

    @property
    def experts_per_token(self) -> int:
        return self.num_experts

    def check_input_shape(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) == 2:
            raise ValueError(
                "SoftMixtureOfExperts mixes the tokens of each example: it expects inputs of rank "
                "3 or 4, [batch, ..., D]. With rank 2 it would mix the rows of a batch, so that "
                "what a row gets depends on the rows beside it; use MixtureOfExperts there. "
                f"Received: input_shape={tuple(input_shape)}."
            )

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(
            name="router_kernel",
            shape=(input_shape[-1], self.num_experts * self.slots_per_expert),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        if self.normalize:
            self.scale = self.add_weight(name="router_scale", shape=(), initializer="ones")
        self.built = True

    def call(
        self, inputs: Any, mask: Any = None, training: bool | None = None, examples: Any = 1
    ) -> dict[str, Any]:
        phi = ops.convert_to_tensor(self.kernel)
        if self.normalize:
            inputs, phi = _of_length_1(inputs, 1), self.scale * _of_length_1(phi, 0)
        tokens = tokens_of_each(examples)
        logits = ops.reshape(ops.matmul(inputs, phi), (examples, tokens, phi.shape[-1]))
        combine = ops.softmax(logits, axis=-1)
        if mask is not None:
            # Not `[..., None]`: LiteRT cannot add an axis so where two have no static size.
            kept = ops.expand_dims(ops.reshape(mask, (examples, tokens)), -1)
            # Far below any logit, and finite, for an example of padding alone.
            logits = ops.where(kept, logits, -1e30)
            combine = ops.where(kept, combine, 0.0)
        dispatch = ops.softmax(logits, axis=1)
        if mask is not None:
            dispatch = ops.where(kept, dispatch, 0.0)

        shape = (-1, self.num_experts, self.slots_per_expert)
        weight = ops.sum(ops.reshape(combine, shape), axis=-1)
        routing = {
            **every_slot(weight),
            "scores": weight,
            "logits": ops.log(ops.maximum(weight, 1e-20)),
            "dispatch": dispatch,
            "combine": combine,
        }
        return closed_to_padding(routing, mask)

    def compute_output_spec(
        self, inputs: Any, mask: Any = None, training: bool | None = None, examples: Any = None
    ) -> dict[str, Any]:
        spec = super().compute_output_spec(inputs, mask, training)
        slots = self.num_experts * self.slots_per_expert
        for key in ("dispatch", "combine"):
            spec[key] = keras.KerasTensor((examples, None, slots), dtype="float32")
        return spec


def tokens_of_each(examples: Any) -> int:
    """The number of tokens of each example as `reshape` takes it: -1, to be found by itself, but 0
    of no examples, where PyTorch finds none."""
    return 0 if isinstance(examples, int) and examples == 0 else -1


def _of_length_1(values: Any, axis: int) -> Any:
    """Divides values by their Euclidean norm; zeros, as those of padding, stay zeros."""
    squares = ops.sum(values * values, axis=axis, keepdims=True)
    return values * ops.rsqrt(ops.maximum(squares, 1e-12))
