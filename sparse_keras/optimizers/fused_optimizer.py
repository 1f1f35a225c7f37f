"""FusedOptimizer: compiles the update of any Keras optimizer with XLA."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

import keras

from sparse_keras._internal.keras_private import MovingAveragesOfInner

if keras.backend.backend() == "tensorflow":
    from sparse_keras.optimizers.tensorflow_backend import compiled_update
else:
    # On JAX, the whole train step is compiled. On PyTorch, Keras has its own fused updates.
    def compiled_update(optimizer: keras.optimizers.Optimizer) -> Any:
        return contextlib.nullcontext()


class _OfInner:
    """An attribute of the wrapper that reads and writes that of the inner optimizer."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, wrapper: Any, owner: type | None = None) -> Any:
        return self if wrapper is None else getattr(wrapper.inner_optimizer, self.name)

    def __set__(self, wrapper: Any, value: Any) -> None:
        # Keras's constructor sets defaults before there is an inner optimizer.
        if hasattr(wrapper, "inner_optimizer"):
            setattr(wrapper.inner_optimizer, self.name, value)


@keras.saving.register_keras_serializable(package="sparse_keras")
class FusedOptimizer(MovingAveragesOfInner, keras.optimizers.Optimizer):
    """Compiles the optimizer update with XLA: faster for many experts.

    The experts that a token does not choose cost nothing in the layers, but the optimizer updates
    all of them. With many experts, the update takes most of a training step, above all on
    TensorFlow, where each operation of the update is a pass over all weights: about a dozen for
    Adam. In this wrapper, XLA compiles the inner optimizer's update, and nothing else, to one pass
    for each variable that it writes, without temporary copies of the bank. The weights are equal to
    those of the inner optimizer, up to rounding.

    Compiling takes about 20 milliseconds for each variable, once. It does not pay off for small
    models or short trainings.

    The wrapper changes nothing in these cases: the gradients of embeddings (`IndexedSlices`, whose
    size changes from batch to batch), clipping, moving averages of weights, eager execution,
    `tf.distribute`, weights on several devices, Apple's GPUs, JAX (which compiles the whole step),
    PyTorch, and `compile(jit_compile=True)`.

    Args:
        inner_optimizer: A `keras.optimizers.Optimizer`, its name such as `"adam"`, or its config.
            Set everything but `name` there. Attributes that all optimizers have, such as
            `learning_rate`, `iterations` and `weight_decay`, can be read and set on the wrapper,
            too. Others, such as `beta_1`, are read as `inner_optimizer.beta_1`.
        name: String. The name of the wrapper.

    Raises:
        ValueError: If `inner_optimizer` is not an optimizer, or one that wraps others
            (`LossScaleOptimizer`, `MultiOptimizer`), which should wrap this one instead.

    Example:

    >>> model = keras.Sequential(
    ...     [sparse_keras.layers.MixtureOfExperts(keras.layers.Dense(1), num_experts=64)]
    ... )
    >>> adam = keras.optimizers.Adam(1e-3, global_clipnorm=1.0)
    >>> model.compile(sparse_keras.optimizers.FusedOptimizer(adam), "mse")
    >>> x, y = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")
    >>> history = model.fit(x, y, verbose=0)
    >>> int(model.optimizer.iterations), round(float(model.optimizer.learning_rate), 6)
    (1, 0.001)
    """

    built = _OfInner()
    variables = _OfInner()
    iterations = _OfInner()
    learning_rate = _OfInner()
    weight_decay = _OfInner()
    clipnorm = _OfInner()
    clipvalue = _OfInner()
    global_clipnorm = _OfInner()
    use_ema = _OfInner()
    ema_momentum = _OfInner()
    ema_overwrite_frequency = _OfInner()
    loss_scale_factor = _OfInner()
    gradient_accumulation_steps = _OfInner()

    def __init__(self, inner_optimizer: Any, name: str | None = None) -> None:
        super().__init__(learning_rate=0.0, name=name)
        self.inner_optimizer = _optimizer(inner_optimizer)

    def build(self, variables: list[keras.Variable]) -> None:
        self.inner_optimizer.build(variables)

    def apply(
        self, grads: list[Any], trainable_variables: list[keras.Variable] | None = None
    ) -> None:
        with compiled_update(self.inner_optimizer):
            self.inner_optimizer.apply(grads, trainable_variables)

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, keras.Variable]]) -> Any:
        super().apply_gradients(grads_and_vars)
        return self.iterations

    def stateless_apply(
        self, optimizer_variables: list[Any], grads: list[Any], trainable_variables: list[Any]
    ) -> Any:
        return self.inner_optimizer.stateless_apply(optimizer_variables, grads, trainable_variables)

    def scale_loss(self, loss: Any) -> Any:
        return self.inner_optimizer.scale_loss(loss)

    def finalize_variable_values(self, var_list: list[keras.Variable]) -> None:
        self.inner_optimizer.finalize_variable_values(var_list)

    def exclude_from_weight_decay(
        self, var_list: list[keras.Variable] | None = None, var_names: list[str] | None = None
    ) -> None:
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def set_weights(self, weights: list[Any]) -> None:
        self.inner_optimizer.set_weights(weights)

    def __dir__(self) -> list[str]:
        # Keras saves the attributes listed here. The variables of the inner optimizer are saved as
        # those of the wrapper, under the names that they have without it, so that a model with the
        # plain optimizer can load the weights of one with the fused optimizer, and vice versa.
        return [name for name in super().__dir__() if name != "inner_optimizer"]

    def get_config(self) -> dict[str, Any]:
        inner_optimizer = keras.saving.serialize_keras_object(self.inner_optimizer)
        return {"name": self.name, "inner_optimizer": inner_optimizer}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> FusedOptimizer:
        inner_optimizer = keras.saving.deserialize_keras_object(
            config["inner_optimizer"], custom_objects=custom_objects
        )
        return cls(**config | {"inner_optimizer": inner_optimizer})


def _optimizer(identifier: Any) -> keras.optimizers.Optimizer:
    try:
        optimizer = keras.optimizers.get(identifier)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(_expected(identifier)) from error
    if optimizer is None:
        raise ValueError(_expected(identifier))
    if isinstance(optimizer, FusedOptimizer):
        raise ValueError(
            "Expected `inner_optimizer` to be an optimizer without a wrapper. Received: a "
            "FusedOptimizer, which is fused already."
        )
    if hasattr(optimizer, "inner_optimizer") or hasattr(optimizer, "optimizers"):
        kind = type(optimizer).__name__
        raise ValueError(
            "Expected `inner_optimizer` to be an optimizer that updates weights itself. Received: "
            f"a {kind}, which wraps others. Wrap those in FusedOptimizer instead, inside {kind}."
        )
    return optimizer


def _expected(identifier: Any) -> str:
    return (
        "Expected `inner_optimizer` to be a keras.optimizers.Optimizer, its name such as 'adam', "
        f"or its config. Received: {identifier!r}."
    )
