"""From a config and its data to a compiled model."""

import contextlib

import keras

from sparse_keras.data import load_data
from sparse_keras.models import MODELS
from sparse_keras.models.multi_task.multi_task_model import MultiTaskModel, refuse_other_backends
from sparse_keras.models.multi_task.task_weights import (
    GradNormWeights,
    UncertaintyWeights,
    fixed_task_weights,
    task_weights_layer,
)
from sparse_keras.ops import csr
from sparse_keras.optimizers.from_config import optimizer_of
from sparse_keras.schema.sections.models import MODELS as SECTIONS
from sparse_keras.schema.sections.tabular.models import SparseInput
from sparse_keras.schema.sections.tabular.multi_task_models import MultiTaskModelSection
from sparse_keras.tasks.losses_and_metrics import losses_and_metrics


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
    """Builds the uncompiled network of a config for the columns in `features`.

    Returns:
        A `keras.Model`. For several targets it is a `MultiTaskModel`, whose output is a dict
        `{target name: tensor}`; for one its output is a tensor, whichever model it is.

    Raises:
        ValueError: If there are several targets, and the model is one of a single target, or the
            other way round with what is only for several; if there are sparse columns, and the
            model takes none.
    """
    target = features.target
    if config.training.task_weights is not None and target.task != "multitask":
        raise ValueError(
            "training.task_weights weighs several targets. Received one target, "
            f"{target.name!r}. Set training.task_weights=null, or choose more targets."
        )
    arguments = _target_arguments(config.model, target)
    if features.sparse_dim:
        arguments["sparse_dim"] = _sparse_dim(config.model, features)
    sources = features.numeric_sources
    numbers = {name: number for number, name in enumerate(dict.fromkeys(sources))}
    with _dtype_policy(config.training.precision):
        network = MODELS[config.model.type](
            **config.model.kwargs(),
            numeric_dim=features.numeric_dim,
            cardinalities=features.cardinalities,
            numeric_groups=[numbers[name] for name in sources],
            **_numeric_kinds(config.model, features),
            **arguments,
        )
    if "tasks" not in arguments:
        return network
    if target.task != "multitask":
        # One target is one target, to whoever fits, saves or exports the model.
        return keras.Model(network.input, network.output[target.name], name=network.name)
    outputs = network.output
    layer = task_weights_layer(config.training.task_weights, target)
    return MultiTaskModel(
        network.input, outputs if layer is None else layer(outputs), name=network.name
    )


def compile_model(model, config, data):
    """Compiles a model with the optimizer and the loss of a config, and the metrics of a target.

    Args:
        model: The `keras.Model`.
        config: A `Config` with an optimizer.
        data: What `load_data(config)` returned: its target, and its steps in an epoch.
    """
    features, training = data.features, config.training
    _refuse_compiling(training.jit_compile, features)
    optimizer = optimizer_of(
        config.optimizer, steps_per_epoch=len(data.train), epochs=training.epochs
    )
    layer = getattr(model, "task_weights_layer", None)
    if isinstance(layer, UncertaintyWeights):
        # Decay would pull the variances to 1.
        optimizer.exclude_from_weight_decay(var_list=layer.trainable_variables)
    elif isinstance(layer, GradNormWeights):
        refuse_other_backends()
    model.compile(
        optimizer=optimizer,
        **losses_and_metrics(features.target, training.loss, features.weight is not None),
        loss_weights=fixed_task_weights(training.task_weights, features.target),
        jit_compile=training.jit_compile,
    )


def _refuse_compiling(jit_compile, features):
    if features.sparse_dim and jit_compile is True and not csr.compiles:
        raise ValueError(
            "training.jit_compile: XLA cannot compile a step of sparse tensors on "
            f"{keras.backend.backend()}. Received: true. Leave it auto, and set optimizer.fused to "
            "compile the update alone."
        )


def _target_arguments(section, target):
    """What a builder gets to know of the target or targets."""
    if isinstance(section, MultiTaskModelSection):
        targets = target.targets if target.task == "multitask" else (target,)
        return {"tasks": {one.name: _of_target(one) for one in targets}}
    if target.task == "multitask":
        raise ValueError(
            f"model.type {section.type!r} predicts one target. Received {len(target.targets)}: "
            f"{', '.join(target.names)}. Choose a model of several targets "
            f"({', '.join(_multi_task_models())}), or one target in data.tasks or data.target."
        )
    return _of_target(target)


def _sparse_dim(section, features):
    if not isinstance(section, SparseInput):
        names = [name for name, one in SECTIONS.sections.items() if issubclass(one, SparseInput)]
        raise ValueError(
            f"model.type {section.type!r} takes no columns that are mostly zeros, of which the "
            f"data have {features.sparse_dim:,}. Choose one of {', '.join(names)}."
        )
    return features.sparse_dim


def _of_target(target):
    arguments = {"outputs": target.outputs, "task": target.task}
    if target.task == "regression":
        arguments |= {"target_mean": target.mean, "target_std": target.std or 1.0}
    return arguments


def _multi_task_models():
    return [
        name for name, one in SECTIONS.sections.items() if issubclass(one, MultiTaskModelSection)
    ]


def _numeric_kinds(section, features):
    """What an embedding of numeric columns has to know; models without one need not take it."""
    if getattr(section, "numeric_embedding", None) is None:
        return {}
    return {"numeric_kinds": features.numeric_kinds}


@contextlib.contextmanager
def _dtype_policy(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
