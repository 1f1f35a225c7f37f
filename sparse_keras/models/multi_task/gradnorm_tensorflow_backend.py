"""TensorFlow: a training step of GradNorm, which needs the gradient of each task's loss."""

import tensorflow as tf
from keras.utils import unpack_x_y_sample_weight

from sparse_keras._internal import keras_private
from sparse_keras.models.multi_task.gradnorm import last_shared_layer


def gradnorm_step(model, weights, data):
    """What `keras.Model.train_step` does, and a step of the tasks' weights.

    The weights of the model move by the tasks' weights as they were before the step.

    Args:
        model: A `MultiTaskTraining`.
        weights: Its `GradNormWeights`.
        data: A batch.

    Returns:
        The logs.
    """
    x, y, sample_weight = unpack_x_y_sample_weight(data)
    layer = last_shared_layer(getattr(model, "core", model))
    scale = model.optimizer.scale_loss(tf.constant(1.0))  # Above 1 for float16 only.
    with tf.GradientTape(persistent=True) as tape:
        y_pred = model(x, training=True)
        weight = model.class_weighted(y, sample_weight)
        losses, counts = keras_private.compile_loss(model)(y, y_pred, weight)
        total = model.total_loss(losses, training=True)
        scaled = model.optimizer.scale_loss(total)
        scaled_losses = {task: model.optimizer.scale_loss(one) for task, one in losses.items()}
    keras_private.track_loss(model, total, sample_weight=tf.shape(tf.nest.flatten(x)[0])[0])

    trainable = model.trainable_weights
    shared = [variable.value for variable in layer.trainable_weights]
    of_tasks = {task: tape.gradient(one, shared) for task, one in scaled_losses.items()}
    gradients = tape.gradient(scaled, [variable.value for variable in trainable])
    del tape
    model.optimizer.apply_gradients(zip(gradients, trainable, strict=True))
    weights.update(
        losses,
        {task: _norm(gradients) / scale for task, gradients in _on_shared(of_tasks).items()},
        {task: count > 0 for task, count in counts.items()},
    )
    return model.compute_metrics(x, y, y_pred, sample_weight=sample_weight)


def _on_shared(gradients):
    """The gradients on variables that every task reaches: a gate of one task's own is not shared.

    Args:
        gradients: Dict from task to the list of its gradients, None where there is none.
    """
    reached = [
        all(one is not None for one in of_variable)
        for of_variable in zip(*gradients.values(), strict=True)
    ]
    if not any(reached):
        reached = [True] * len(reached)
    return {
        task: [one for one, shared in zip(found, reached, strict=True) if shared]
        for task, found in gradients.items()
    }


def _norm(gradients):
    there = [tf.convert_to_tensor(one) for one in gradients if one is not None]
    return tf.linalg.global_norm(there) if there else tf.constant(0.0)
