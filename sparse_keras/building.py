"""From a config and its data to a compiled model."""

import contextlib

import keras

from sparse_keras.data import load_data
from sparse_keras.models import MODELS
from sparse_keras.models.tasks import loss_of, metrics_of
from sparse_keras.optimizers.from_config import optimizer_of


def build_model(config, data=None):
    """Builds the model a config describes, for the columns its data has.

    Args:
        config: A `Config` from `load_config`.
        data: What `load_data(config)` returned. `None` to load it here.

    Returns:
        A `keras.Model` of numeric inputs, as `data.train` serves them; compiled if the config has
        an optimizer.

    Raises:
        ValueError: If the config has no data, or its values do not fit each other.

    Example:

    ```python
    config = sparse_keras.load_config("tabular/sparse_mlp_adult")
    data = sparse_keras.load_data(config)
    model = sparse_keras.build_model(config, data)
    model.fit(data.train, validation_data=data.validation, epochs=10)
    ```
    """
    data = load_data(config) if data is None else data
    model = build_network(config, data.features)
    if config.optimizer is not None:
        compile_model(model, config, data)
    return model


def build_network(config, features):
    """Builds the uncompiled network of a config for the columns in `features`."""
    target = features.target
    sources = features.numeric_sources
    numbers = {name: number for number, name in enumerate(dict.fromkeys(sources))}
    with _dtype_policy(config.training.precision):
        return MODELS[config.model.type](
            **config.model.kwargs(),
            numeric_dim=features.numeric_dim,
            cardinalities=features.cardinalities,
            numeric_groups=[numbers[name] for name in sources],
            outputs=target.outputs,
            task=target.task,
            **_target_scale(target),
        )


def compile_model(model, config, data):
    """Compiles a model with the optimizer and the loss of a config, and the metrics of a target.

    Args:
        model: The `keras.Model`.
        config: A `Config` with an optimizer.
        data: What `load_data(config)` returned: its target, and its steps in an epoch.
    """
    target = data.features.target
    model.compile(
        optimizer=optimizer_of(
            config.optimizer,
            steps_per_epoch=len(data.train),
            epochs=config.training.epochs,
        ),
        loss=loss_of(target, config.training.loss),
        metrics=metrics_of(target.task, target.outputs),
        jit_compile=config.training.jit_compile,
    )


def _target_scale(target):
    if target.task != "regression":
        return {}
    return {"target_mean": target.mean, "target_std": target.std or 1.0}


@contextlib.contextmanager
def _dtype_policy(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
