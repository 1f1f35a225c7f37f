"""From a config and its data to a compiled model."""

from __future__ import annotations

import contextlib

import keras

from sparse_keras.data import Dataset, load_data
from sparse_keras.data.dataset import check_dataset
from sparse_keras.models.multi_task.multi_task_model import MultiTaskModel
from sparse_keras.models.multi_task.task_weights import fixed_task_weights, task_weights_layer
from sparse_keras.ops import csr
from sparse_keras.optimizers.from_config import optimizer_of
from sparse_keras.schema import Config
from sparse_keras.schema.config import check_config
from sparse_keras.schema.sections.models import MODELS
from sparse_keras.tasks import MultiTask
from sparse_keras.training.class_weights import class_weights
from sparse_keras.training.thresholds import task_of_training
from sparse_keras.training.tuning import tune


def build_model(config: Config, data: Dataset | None = None) -> keras.Model:
    """Builds the model a config describes, for the inputs and the task of its data.

    Args:
        config: A `Config` from `load_config`.
        data: What `load_data(config)` returned. `None` to load it here.

    Returns:
        A `keras.Model` of encoded inputs, as `data.train` serves them; compiled if the config has
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
    check_config(config)
    if data is not None:
        check_dataset(data)
    data = load_data(config) if data is None else data
    model = build_network(config, data)
    if config.optimizer is not None:
        compile_model(model, config, data)
    return model


def build_network(config: Config, data: Dataset) -> keras.Model:
    """Builds the uncompiled network of a config.

    Args:
        config: A `Config`.
        data: What `load_data(config)` returned: its `inputs` and its `task`.

    Returns:
        A `keras.Model`. For several tasks it is a `MultiTaskModel`, whose output is a dict
        `{name of the task: tensor}`; for one its output is a tensor, whichever model it is.

    Raises:
        ValueError: If the model does not fit the inputs or the task.
    """
    task, training = data.task, config.training
    several = isinstance(task, MultiTask)
    if training.task_weights is not None and not several:
        raise ValueError(
            "training.task_weights weighs several targets. Received one target, "
            f"{task.name!r}. Set training.task_weights=null, or choose more targets."
        )
    if several and not config.model.SEVERAL_TASKS:
        names = [name for name, section in MODELS.sections.items() if section.SEVERAL_TASKS]
        raise ValueError(
            f"model.type {config.model.type!r} predicts one target. Received {len(task.tasks)}: "
            f"{', '.join(task.names)}. Choose a model of several targets ({', '.join(names)}), or "
            "one target in data.tasks or data.target."
        )
    with _dtype_policy(training.precision):
        network = config.model.build(data.inputs, task)
    tune(network, training)
    if several:
        layer = task_weights_layer(training.task_weights, task)
        outputs = network.output if layer is None else layer(network.output)
        return MultiTaskModel(network.input, outputs, name=network.name)
    if isinstance(getattr(network, "output", None), dict):
        # One task is one output, to whoever fits, saves or exports the model.
        network = keras.Model(network.input, network.output[task.name], name=network.name)
    if training.class_weight is not None:
        return MultiTaskModel(network.input, network.output, name=network.name)
    return network


def compile_model(model: keras.Model, config: Config, data: Dataset) -> None:
    """Compiles a model with the optimizer and the loss of a config, and the metrics of a task.

    Args:
        model: The `keras.Model`.
        config: A `Config` with an optimizer.
        data: What `load_data(config)` returned: its task, and its steps in an epoch.
    """
    training = config.training
    task = task_of_training(data.task, training)
    weights = class_weights(training.class_weight, task, data.train)
    _check_compilable(training.jit_compile, getattr(model, "core", model))
    optimizer = optimizer_of(
        config.optimizer,
        steps_per_epoch=training.steps_in_epoch(len(data.train)),
        total_steps=training.total_steps(len(data.train)),
    )
    if (layer := getattr(model, "task_weights_layer", None)) is not None:
        layer.prepare_training(optimizer)
    arguments = task.compile_arguments(training.loss, data.weighted)
    if weights is not None:
        arguments["class_weights"] = weights
        if not isinstance(task, MultiTask):
            # The mean by weights, as if batches held them; metrics do not depend on them.
            arguments["loss"] = task.loss(training.loss, weighted=True)
    model.compile(
        optimizer=optimizer,
        **arguments,
        loss_weights=fixed_task_weights(training.task_weights, task),
        jit_compile=training.jit_compile,
    )


def _check_compilable(jit_compile, network):
    """Raises a ValueError if XLA is asked for and cannot compile the network's inputs."""
    inputs = keras.tree.flatten(getattr(network, "inputs", None) or ())
    sparse = any(getattr(tensor, "sparse", False) for tensor in inputs)
    if sparse and jit_compile is True and not csr.compiles:
        raise ValueError(
            "training.jit_compile: XLA cannot compile a step of sparse tensors on "
            f"{keras.backend.backend()}. Received: true. Leave it auto, and set optimizer.fused to "
            "compile the update alone."
        )


@contextlib.contextmanager
def _dtype_policy(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
