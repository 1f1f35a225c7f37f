"""TopKRouter: every token goes to the k experts that score highest."""

import keras
from keras import ops

from sparse_keras import losses
from sparse_keras.layers.grouped_dense import positive_int
from sparse_keras.layers.routers.base import Router, loss_weight

SELECT_ON = ("score", "score_plus_bias", "logits")


@keras.saving.register_keras_serializable(package="sparse_keras")
class TopKRouter(Router):
    """Sends each token to the `k` experts with the highest softmax scores.

        scores = softmax(x @ kernel)
        weight = scores of the k best, divided by their sum

    For k = 1 that would be the constant 1, and no gradient would reach the router. There the
    divisor is the sum of the two best scores: the weight lies between 1/2 and 1, and the scale of
    outputs and gradients does not depend on the number of experts.

    Args:
        k: K, experts per token.
        num_experts: E. `None` to learn it from the layer that owns the router.
        select_on: What the k best are chosen by. `"score"`; `"score_plus_bias"`, the score plus a
            bias for each expert, which the weights know nothing of (see below); or `"logits"`,
            which have the same order as the scores, also where scores round to the same number.
        normalize: `None` divides as above; True divides by the sum of the k best, so that it needs
            k > 1; False leaves the scores as they are, as in Switch Transformers.
        balance_loss: Weight of the load-balancing loss, 1.0 at perfect balance.
        z_loss: Weight of the router z-loss.
        importance_loss: Weight of the importance loss.
        jitter: Width of multiplicative noise on the router's input in training.
        use_bias: Whether logits have a bias.
        kernel_initializer: Initializer of the `[D, E]` matrix.
        kernel_regularizer: Regularizer of the matrix.
        seed: Seed of the jitter.

    Call arguments:
        inputs: `[N, D]`.
        mask: Optional bool `[N]`, False for padding.
        training: Whether the call is part of training.

    Returns:
        The routing, a dict; see `Router`.

    With `select_on="score_plus_bias"`, `selection_bias` is the weight `router_selection_bias`,
    float32 `[E]`, zero at first and not trainable: no gradient reaches it. It steers who is
    chosen, and so the balance, without a say in the weights.

    Raises:
        ValueError: If `k` exceeds the number of experts, `normalize=True` with `k=1`, or
            `select_on` is unknown.

    Example:

    >>> router = sparse_keras.layers.TopKRouter(k=2, num_experts=8)
    >>> routing = router(np.random.normal(size=(5, 16)).astype("float32"))
    >>> routing["expert_index"].shape
    TensorShape([5, 2])

    Reference:
        [Outrageously Large Neural Networks](https://arxiv.org/abs/1701.06538) for k > 1;
        [Switch Transformers](https://arxiv.org/abs/2101.03961) for k = 1 with `normalize=False`.
    """

    def __init__(
        self,
        k=2,
        num_experts=None,
        normalize=None,
        balance_loss=0.01,
        z_loss=0.0,
        select_on="score",
        **kwargs,
    ):
        super().__init__(num_experts=num_experts, balance_loss=balance_loss, **kwargs)
        self.z_loss = loss_weight("z_loss", z_loss)
        self.k = positive_int("k", k)
        if normalize and k == 1:
            raise ValueError(
                "With k=1, `normalize=True` makes every weight the constant 1, and no gradient "
                "reaches the router. Leave `normalize` out, or use k > 1. Received: k=1, "
                "normalize=True."
            )
        self.normalize = normalize
        if select_on not in SELECT_ON:
            raise ValueError(f"`select_on` must be one of {SELECT_ON}. Received: {select_on!r}.")
        self.select_on = select_on
        self.selection_bias = None

    def build(self, input_shape):
        super().build(input_shape)
        if self.select_on == "score_plus_bias":
            self.selection_bias = self.add_weight(
                name="router_selection_bias",
                shape=(self.num_experts,),
                initializer="zeros",
                trainable=False,
            )

    @property
    def experts_per_token(self):
        return self.k

    @property
    def always_open(self):
        return type(self).route is TopKRouter.route  # A subclass may close what it likes.

    def route(self, logits):
        scores = ops.softmax(logits, axis=-1)
        _, expert_index = ops.top_k(self._selection(logits, scores), self.k)
        expert_index = ops.cast(expert_index, "int32")
        weight = self._weigh(logits, scores, expert_index)
        return {
            "expert_index": expert_index,
            "weight": weight,
            "is_open": ops.ones_like(weight, dtype="bool"),
            "scores": scores,
        }

    def weigh(self, logits, expert_index, is_open):
        weight = self._weigh(logits, ops.softmax(logits, axis=-1), expert_index)
        return ops.where(is_open, weight, 0.0)

    def _selection(self, logits, scores):
        """What experts are chosen by, float32 `[N, E]`."""
        if self.select_on == "score_plus_bias":
            return scores + self.selection_bias
        return logits if self.select_on == "logits" else scores

    def _weigh(self, logits, scores, expert_index):
        weight = ops.take_along_axis(scores, expert_index, axis=-1)
        if self.normalize is False:
            return weight
        total = ops.sum(weight, axis=-1, keepdims=True)
        if self.k == 1 and self.num_experts > 1:  # The best of the others counts, too.
            chosen = ops.equal(expert_index, ops.arange(self.num_experts, dtype="int32"))
            others = ops.where(chosen, -float("inf"), self._selection(logits, scores))
            second = ops.argmax(others, axis=-1, keepdims=True)
            total = total + ops.take_along_axis(scores, second, axis=-1)
        # Not the best scores: all that a bias or a replay has chosen may have rounded to 0.
        return weight / (total + 1e-20)

    @property
    def loss_names(self):
        return (*super().loss_names, "z_loss") if self.z_loss else super().loss_names

    def auxiliary_losses(self, routing, load, mask=None):
        found = super().auxiliary_losses(routing, load, mask)
        if self.z_loss:
            found["z_loss"] = (self.z_loss, losses.router_z_loss(routing["logits"], mask))
        return found

    def get_config(self):
        return {
            **super().get_config(),
            "k": self.k,
            "normalize": self.normalize,
            "z_loss": self.z_loss,
            "select_on": self.select_on,
        }
