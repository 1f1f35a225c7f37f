"""What the models of several tasks share: everything around what the tasks share.

    columns --> [feature gate] --> [stem] --> shared part --> tower and head of each task

The shared part is a function from one tensor to a dict with a tensor for each task. Models differ
in it only.
"""

import keras

from sparse_keras.layers.mixtures.mixture import variable_name
from sparse_keras.models.tabular.trunk import table_features, task_head


def multitask_model(shared_part, *, tasks, stem, dropout, tower, name, **columns):
    """Builds the functional model. The arguments are those of `mmoe`.

    Args:
        shared_part: Function of the tensor `[B, width]` that returns a dict with a tensor for each
            task.
        **columns: The arguments of `trunk.table_features`.
    """
    if not isinstance(tasks, dict) or not tasks:
        raise ValueError(
            "`tasks` must be a dict from names to what each task is, such as {'income': {'task': "
            f"'binary'}}}}. Received: tasks={tasks!r}."
        )
    inputs, x = table_features(**columns)
    if stem is not None:
        x = keras.layers.Dense(stem, activation="relu", name="stem")(x)
    found = shared_part(x)
    outputs = {}
    for task, target in tasks.items():
        y, layer_name = found[task], variable_name(task)
        if dropout:
            y = keras.layers.Dropout(dropout, name=f"{layer_name}_dropout")(y)
        y = _tower(y, layer_name, **(tower or {}))
        outputs[task] = _head(y, layer_name, **target)
    return keras.Model(inputs, outputs, name=name)


def _tower(x, task, hidden_dims=(32,), activation="relu", dropout=0.0):
    for number, width in enumerate(hidden_dims):
        name = f"{task}_tower_{number}"
        x = keras.layers.Dense(width, activation=activation, name=name)(x)
        if dropout:
            x = keras.layers.Dropout(dropout, name=f"{name}_dropout")(x)
    return x


def _head(x, name, task, outputs=1, target_mean=0.0, target_std=1.0):
    return task_head(
        x,
        outputs,
        task,
        target_mean,
        target_std,
        name=f"{name}_head",
        scale_name=f"{name}_scale",
    )
