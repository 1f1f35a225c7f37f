"""How much each task counts, where that is learned: layers at the end of a multi-task model.

They pass the model's outputs through and own the weights, so that these are saved with the model.
`MultiTaskTraining` asks them for the loss of a step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from sparse_keras._internal.suggest import listing
from sparse_keras.layers.names import variable_name

_MIN_WEIGHT = 1e-3


class TaskWeights(keras.layers.Layer):
    """The base of layers that weigh tasks. They change no output.

    Args:
        tasks: Dict from each target's name to its task, such as `{"income": "binary"}`.

    Call arguments:
        outputs: Dict from target name to tensor.

    Returns:
        The same dict.
    """

    def __init__(self, tasks: Mapping[str, Any], **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")  # What the heads return, and losses are.
        super().__init__(**kwargs)
        self.tasks = dict(tasks)
        if len(self.tasks) < 2:
            raise ValueError(
                f"Weights of tasks need at least two. Received: {listing(self.tasks) or 'none'}."
            )

    def call(self, outputs):
        return dict(outputs)

    def compute_output_shape(self, input_shape):
        return dict(input_shape)

    def combine(self, losses):
        """The loss of a step.

        Args:
            losses: Dict from target name to the task's loss, a float32 scalar.

        Returns:
            A float32 scalar.
        """
        raise NotImplementedError

    def task_weights(self):
        """The factor of each task's loss, dict from target name to a scalar tensor."""
        raise NotImplementedError

    def prepare_training(self, optimizer):
        """Called before a model with this layer is compiled.

        Args:
            optimizer: The `keras.Optimizer` that will train the model.

        Raises:
            ValueError: If this layer cannot be trained here.
        """

    def get_config(self):
        return {**super().get_config(), "tasks": dict(self.tasks)}

    def _add_scalars(self, kind, initial, trainable):
        """A weight for each task, called after it."""
        return {
            task: self.add_weight(
                name=f"{variable_name(task)}_{kind}",
                shape=(),
                initializer=keras.initializers.Constant(initial),
                trainable=trainable,
            )
            for task in self.tasks
        }


@keras.saving.register_keras_serializable(package="sparse_keras")
class UncertaintyWeights(TaskWeights):
    """Weighs tasks by how uncertain the model is of each, which it learns.

    A task has one trainable weight, `s`, the logarithm of its noise's variance. Classes contribute
    `exp(-s) * loss + s / 2` to the loss of a step, numbers `exp(-s) / 2 * loss + s / 2`: the
    negative logarithms of the article's likelihoods. `loss` is taken to be a cross-entropy or a
    squared error; where it is another, that is an approximation.

    Args:
        tasks: Dict from each target's name to its task, such as `{"income": "binary"}`.

    Call arguments:
        outputs: Dict from target name to tensor.

    Returns:
        The same dict.

    Example:

    >>> layer = UncertaintyWeights({"income": "binary", "age": "regression"})
    >>> outputs = layer({"income": np.ones((2, 1)), "age": np.ones((2, 1))})
    >>> float(layer.combine({"income": 0.5, "age": 3.0}))  # 0.5 + 3 / 2 at first
    2.0

    Reference:
        [Kendall, Gal and Cipolla, 2018](https://arxiv.org/abs/1705.07115), equations 7 and 10.
    """

    def build(self, input_shape):
        self.log_variances = self._add_scalars("log_variance", 0.0, trainable=True)
        self.built = True

    def prepare_training(self, optimizer):
        # Decay would pull the variances to 1.
        optimizer.exclude_from_weight_decay(var_list=self.trainable_variables)

    def combine(self, losses):
        weights = self.task_weights()
        return sum(
            weights[task] * losses[task] + log_variance / 2
            for task, log_variance in self.log_variances.items()
        )

    def task_weights(self):
        return {
            task: ops.exp(-log_variance) / (2 if self.tasks[task] == "regression" else 1)
            for task, log_variance in self.log_variances.items()
        }


@keras.saving.register_keras_serializable(package="sparse_keras")
class GradNormWeights(TaskWeights):
    """Weighs tasks so that each trains at a similar rate, by the norms of their gradients.

    After each step, a task's weight moves to bring the norm of its weighted gradient, on the last
    layer that all tasks share, to the tasks' mean, times its relative inverse training rate to the
    power `alpha`: tasks that are behind, by the ratio of their loss to their first one, get larger
    gradients. Then the weights are scaled to sum to the number of tasks.

    Where the article leaves it open: the weights move by plain gradient descent; a task's first
    loss is that of the first batch in which it has labels; a task without labels in a batch takes
    no part in that step; no weight falls below 0.001, before the scaling; a step whose norms are
    not finite changes nothing.

    Training needs the TensorFlow backend.

    Args:
        tasks: Dict from each target's name to its task, such as `{"income": "binary"}`.
        alpha: How strongly tasks that are behind are pulled; 0: all norms become equal.
        learning_rate: Size of the steps of the weights.

    Call arguments:
        outputs: Dict from target name to tensor.

    Returns:
        The same dict.

    Example:

    >>> layer = GradNormWeights({"income": "binary", "age": "regression"}, learning_rate=0.1)
    >>> outputs = layer({"income": np.ones((2, 1)), "age": np.ones((2, 1))})
    >>> losses, norms = {"income": 1.0, "age": 1.0}, {"income": 1.0, "age": 3.0}
    >>> layer.update(losses, norms, present={"income": True, "age": True})
    >>> {task: round(float(weight), 3) for task, weight in layer.task_weights().items()}
    {'income': 1.222, 'age': 0.778}

    Reference:
        [Chen et al., 2018, GradNorm](https://arxiv.org/abs/1711.02257), algorithm 1.
    """

    def __init__(
        self,
        tasks: Mapping[str, Any],
        alpha: float = 1.5,
        learning_rate: float = 0.025,
        **kwargs: Any,
    ) -> None:
        super().__init__(tasks, **kwargs)
        if alpha < 0 or learning_rate <= 0:
            raise ValueError(
                "`alpha` must not be negative, and `learning_rate` must be positive. Received: "
                f"alpha={alpha}, learning_rate={learning_rate}."
            )
        self.alpha = alpha
        self.learning_rate = learning_rate

    def build(self, input_shape):
        self.factors = self._add_scalars("weight", 1.0, trainable=False)
        # 0: not known yet.
        self.first_losses = self._add_scalars("first_loss", 0.0, trainable=False)
        self.built = True

    def check_backend(self):
        """Raises a ValueError on backends other than TensorFlow: GradNorm differentiates within a
        training step, which Keras does not support on every backend."""
        if keras.backend.backend() != "tensorflow":
            raise ValueError(
                "GradNorm is trained on the TensorFlow backend. Received: "
                f"{keras.backend.backend()}. Start Python with KERAS_BACKEND=tensorflow, or choose "
                "training.task_weights: {type: uncertainty}."
            )

    def prepare_training(self, optimizer):
        self.check_backend()

    def combine(self, losses):
        return sum(factor * losses[task] for task, factor in self.factors.items())

    def task_weights(self):
        return {task: ops.cast(factor, "float32") for task, factor in self.factors.items()}

    def update(self, losses, norms, present):
        """Moves the weights after a step.

        Args:
            losses: Dict from target name to the task's loss.
            norms: Dict from target name to the norm of that loss's gradient on the shared layer,
                not weighted.
            present: Dict from target name to whether the task has labels in the batch.
        """
        there = self._stack(present)
        loss, norm = self._stack(losses), self._stack(norms)
        factor, first = self._stack(self.factors), self._stack(self.first_losses)
        first = ops.where((first == 0) & (there > 0), loss, first)
        ratio = ops.divide_no_nan(loss, first)
        rate = ops.divide_no_nan(ratio, _mean(ratio, there))
        weighted = factor * norm
        wanted = _mean(weighted, there) * rate**self.alpha
        # The gradient of |weighted - wanted|, in which `wanted` is a constant.
        gradient = ops.sign(weighted - wanted) * norm * there
        moved = ops.maximum(factor - self.learning_rate * gradient, _MIN_WEIGHT)
        moved = moved * len(self.tasks) / ops.sum(moved)
        good = ops.all(ops.isfinite(moved)) & ops.all(ops.isfinite(first))
        for number, task in enumerate(self.tasks):
            self.factors[task].assign(ops.where(good, moved, factor)[number])
            known = ops.where(good, first, self._stack(self.first_losses))
            self.first_losses[task].assign(known[number])

    def _stack(self, values):
        return ops.stack([ops.cast(values[task], "float32") for task in self.tasks])

    def get_config(self):
        options = {"alpha": self.alpha, "learning_rate": self.learning_rate}
        return {**super().get_config(), **options}


def task_weights_layer(section, task):
    """Makes the layer that a `training.task_weights` section describes.

    Args:
        section: The validated section, or None.
        task: A `MultiTask`.

    Returns:
        A `TaskWeights`, or None where no weights are learned.
    """
    if section is None or section.type == "fixed":
        return None
    layers = {"uncertainty": UncertaintyWeights, "gradnorm": GradNormWeights}
    kinds = {member.name: member.kind for member in task.tasks}
    return layers[section.type](kinds, **section.kwargs(), name="task_weights")


def fixed_task_weights(section, task):
    """The factors of the losses, a dict from the name of a task; None where none are given."""
    if section is None or section.type != "fixed":
        return None
    task.check_names("training.task_weights.weights", section.weights)
    return {name: section.weights.get(name, 1.0) for name in task.names}


def _mean(values, there):
    return ops.divide_no_nan(ops.sum(values * there), ops.sum(there))
