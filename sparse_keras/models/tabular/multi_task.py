"""What the models of several tasks share: everything around what the tasks share.

    columns --> [feature gate] --> [stem] --> shared part --> tower and head of each task

The shared part is a function from one tensor to a dict with a tensor for each task. Models differ
in it only.
"""

from collections.abc import Mapping

import keras

from sparse_keras import tasks as known_tasks
from sparse_keras.layers.names import variable_name
from sparse_keras.models.tabular.features import table_features


def multi_task_model(
    shared_part,
    *,
    inputs,
    tasks,
    embedding_dim,
    numeric_embedding,
    feature_gate,
    stem,
    dropout,
    tower,
    name,
):
    """Builds the functional model. The arguments are those of `mmoe`.

    Args:
        shared_part: Function of the tensor `[B, width]` that returns a dict with a tensor for each
            task.
    """
    if not isinstance(tasks, Mapping) or not tasks:
        raise ValueError(
            "`tasks` must be a dict from names to tasks, such as {'income': 'binary'}. Received: "
            f"tasks={tasks!r}."
        )
    tensors, x = table_features(
        inputs,
        embedding_dim=embedding_dim,
        numeric_embedding=numeric_embedding,
        feature_gate=feature_gate,
    )
    if stem is not None:
        x = keras.layers.Dense(stem, activation="relu", name="stem")(x)
    shared = shared_part(x)
    outputs = {}
    for task_name, task in tasks.items():
        y, layer_name = shared[task_name], variable_name(task_name)
        if dropout:
            y = keras.layers.Dropout(dropout, name=f"{layer_name}_dropout")(y)
        y = _tower(y, layer_name, **(tower or {}))
        task = known_tasks.get(task, task_name)
        outputs[task_name] = task.head(y, f"{layer_name}_head")
    return keras.Model(tensors, outputs, name=name)


def _tower(x, task, hidden_dims=(32,), activation="relu", dropout=0.0):
    for number, width in enumerate(hidden_dims):
        name = f"{task}_tower_{number}"
        x = keras.layers.Dense(width, activation=activation, name=name)(x)
        if dropout:
            x = keras.layers.Dropout(dropout, name=f"{name}_dropout")(x)
    return x
