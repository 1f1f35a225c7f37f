"""What the rest of the package asks of the section of a model."""

from typing import Any, ClassVar

from sparse_keras._internal.builders import builder_of
from sparse_keras.schema.core.section import Section


class ModelSection(Section):
    """A section under `model`.

    Attributes:
        HAS_EXPERTS: Whether the model has experts, whose load training can report.
        SEVERAL_TASKS: Whether the model can learn several tasks at once.
    """

    HAS_EXPERTS: ClassVar[bool] = True
    SEVERAL_TASKS: ClassVar[bool] = False

    def build(self, inputs: Any, task: Any) -> Any:
        """Builds the network, with the builder that is registered for the `type` of the section.

        The builder is called with `inputs`, `task` and the values of the section as keyword
        arguments.

        Args:
            inputs: The description of the inputs, `data.Dataset.inputs`.
            task: What to predict, a `tasks.Task`. A `tasks.MultiTask` only if `SEVERAL_TASKS`.

        Returns:
            An uncompiled `keras.Model`.
        """
        return builder_of("model", self.type)(inputs=inputs, task=task, **self.kwargs())
