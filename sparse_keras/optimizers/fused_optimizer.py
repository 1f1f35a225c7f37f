"""Wraps any Keras optimizer, so that its update is compiled for itself."""

import contextlib

import keras

from sparse_keras._internal.keras_private import MovingAveragesOfInner

if keras.backend.backend() == "tensorflow":
    from sparse_keras.optimizers.tensorflow_backend import compiled_update
else:
    # The train step of JAX is compiled already. On PyTorch, Keras has fused updates of its own.
    def compiled_update(optimizer):
        return contextlib.nullcontext()


class _Inner:
    """An attribute that lives in the inner optimizer."""

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, wrapper, owner=None):
        return self if wrapper is None else getattr(wrapper.inner_optimizer, self.name)

    def __set__(self, wrapper, value):
        # Keras's constructor sets its defaults before there is an inner optimizer to have its own.
        if hasattr(wrapper, "inner_optimizer"):
            setattr(wrapper.inner_optimizer, self.name, value)


@keras.saving.register_keras_serializable(package="sparse_keras")
class FusedOptimizer(MovingAveragesOfInner, keras.optimizers.Optimizer):
    """Makes the update of an optimizer faster where `fit` does not compile the whole step.

    The experts that a token does not choose cost nothing in the layers, but the optimizer updates
    all of them. With many experts its share grows to most of a step, above all on TensorFlow, where
    each operation of the update is a pass over all weights: about a dozen for Adam. In this wrapper
    XLA compiles the inner optimizer's own update, and nothing else, to one pass for each variable
    it writes, without temporary copies of the bank. Weights are those of the inner optimizer, to
    rounding.

    Compiling takes about 20 milliseconds for each variable, once: a small model, or a short
    training, does not earn that back.

    What stays as Keras does it: the gradients of embeddings (`IndexedSlices`, whose size changes
    from batch to batch), clipping, moving averages of weights, eager execution, `tf.distribute`,
    weights on several devices, Apple's GPUs; and everything on JAX, which compiles the whole step,
    and on PyTorch. With `compile(jit_compile=True)` the step is compiled already, and this wrapper
    changes nothing.

    Args:
        inner_optimizer: A `keras.optimizers.Optimizer`, its name such as `"adam"`, or its config.
            Everything but `name` is set there. What all optimizers have can be read and set here
            too: `learning_rate`, `iterations`, `weight_decay` and so on; what only some have, such
            as `beta_1`, is read as `inner_optimizer.beta_1`.
        name: String. The name of the wrapper.

    Raises:
        ValueError: If `inner_optimizer` is no optimizer, or one that wraps others
            (`LossScaleOptimizer`, `MultiOptimizer`), which is to wrap this one instead.

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

    built = _Inner()
    variables = _Inner()
    iterations = _Inner()
    learning_rate = _Inner()
    weight_decay = _Inner()
    clipnorm = _Inner()
    clipvalue = _Inner()
    global_clipnorm = _Inner()
    use_ema = _Inner()
    ema_momentum = _Inner()
    ema_overwrite_frequency = _Inner()
    loss_scale_factor = _Inner()
    gradient_accumulation_steps = _Inner()

    def __init__(self, inner_optimizer, name=None):
        super().__init__(learning_rate=0.0, name=name)
        self.inner_optimizer = _optimizer(inner_optimizer)

    def build(self, variables):
        self.inner_optimizer.build(variables)

    def apply(self, grads, trainable_variables=None):
        with compiled_update(self.inner_optimizer):
            self.inner_optimizer.apply(grads, trainable_variables)

    def apply_gradients(self, grads_and_vars):
        super().apply_gradients(grads_and_vars)
        return self.iterations

    def stateless_apply(self, optimizer_variables, grads, trainable_variables):
        return self.inner_optimizer.stateless_apply(optimizer_variables, grads, trainable_variables)

    def scale_loss(self, loss):
        return self.inner_optimizer.scale_loss(loss)

    def finalize_variable_values(self, var_list):
        self.inner_optimizer.finalize_variable_values(var_list)

    def exclude_from_weight_decay(self, var_list=None, var_names=None):
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def set_weights(self, weights):
        self.inner_optimizer.set_weights(weights)

    def __dir__(self):
        # Keras saves what it finds here. The variables of the inner optimizer are saved as our own,
        # under the names that they have without the wrapper, so that the weights of a model with
        # the plain optimizer load into one with the fused, and the other way round.
        return [name for name in super().__dir__() if name != "inner_optimizer"]

    def get_config(self):
        inner_optimizer = keras.saving.serialize_keras_object(self.inner_optimizer)
        return {"name": self.name, "inner_optimizer": inner_optimizer}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        inner_optimizer = keras.saving.deserialize_keras_object(
            config["inner_optimizer"], custom_objects=custom_objects
        )
        return cls(**config | {"inner_optimizer": inner_optimizer})


def _optimizer(identifier):
    try:
        optimizer = keras.optimizers.get(identifier)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(_expected(identifier)) from error
    if optimizer is None:
        raise ValueError(_expected(identifier))
    if isinstance(optimizer, FusedOptimizer):
        raise ValueError("Received as `inner_optimizer` a FusedOptimizer: it is fused already.")
    if hasattr(optimizer, "inner_optimizer") or hasattr(optimizer, "optimizers"):
        kind = type(optimizer).__name__
        raise ValueError(
            "Expected `inner_optimizer` to be an optimizer that updates weights itself. Received: "
            f"a {kind}, which wraps others. Wrap those in FusedOptimizer instead, inside {kind}."
        )
    return optimizer


def _expected(identifier):
    return (
        "Expected `inner_optimizer` to be a keras.optimizers.Optimizer, its name such as 'adam', "
        f"or its config. Received: {identifier!r}."
    )
