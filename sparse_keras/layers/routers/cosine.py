"""CosineRouter: a TopKRouter whose logits are cosines between tokens and experts."""

import math
from typing import Any

import keras
from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.initializers import for_group
from sparse_keras.layers.routers.top_k import TopKRouter
from sparse_keras.layers.validation import number, optional_positive_int

# A vector shorter than the square root of this has no direction. Its cosines are 0, and so is its
# gradient, which would otherwise be huge.
_NO_LENGTH = 1e-12
_LOWEST_TEMPERATURE = 0.01


@keras.saving.register_keras_serializable(package="sparse_keras")
class CosineRouter(TopKRouter):
    """Compares tokens with experts by their direction, in a space of few dimensions.

        token  = x @ kernel                               [N, P]
        logits = cosine(token, embeddings) / temperature  [+ bias]

    All else is as in a `TopKRouter`, which also has the other arguments. A plain router's logits
    grow with the lengths of tokens and of the experts' vectors, and training pulls tokens towards
    the vectors of their experts, until they carry little other information (representation
    collapse). Here lengths do not count, and P is small compared with D, so that the router needs
    only a small part of a token's dimensions.

    The logarithm of the temperature is learned. The temperature never falls below 0.01.

    Args:
        projection_dim: P. `None` means E / 2, as in the paper, but at least 2: in one dimension
            there are only two directions.
        initial_temperature: Initial value of the temperature, at least 0.01. The paper does not
            give one.
        k: K, experts per token.
        use_bias: Whether a bias is added to the cosines divided by the temperature.
        kernel_initializer: Initializer of the `[D, P]` matrix and of the experts' embeddings
            `[P, E]`. It must not be a constant, since directions must differ.
        kernel_regularizer: Regularizer of both matrices.
        **kwargs: Arguments of `TopKRouter`. Noise is added to the logits, after the division.

    Call arguments:
        inputs: `[N, D]`.
        mask: Optional bool `[N]`, False for padding.
        training: Whether the call is part of training.

    Returns:
        The routing, a dict; see `TopKRouter`.

    Raises:
        ValueError: As for `TopKRouter`, if the initial temperature is too low, or if the
            initializer is a constant.

    Example:

    >>> router = sparse_keras.layers.CosineRouter(k=1, num_experts=8)
    >>> x = np.random.normal(size=(5, 16)).astype("float32")
    >>> logits = np.array(router(x)["logits"])
    >>> np.allclose(logits, router(10 * x)["logits"], atol=1e-4)
    True
    >>> bool(np.abs(logits).max() < 1 / 0.07 + 1e-3)
    True

    Reference:
        [On the Representation Collapse of Sparse Mixture of
        Experts](https://arxiv.org/abs/2204.09179), section 3; the floor of the temperature is that
        of [Tutel](https://github.com/microsoft/Tutel)'s cosine gate.
    """

    def __init__(
        self,
        k: int = 2,
        projection_dim: int | None = None,
        initial_temperature: float = 0.07,
        **kwargs: Any,
    ) -> None:
        super().__init__(k=k, **kwargs)
        self.projection_dim = optional_positive_int("projection_dim", projection_dim)
        alike = keras.initializers.Zeros, keras.initializers.Ones, keras.initializers.Constant
        if isinstance(self.kernel_initializer, alike):
            raise ValueError(
                "Vectors that are all the same have no direction of their own, and no gradient "
                "gives them one. Received: "
                f"kernel_initializer={type(self.kernel_initializer).__name__}."
            )
        self.initial_temperature = float(
            # The temperature is kept above its lowest value.
            number("initial_temperature", initial_temperature, f"[{_LOWEST_TEMPERATURE}, inf)")
        )

    @property
    def _width(self) -> int:
        """P, the dimensions in which directions are compared."""
        return self.projection_dim or max(self.num_experts // 2, 2)

    def add_logit_weights(self, input_dim: int) -> None:

        def matrix(name: str, shape: tuple, initializer: Any) -> keras.Variable:
            return self.add_weight(
                name=name,
                shape=shape,
                initializer=initializer,
                regularizer=self.kernel_regularizer,
            )

        self.kernel = matrix("router_kernel", (input_dim, self._width), self.kernel_initializer)
        self.embeddings = matrix(
            "router_embeddings",
            (self._width, self.num_experts),
            for_group(self.kernel_initializer, "router_embeddings", 0),
        )
        lowest = math.log(_LOWEST_TEMPERATURE)
        self.log_temperature = self.add_weight(
            name="router_log_temperature",
            shape=(),
            initializer=keras.initializers.Constant(math.log(self.initial_temperature)),
            constraint=lambda value: ops.maximum(value, lowest),
        )
        self.bias = self.add_expert_bias() if self.use_bias else None

    def compute_logits(self, inputs: Tensor) -> Tensor:
        projected = self.add_lora_update(ops.matmul(inputs, self.kernel), inputs)
        tokens = _directions(projected, axis=1)
        cosines = ops.matmul(tokens, _directions(ops.convert_to_tensor(self.embeddings), axis=0))
        logits = cosines * ops.exp(-ops.convert_to_tensor(self.log_temperature))
        return logits if self.bias is None else logits + self.bias

    def why_no_lora(self) -> str | None:
        return None  # The projection has it.

    def flops_per_token(self, input_dim: int) -> int:
        return 2 * (input_dim + self.num_experts) * self._width

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "projection_dim": self.projection_dim,
            "initial_temperature": self.initial_temperature,
        }


def _directions(vectors: Tensor, axis: int) -> Tensor:
    """Divides vectors by their lengths; those without a direction become zeros."""
    square = ops.sum(ops.square(vectors), axis=axis, keepdims=True)
    has_length = square > _NO_LENGTH
    # Two `where`s: with one, the gradient would contain 0 times infinity.
    return ops.where(has_length, vectors * ops.rsqrt(ops.where(has_length, square, 1.0)), 0.0)
