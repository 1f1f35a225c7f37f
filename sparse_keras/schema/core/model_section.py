"""What the rest of the package asks of the section of a model."""

from typing import Any, ClassVar

from sparse_keras._internal.builders import builder_of
from sparse_keras.schema.core.section import Section


class ModelSection(Section):
    """A section under `model`.

    Attributes:
        HAS_EXPERTS: Whether the model has experts, whose load training can report.
        SEVERAL_TASKS: Whether the model can learn several tasks at once.
        GENERATES: Whether the model continues texts: its `generate` takes strings.
        DENSE_TWIN_LABEL: Name of the dense twin in tables of results.
        DENSE_ROLE: Role of the layers that the dense twin has instead of experts, for `freeze`,
            `train_only` and `lora`. `None` if nothing tells them from other layers.
    """

    HAS_EXPERTS: ClassVar[bool] = True
    SEVERAL_TASKS: ClassVar[bool] = False
    GENERATES: ClassVar[bool] = False
    DENSE_TWIN_LABEL: ClassVar[str] = "dense twin"
    DENSE_ROLE: ClassVar[str | None] = None

    @property
    def has_dense_beside_experts(self) -> bool:
        """Whether layers with the `DENSE_ROLE` are beside the experts, too."""
        return False

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

    def dense_twin(self, width: int) -> dict[str, Any] | None:
        """Returns the values of the dense model to compare this model with, or `None`.

        The dense twin differs from the model only in what replaces the experts. A plug-in that
        overrides this method gets its models compared with their dense twins.

        Args:
            width: Width of the dense hidden layers. `sparse_keras.dense_twin` searches the width of
                equal cost; the cost must be a polynomial of the width of degree 1 or 2. A twin that
                does not depend on it, as a trained dense model, is taken as it is.

        Returns:
            Dict of the keys of a `model` section, its `type` included.
        """
        return None

    def values_for(self, section: "type[ModelSection]") -> dict[str, Any]:
        """Returns the values of the keys that `section` also defines, except `type`."""
        values = self.model_dump(exclude={"type"})
        return {key: value for key, value in values.items() if key in section.model_fields}
