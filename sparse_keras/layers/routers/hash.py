"""HashRouter: looks a token's experts up by its id, and learns nothing."""

from typing import Any

import keras
import numpy as np
from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.routers.base import Router
from sparse_keras.layers.routers.refusals import refuse_arguments_without_effect
from sparse_keras.layers.routers.routing import Routing, closed_to_padding
from sparse_keras.layers.validation import non_negative_int, positive_int


@keras.saving.register_keras_serializable(package="sparse_keras")
class HashRouter(Router):
    """Sends each token to the `k` experts that a table holds for its id, with weights 1 / k.

    The table, `[vocabulary_size, k]`, is drawn once: each of its k columns deals the ids, in random
    order, to the experts. With one column, every expert gets the same number of ids, and with more
    nearly so, because the experts of an id must differ. The table depends on `seed` alone, not on
    the process or the backend, and is saved with the model. `adapt` makes one by the frequencies of
    ids instead.

    Pass the ids in the call of the mixture:

        MixtureOfExperts(bank, router=HashRouter(vocabulary_size=5000))(x, token_ids=ids)

    Args:
        vocabulary_size: V, the number of ids. Larger ids are taken modulo V.
        k: K, experts per token, all different.
        num_experts: E. `None` to take it from the layer that owns the router.
        seed: Seed of the table.

    Call arguments:
        inputs: `[N, D]`. The router does not look at them.
        mask: Optional bool `[N]`, False for padding.
        training: Whether the call is part of training. It has no effect.
        token_ids: Int `[N]`, the id of each token.

    Returns:
        The routing, a dict; see `Router`. `"scores"` are 1 / k for the experts of a token and 0 for
        others, and `"logits"` their logarithms.

    Raises:
        ValueError: If no ids are passed, or an argument of other routers is given that has no
            effect here.

    Example:

    >>> router = sparse_keras.layers.HashRouter(vocabulary_size=100, num_experts=8)
    >>> layer = sparse_keras.layers.MixtureOfExperts(
    ...     sparse_keras.layers.DenseExperts(8, units=4), router=router
    ... )
    >>> ids = np.array([[5, 7, 5]])
    >>> layer(np.ones((1, 3, 16), "float32"), token_ids=ids).shape
    TensorShape([1, 3, 4])

    Reference:
        [Hash Layers For Large Sparse Models](https://arxiv.org/abs/2106.04426), section 3; `adapt`
        makes its balanced hash.
    """

    always_open = True
    takes_balance_loss = False
    takes_token_ids = True

    def __init__(
        self,
        vocabulary_size: int,
        k: int = 1,
        num_experts: int | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_experts=num_experts, seed=non_negative_int("seed", seed), **kwargs)
        self.vocabulary_size = positive_int("vocabulary_size", vocabulary_size)
        self.k = positive_int("k", k)
        refuse_arguments_without_effect(self, allowed=("seed",))

    @property
    def experts_per_token(self) -> int:
        return self.k

    def build(self, input_shape: tuple) -> None:
        self.check_num_experts()
        self.table = self.add_weight(
            name="router_table",
            shape=(self.vocabulary_size, self.k),
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(self._drawn(), dtype),
            dtype="int32",
            trainable=False,
        )
        self.built = True

    def _drawn(self) -> np.ndarray:
        rng = np.random.default_rng(self.seed)
        table = np.zeros((self.vocabulary_size, self.k), "int32")
        for i in range(self.k):
            expert = rng.permutation(self.vocabulary_size) % self.num_experts
            # Where an earlier column has this expert, take the next one.
            while (taken := (table[:, :i] == expert[:, None]).any(axis=1)).any():
                expert = np.where(taken, (expert + 1) % self.num_experts, expert)
            table[:, i] = expert
        return table

    def adapt(self, token_ids: Any) -> None:
        """Deals the ids again, so that experts get equally many tokens with frequencies like these.

        In order of frequency, each id goes to the k experts with the fewest tokens so far. Ids that
        do not occur go to those with the fewest ids. Call it before training.

        Args:
            token_ids: Integers of any shape, a sample of the ids to come, without padding.

        Raises:
            ValueError: If the router is not built.
        """
        if not self.built:
            raise ValueError("A HashRouter knows its experts once it is built. Call `build` first.")
        ids = np.asarray(token_ids).ravel() % self.vocabulary_size
        counts = np.bincount(ids, minlength=self.vocabulary_size)
        load, owned = np.zeros(self.num_experts), np.zeros(self.num_experts)
        table = np.zeros((self.vocabulary_size, self.k), "int32")
        for token in np.argsort(-counts, kind="stable"):
            fewest = np.argsort(load if counts[token] else owned, kind="stable")
            table[token] = fewest[: self.k]
            load[table[token]] += counts[token]
            owned[table[token]] += 1
        self.table.assign(table)

    def call_arguments(self, inputs: Tensor, token_ids: Tensor = None) -> dict[str, Any]:
        if token_ids is None:
            raise ValueError(
                "A HashRouter looks experts up by token ids. Pass them to the mixture, "
                "layer(x, token_ids=ids), with the leading axes of x. Received none."
            )
        shape = tuple(token_ids.shape)
        if len(shape) != len(inputs.shape) - 1:
            raise ValueError(
                "`token_ids` must have the leading axes of the inputs. Received: token_ids "
                f"{shape}, inputs {tuple(inputs.shape)}."
            )
        return {"token_ids": ops.reshape(token_ids, (-1,))}

    def call(
        self,
        inputs: Tensor,
        mask: Tensor = None,
        training: bool | None = None,
        token_ids: Tensor = None,
    ) -> Routing:
        if token_ids is None:
            self.call_arguments(inputs)  # Raises an error that says what is missing.
        if keras.backend.standardize_dtype(token_ids.dtype) not in ("int64", "uint32", "uint64"):
            token_ids = ops.cast(token_ids, "int32")
        # The remainder of wide ids is taken before the cast, as int32 would cut them off.
        ids = ops.cast(ops.mod(token_ids, self.vocabulary_size), "int32")
        index = ops.take(ops.convert_to_tensor(self.table), ids, axis=0)
        is_open = ops.ones_like(index, dtype="bool")
        scores = ops.sum(ops.one_hot(index, self.num_experts, dtype="float32"), axis=1) / self.k
        logits = ops.log(ops.maximum(scores, 1e-20))
        routing = {
            "expert_index": index,
            "weight": self.weigh(logits, index, is_open),
            "is_open": is_open,
            "scores": scores,
            "logits": logits,
        }
        return closed_to_padding(routing, mask)

    def weigh(self, logits: Tensor, expert_index: Tensor, is_open: Tensor) -> Tensor:
        return ops.cast(is_open, "float32") / self.k

    def matrix_params(self) -> int:
        return 0

    def flops_per_token(self, input_dim: int) -> int:
        return 0

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "vocabulary_size": self.vocabulary_size, "k": self.k}
