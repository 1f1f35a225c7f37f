"""The loss and the metrics that fit a task."""

import keras

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.tasks.metrics import BalancedAccuracy, MacroF1

# Of all metrics below; of the others, and of losses, smaller values are better.
HIGHER_IS_BETTER = ("accuracy", "auc", "macro_f1", "balanced_accuracy")


def loss_of(target, section=None, weighted=False):
    """The loss of a target, for models that return probabilities (values for regression).

    Args:
        target: A `data.Target`.
        section: The validated `training.loss` section; None for the usual loss of the task.
        weighted: Whether rows are weighted. The loss is then the weighted mean: the sum of what
            the rows contribute over the sum of the weights.

    Raises:
        ValueError: If the loss is not one for this kind of target.
    """
    classes = target.task != "regression"
    if section is None:
        kind, options = ("cross_entropy" if classes else "mean_squared_error"), {}
    else:
        kind, options = section.type, section.kwargs()
    if classes != (kind in ("cross_entropy", "focal")):
        fitting = "cross_entropy or focal" if classes else "a loss of numbers, such as huber"
        raise ValueError(
            f"training.loss: {kind} does not fit the target {target.name!r}, whose task is "
            f"{target.task}. Expected {fitting}."
        )
    reduction = "mean_with_sample_weight" if weighted else "sum_over_batch_size"
    if not classes:
        losses = {
            "huber": keras.losses.Huber,
            "mean_absolute_error": keras.losses.MeanAbsoluteError,
            "mean_squared_error": keras.losses.MeanSquaredError,
        }
        return StandardisedLoss(losses[kind](**options), target.std or 1.0, reduction=reduction)
    if target.task == "multiclass":
        return _of_class_numbers(kind, options, target.outputs, reduction)
    if kind == "focal":
        return keras.losses.BinaryFocalCrossentropy(**options, reduction=reduction)
    return keras.losses.BinaryCrossentropy(**options, reduction=reduction)


def _of_class_numbers(kind, options, num_classes, reduction):
    """Losses for targets that are numbers of classes, where Keras has those of one-hot rows."""
    if kind == "cross_entropy" and not options.get("label_smoothing"):
        return keras.losses.SparseCategoricalCrossentropy(reduction=reduction)
    return OneHotLoss(
        keras.losses.CategoricalFocalCrossentropy(alpha=1.0, **options)
        if kind == "focal"
        else keras.losses.CategoricalCrossentropy(**options),
        num_classes,
        reduction=reduction,
    )


class _LossOfLoss(keras.losses.Loss):
    """A loss that changes what another one gets.

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
    """A loss of numbers, in standard deviations of the target.

    Else the unit of the target would decide how much the auxiliary losses of routers weigh beside
    it, and how large a step is.

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
        classes = keras.ops.reshape(keras.ops.cast(y_true, "int32"), (-1,))
        return self.loss.call(keras.ops.one_hot(classes, self.num_classes), y_pred)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}


def losses_and_metrics(target, section=None, weighted=False):
    """What `keras.Model.compile` needs to know of a target.

    Args:
        target: A `data.Target`, or a `data.MultiTarget`, whose labels may be missing.
        section: The validated `training.loss`: of several targets a dict from target name to its
            section. None for the usual losses.
        weighted: Whether rows are weighted.

    Returns:
        A dict of arguments.

    Raises:
        ValueError: If a loss does not fit its target, or there is no such target.
    """
    if target.task != "multitask":
        if isinstance(section, dict):
            raise ValueError(
                "training.loss names a loss for each of several targets. Received one target, "
                f"{target.name!r}. Expected such as training.loss: {{type: focal}}."
            )
        metrics = metrics_of(target.task, target.outputs)
        return {
            "loss": loss_of(target, section, weighted),
            "weighted_metrics" if weighted else "metrics": metrics,
        }
    if not (section is None or isinstance(section, dict)):
        raise ValueError(
            f"training.loss must name a loss for each of several targets, such as "
            f"{{{target.names[0]}: {{type: {section.type}}}}}, or be null for the usual ones. "
            f"Received one loss, {section.type}, for {listing(target.names)}."
        )
    refuse_unknown_tasks("training.loss", section or {}, target)
    losses = {one.name: loss_of(one, (section or {}).get(one.name), True) for one in target.targets}
    metrics = {one.name: metrics_of(one.task, one.outputs) for one in target.targets}
    return {"loss": losses, "weighted_metrics": metrics}


def refuse_unknown_tasks(key, names, target):
    """Refuses names that are none of a `MultiTarget`'s, which stand under `key` in a config."""
    for name in names:
        if name not in target.names:
            raise ValueError(
                f"{key} names {name!r}, which is none of the targets: {listing(target.names)}."
                f"{did_you_mean(name, target.names)}"
            )


def metrics_of(task, outputs):
    """The metrics of a task, by which models are compared."""
    if task == "binary":
        return [
            keras.metrics.BinaryAccuracy(name="accuracy"),
            # The default of 200 thresholds is off by up to 0.001.
            keras.metrics.AUC(name="auc", num_thresholds=1000),
        ]
    if task == "multilabel":
        return [
            keras.metrics.BinaryAccuracy(name="accuracy"),
            keras.metrics.AUC(name="auc", multi_label=True, num_labels=outputs),
        ]
    if task == "multiclass":
        return [
            keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
            # Where nearly all rows are of one class, accuracy says little.
            MacroF1(outputs),
            BalancedAccuracy(outputs),
        ]
    return [
        keras.metrics.RootMeanSquaredError(name="rmse"),
        keras.metrics.MeanAbsoluteError(name="mae"),
    ]
