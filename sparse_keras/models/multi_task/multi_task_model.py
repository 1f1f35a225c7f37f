"""Training on several targets: the loss of each, and how they become one."""

import keras
from keras import ops

from sparse_keras._internal import keras_private
from sparse_keras.models.multi_task.task_weights import GradNormWeights, TaskWeights


class TaskLosses:
    """The losses of several tasks, which remembers their means since the last reset.

    Stands where Keras has its own `CompileLoss`, which returns the sum only, and knows nothing of
    how many labels a batch has.

    Args:
        losses: Dict from target name to a `keras.losses.Loss`.
        weights: Optional dict from target name to the factor of its loss; 1 by default.
    """

    built = True

    def __init__(self, losses, weights=None):
        self.losses = losses
        self.weights = {name: (weights or {}).get(name, 1.0) for name in losses}
        self.metrics = [keras.metrics.Mean(name=f"{name}_loss") for name in losses]

    def __call__(self, y, y_pred, sample_weight=None):
        """Computes the losses, and remembers them.

        Returns:
            `(losses, counts)`: dicts from target name to a scalar, the mean over the labels that
            are there, and to the sum of their weights.
        """
        losses, counts = {}, {}
        for (name, loss), metric in zip(self.losses.items(), self.metrics, strict=True):
            weight = sample_weight[name] if isinstance(sample_weight, dict) else sample_weight
            losses[name] = ops.cast(loss(y[name], y_pred[name], weight), "float32")
            if weight is None:
                counts[name] = ops.cast(ops.shape(y_pred[name])[0], "float32")
            else:
                counts[name] = ops.sum(ops.cast(weight, "float32"))
            metric.update_state(losses[name], sample_weight=counts[name])
        return losses, counts

    def sum(self, losses):
        return sum(self.weights[name] * loss for name, loss in losses.items())


class MultiTaskTraining:
    """What a `keras.Model` needs to be trained on several targets; others it leaves alone.

    With `compile(loss={target name: loss}, loss_weights={target name: factor})`, each loss an
    object, the logs have each task's loss, `<name>_loss`, a mean over the labels that are there.
    `loss` is their weighted sum.
    Where a `TaskWeights` layer has the weights instead, that is so in training; outside of it, the
    weights all count 1, so that `val_loss` means the same in every epoch.

    With `compile(class_weights=[weight of each class])`, or a dict of such lists by target name,
    the weight of an example in the loss of training is multiplied by that of its class. Metrics,
    and losses of validation, do not depend on it.
    """

    class_weights = None

    def compile(
        self, optimizer="rmsprop", loss=None, loss_weights=None, class_weights=None, **kwargs
    ):
        super().compile(optimizer, loss=loss, loss_weights=loss_weights, **kwargs)
        self.class_weights = class_weights
        losses = loss.values() if isinstance(loss, dict) else [None]
        if all(isinstance(one, keras.losses.Loss) for one in losses):
            keras_private.set_compile_loss(self, TaskLosses(loss, loss_weights))
        elif self.task_weights_layer is not None:
            raise ValueError(
                "Weights that are learned need compile(loss={target name: loss}) with a "
                f"keras.losses.Loss object for each target. Received: loss={loss!r}."
            )

    def compile_from_config(self, config):
        # As Keras does it for models whose `compile` is its own.
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def get_compile_config(self):
        config = super().get_compile_config()
        if config and self.class_weights is not None:
            config["class_weights"] = keras.tree.map_structure(float, self.class_weights)
        return config

    def class_weighted(self, y, sample_weight):
        """Multiplies the weights of examples by those of their classes.

        Args:
            y: The encoded targets: numbers of classes, `[N]`; for several targets a dict.
            sample_weight: Weights of the same structure, or `None`.
        """
        weights = self.class_weights
        if weights is None:
            return sample_weight
        if not isinstance(weights, dict):
            return _class_weighted(weights, y, sample_weight)
        if not isinstance(sample_weight, dict):
            sample_weight = dict.fromkeys(y, sample_weight)
        return sample_weight | {
            name: _class_weighted(of_target, y[name], sample_weight[name])
            for name, of_target in weights.items()
        }

    @property
    def task_weights_layer(self):
        """The `TaskWeights` of the model; None where the weights are fixed."""
        network = getattr(self, "core", self)
        found = (layer for layer in network.layers if isinstance(layer, TaskWeights))
        return next(found, None)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        if training:
            sample_weight = self.class_weighted(y, sample_weight)
        task_losses = keras_private.compile_loss(self)
        if not isinstance(task_losses, TaskLosses):
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        losses, _ = task_losses(y, y_pred, sample_weight)
        return self.total_loss(losses, training)

    def total_loss(self, losses, training):
        """The tasks' losses, weighted and summed, and what layers add to the loss."""
        layer = self.task_weights_layer if training else None
        if layer is None:
            total = keras_private.compile_loss(self).sum(losses)
        else:
            total = layer.combine(losses)
        for loss in self.losses:
            total = total + ops.sum(ops.cast(loss, "float32"))
        return total

    def make_train_function(self, force=False):
        layer = self.task_weights_layer
        if isinstance(layer, GradNormWeights):
            layer.check_backend()
        return super().make_train_function(force)

    def train_step(self, *args):
        layer = self.task_weights_layer
        if not isinstance(layer, GradNormWeights):
            return super().train_step(*args)
        from sparse_keras.models.multi_task.gradnorm_tensorflow_backend import gradnorm_step

        return gradnorm_step(self, layer, *args)


def _class_weighted(weights, y, sample_weight):
    number = ops.cast(ops.reshape(y, (-1,)), "int32")
    of_class = ops.take(ops.convert_to_tensor(weights, "float32"), number)
    if sample_weight is None:
        return of_class
    return of_class * ops.cast(ops.reshape(sample_weight, (-1,)), "float32")


@keras.saving.register_keras_serializable(package="sparse_keras")
class MultiTaskModel(MultiTaskTraining, keras.Model):
    """A functional model of several targets, whose outputs are a dict `{target name: tensor}`; or
    of one target, whose classes have weights.

    Args:
        inputs: As for `keras.Model`.
        outputs: Dict from target name to a tensor; for one target a tensor.
        name: Name of the model.
    """
