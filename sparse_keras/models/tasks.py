"""The loss and the metrics that fit a task."""

import keras

# Of all metrics below; of the others, and of losses, smaller values are better.
HIGHER_IS_BETTER = ("accuracy", "auc")


def loss_of(task):
    """The loss of a task, for models that return probabilities (values for regression)."""
    return {
        "binary": keras.losses.BinaryCrossentropy,
        "multilabel": keras.losses.BinaryCrossentropy,
        "multiclass": keras.losses.SparseCategoricalCrossentropy,
        "regression": keras.losses.MeanSquaredError,
    }[task]()


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
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
    return [
        keras.metrics.RootMeanSquaredError(name="rmse"),
        keras.metrics.MeanAbsoluteError(name="mae"),
    ]
