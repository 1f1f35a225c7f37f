"""Short forms for tests of the models of tables."""

import dataclasses

from sparse_keras.data import TableInputs
from sparse_keras.tasks import Binary, Multiclass, Multilabel, Regression

_FIELDS = [field.name for field in dataclasses.fields(TableInputs)]


def with_inputs(arguments):
    """Arguments of a builder, in which the fields of a `TableInputs` may stand by themselves."""
    fields = {name: arguments[name] for name in _FIELDS if name in arguments}
    rest = {name: value for name, value in arguments.items() if name not in fields}
    return {"inputs": TableInputs(**fields), **rest}


def task_of(kind, outputs=1):
    """A task of a kind, with so many classes or labels."""
    if kind in ("multiclass", "multilabel"):
        return {"multiclass": Multiclass, "multilabel": Multilabel}[kind]("target", outputs)
    return {"binary": Binary, "regression": Regression}[kind]()
