"""Losses that Keras does not have in the form that tasks need."""

import keras


def sigmoid_loss(kind: str, options: dict, reduction: str) -> keras.losses.Loss:
    """Makes the loss `kind` of outputs that are each a probability of their own."""
    losses = {
        "cross_entropy": keras.losses.BinaryCrossentropy,
        "focal": keras.losses.BinaryFocalCrossentropy,
    }
    return losses[kind](**options, reduction=reduction)


class _LossOfLoss(keras.losses.Loss):
    """A loss that transforms the inputs of another loss.

    Args:
        loss: The other `keras.losses.Loss`.
    """

    def __init__(self, loss, **kwargs):
        super().__init__(**kwargs)
        self.loss = loss

    def get_config(self):
        return {**super().get_config(), "loss": keras.saving.serialize_keras_object(self.loss)}

    @classmethod
    def from_config(cls, config):
        loss = keras.saving.deserialize_keras_object(config["loss"])
        return cls(**config | {"loss": loss})


@keras.saving.register_keras_serializable(package="sparse_keras")
class StandardisedLoss(_LossOfLoss):
    """A loss of numbers, measured in standard deviations of the target.

    Otherwise the unit of the target would decide how much the auxiliary losses of routers weigh
    beside it, and how large a step is.

    Args:
        loss: A `keras.losses.Loss`.
        std: The standard deviation, above 0.
    """

    def __init__(self, loss, std, **kwargs):
        super().__init__(loss, **kwargs)
        self.std = std

    def call(self, y_true, y_pred):
        y_true = keras.ops.reshape(keras.ops.cast(y_true, y_pred.dtype), keras.ops.shape(y_pred))
        return self.loss.call(y_true / self.std, y_pred / self.std)

    def get_config(self):
        return {**super().get_config(), "std": self.std}


@keras.saving.register_keras_serializable(package="sparse_keras")
class OneHotLoss(_LossOfLoss):
    """A loss of one-hot rows, for targets that are numbers of classes.

    Args:
        loss: A `keras.losses.Loss` of one-hot targets.
        num_classes: Number of classes.
    """

    def __init__(self, loss, num_classes, **kwargs):
        super().__init__(loss, **kwargs)
        self.num_classes = num_classes

    def call(self, y_true, y_pred):
        shape = keras.ops.shape(y_pred)[:-1]  # Targets may be [N] or [N, 1].
        classes = keras.ops.reshape(keras.ops.cast(y_true, "int32"), shape)
        return self.loss.call(keras.ops.one_hot(classes, self.num_classes), y_pred)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}
